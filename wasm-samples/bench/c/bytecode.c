// An interpreter: a loop around a switch over the instructions of a small machine with registers,
// as script languages have it. Indirect jumps, and loads that depend on each other.

#include "bench.h"

enum { LET, ADD, SUB, MUL, AND, XOR, SHIFT, LOAD, STORE, JUMP, LESS, EQUAL, CALL, RETURN, END };
enum { REGISTERS = 16, MEMORY = 4096, FRAMES = 32, LONGEST = 64 };

typedef struct {
    uint8_t operation, a, b, c;
    int32_t value;
} Instruction;

// LESS and EQUAL skip the next instruction, a jump, when they hold. CALL saves the registers from 8 on.
static Instruction program[LONGEST];
static int32_t length;

static int32_t emit(int operation, int a, int b, int c, int32_t value) {
    program[length] = (Instruction){(uint8_t)operation, (uint8_t)a, (uint8_t)b, (uint8_t)c, value};
    return length++;
}

// Fills memory, sorts it by bubbles, counts the numbers that are the same as their neighbours, and
// calls itself to add up to a depth; r0 is what random numbers come from, r1 the result.
static void write_program(void) {
    emit(LET, 2, 0, 0, 0);   // r2 = 0, the index
    emit(LET, 3, 0, 0, 192); // r3, how many
    emit(LET, 4, 0, 0, 1103515245);
    emit(LET, 5, 0, 0, 12345);
    emit(LET, 6, 0, 0, 1);
    emit(LET, 7, 0, 0, 1023);
    int32_t fill = emit(MUL, 0, 0, 4, 0);
    emit(ADD, 0, 0, 5, 0);
    emit(SHIFT, 8, 0, 0, 12);
    emit(AND, 8, 8, 7, 0);
    emit(STORE, 8, 2, 0, 0);
    emit(ADD, 2, 2, 6, 0);
    emit(LESS, 0, 2, 3, 0);
    int32_t filled = emit(JUMP, 0, 0, 0, 0);
    emit(JUMP, 0, 0, 0, fill);

    int32_t outer = emit(LET, 9, 0, 0, 0);
    program[filled].value = outer;
    emit(SUB, 3, 3, 6, 0);
    int32_t inner = emit(LOAD, 10, 9, 0, 0);
    emit(LOAD, 11, 9, 0, 1);
    emit(LESS, 0, 11, 10, 0);
    int32_t ordered = emit(JUMP, 0, 0, 0, 0);
    emit(STORE, 11, 9, 0, 0);
    emit(STORE, 10, 9, 0, 1);
    program[ordered].value = emit(ADD, 9, 9, 6, 0);
    emit(LESS, 0, 9, 3, 0);
    int32_t row = emit(JUMP, 0, 0, 0, 0);
    emit(JUMP, 0, 0, 0, inner);
    program[row].value = emit(LESS, 0, 6, 3, 0);
    int32_t sorted = emit(JUMP, 0, 0, 0, 0);
    emit(JUMP, 0, 0, 0, outer);

    program[sorted].value = emit(LET, 9, 0, 0, 0);
    emit(LET, 3, 0, 0, 191);
    int32_t compare = emit(LOAD, 10, 9, 0, 0);
    emit(LOAD, 11, 9, 0, 1);
    emit(EQUAL, 0, 10, 11, 0);
    int32_t differ = emit(JUMP, 0, 0, 0, 0);
    emit(ADD, 1, 1, 6, 0);
    program[differ].value = emit(XOR, 1, 1, 10, 0);
    emit(ADD, 9, 9, 6, 0);
    emit(LESS, 0, 9, 3, 0);
    int32_t compared = emit(JUMP, 0, 0, 0, 0);
    emit(JUMP, 0, 0, 0, compare);
    program[compared].value = emit(LET, 8, 0, 0, 24);
    int32_t call = emit(CALL, 0, 0, 0, 0);
    emit(END, 0, 0, 0, 0);

    // Adds twice as much of each depth as of the one below.
    program[call].value = emit(LET, 9, 0, 0, 0);
    emit(LESS, 0, 9, 8, 0);
    emit(RETURN, 0, 0, 0, 0);
    emit(SUB, 8, 8, 6, 0);
    emit(CALL, 0, 0, 0, program[call].value);
    emit(ADD, 1, 1, 8, 0);
    emit(ADD, 1, 1, 1, 0);
    emit(RETURN, 0, 0, 0, 0);
}

static uint32_t run(uint32_t seed, uint64_t *executed) {
    static uint32_t memory[MEMORY];
    uint32_t saved[FRAMES][REGISTERS - 8], back[FRAMES], r[REGISTERS] = {seed};
    uint32_t depth = 0, at = 0;
    uint64_t count = 0;
    for (;;) {
        Instruction i = program[at++];
        count++;
        switch (i.operation) {
            case LET: r[i.a] = (uint32_t)i.value; break;
            case ADD: r[i.a] = r[i.b] + r[i.c]; break;
            case SUB: r[i.a] = r[i.b] - r[i.c]; break;
            case MUL: r[i.a] = r[i.b] * r[i.c]; break;
            case AND: r[i.a] = r[i.b] & r[i.c]; break;
            case XOR: r[i.a] = r[i.b] ^ r[i.c]; break;
            case SHIFT: r[i.a] = r[i.b] >> i.value; break;
            case LOAD: r[i.a] = memory[(r[i.b] + (uint32_t)i.value) % MEMORY]; break;
            case STORE: memory[(r[i.b] + (uint32_t)i.value) % MEMORY] = r[i.a]; break;
            case JUMP: at = (uint32_t)i.value; break;
            case LESS: at += r[i.b] < r[i.c]; break;
            case EQUAL: at += r[i.b] == r[i.c]; break;
            case CALL:
                memcpy(saved[depth % FRAMES], r + 8, sizeof(saved[0]));
                back[depth++ % FRAMES] = at;
                at = (uint32_t)i.value;
                break;
            case RETURN:
                depth--;
                memcpy(r + 8, saved[depth % FRAMES], sizeof(saved[0]));
                at = back[depth % FRAMES];
                break;
            default: *executed += count; return r[1];
        }
    }
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 1500, 2);
    uint64_t sum = 0, executed = 0;
    write_program();
    for (uint32_t round = 0; round < rounds; round++)
        sum = bench_mix(sum, run(round, &executed));
    return bench_report("bytecode", rounds, bench_mix(sum, executed));
}
