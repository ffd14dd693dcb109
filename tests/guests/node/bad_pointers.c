// Passes bad pointers, lengths, descriptors and numbers to each function of the module env.
//
// bad_pointers [FIRST]: runs the cases from number FIRST (0) on. Each prints its number and what
// it calls before it does, and what came back after. Where one traps, the test starts another
// module at the next case. The last line is "done", and how many cases there are.
#include "node.h"

// The functions again, with each parameter an integer.
#define ENV(function, name, ...)                                                         \
    __attribute__((import_module("env"), import_name(name))) int32_t function(__VA_ARGS__)
#define ENV_VOID(function, name, ...)                                                    \
    __attribute__((import_module("env"), import_name(name))) void function(__VA_ARGS__)

ENV(raw_open, "ch_open", uint32_t, int32_t, int32_t);
ENV(raw_close, "ch_close", int32_t);
ENV(raw_write, "ch_write_msg", int32_t, uint32_t, uint32_t);
ENV(raw_read, "ch_read_msg", int32_t, uint32_t, uint32_t);
ENV(raw_poll, "ch_poll", uint32_t, int32_t, int32_t);
ENV(raw_runtime_uuid, "runtime_get_uuid", uint32_t);
ENV(raw_module_uuid, "module_get_uuid", uint32_t);

static unsigned first_case, next_case;

// Prints the call with the values in it, makes it, and prints the result.
#define TRY(call, ...)                                                                    \
    do {                                                                                  \
        if (next_case++ >= first_case) {                                                  \
            printf("%u: ", next_case - 1);                                                \
            printf(__VA_ARGS__);                                                          \
            fflush(stdout);                                                               \
            int32_t result = (call);                                                      \
            say(" = %d", result);                                                         \
        }                                                                                 \
    } while (0)

#define EACH(item, list) (size_t item = 0; item < sizeof list / sizeof *list; item++)

static uint32_t end_of_memory(void) {
    return (uint32_t)(__builtin_wasm_memory_size(0) * 65536);
}

// A text in the very last bytes of memory, without a NUL.
static uint32_t text_without_end(void) {
    uint32_t at = end_of_memory() - 5;
    memcpy((char *)at, "light", 5);
    return at;
}

int main(int argc, char **argv) {
    first_case = (unsigned)number_arg(argc, argv, 1, 0);
    const char *path = text_arg(argc, argv, 2, "realm/bad-pointers");

    // What is there to break stays away from the end of memory, where texts are put.
    if (sbrk(65536) == (void *)-1)
        return 1;
    uint32_t end = end_of_memory();
    const uint32_t pointers[] = {0,       1,       end - 1,    end,        end + 1,
                                 1 << 31, 1 << 30, 0x7fffffff, 0xfffffff0, 0xffffffff};
    const uint32_t sizes[] = {0, 1, 2, 64, 65536, end, 0x7fffffff, 0x80000000, 0xffffffff};
    const int32_t numbers[] = {0, -1, 1, 2, 3, 4, 255, 1 << 20, 0x7fffffff, -0x7fffffff - 1};

    for EACH (p, pointers)
        for EACH (f, numbers)
            TRY(raw_open(pointers[p], numbers[f], numbers[f]), "ch_open(%#x, %d, %d)",
                pointers[p], numbers[f], numbers[f]);
    for EACH (f, numbers)
        TRY(raw_open(text_without_end(), numbers[f], 0), "ch_open(\"light\" without NUL, %d, 0)",
            numbers[f]);

    int channel = open_channel(path, CH_READ_WRITE);
    for EACH (n, numbers) {
        if (numbers[n] == channel)
            continue;
        TRY(raw_close(numbers[n]), "ch_close(%d)", numbers[n]);
        for EACH (s, sizes) {
            TRY(raw_write(numbers[n], 1024, sizes[s]), "ch_write_msg(%d, 1024, %u)", numbers[n],
                sizes[s]);
            TRY(raw_read(numbers[n], end - 64, sizes[s] & ~64u),
                "ch_read_msg(%d, end - 64, %u)", numbers[n], sizes[s] & ~64u);
        }
    }
    for EACH (p, pointers)
        for EACH (s, sizes) {
            TRY(raw_write(channel, pointers[p], sizes[s]), "ch_write_msg(channel, %#x, %u)",
                pointers[p], sizes[s]);
            // So that there is something to read. It has no number, and prints nothing.
            ch_write_msg(channel, "sixteen bytes...", 16);
            // What a read would overwrite here is this program's own.
            if (pointers[p] >= end - 1 || sizes[s] == 0)
                TRY(raw_read(channel, pointers[p], sizes[s]), "ch_read_msg(channel, %#x, %u)",
                    pointers[p], sizes[s]);
        }

    // A message is there, so that no wait is long.
    ch_write_msg(channel, "here", 4);
    for EACH (p, pointers)
        for EACH (n, numbers)
            TRY(raw_poll(pointers[p], numbers[n], 1), "ch_poll(%#x, %d, 1)", pointers[p],
                numbers[n]);
    for EACH (n, numbers) {
        int one = numbers[n], two[2] = {channel, numbers[n]};
        TRY(ch_poll(&one, 1, 1), "ch_poll({%d}, 1, 1)", one);
        TRY(ch_poll(two, 2, 1), "ch_poll({channel, %d}, 2, 1)", two[1]);
        if (numbers[n] != 0 && numbers[n] < 1000)
            TRY(ch_poll(&channel, 1, numbers[n]), "ch_poll({channel}, 1, %d)", numbers[n]);
    }

    for EACH (p, pointers) {
        TRY(raw_runtime_uuid(pointers[p]), "runtime_get_uuid(%#x)", pointers[p]);
        TRY(raw_module_uuid(pointers[p]), "module_get_uuid(%#x)", pointers[p]);
    }
    TRY(raw_module_uuid(end - 36), "module_get_uuid(end - 36)"); // a byte too few
    TRY(raw_module_uuid(end - 37), "module_get_uuid(end - 37)");

    for EACH (n, numbers)
        TRY((period_set_flags(numbers[n]), 0), "period_set_flags(%d)", numbers[n]);
    TRY((period_end(), 0), "period_end() without a start");
    TRY((period_yield(), 0), "period_yield() without a start");
    TRY((period_start(), period_start(), 0), "period_start() twice");

    say("done: %u cases", next_case);
    return 0;
}
