// What the benchmark programs have in common: their argument, numbers that look random, and the
// one line that they print. Nothing here measures.

#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// How much to do: argv[1] is a number, or "quick", or missing for the default. The time a program
// takes grows in proportion to it.
static inline uint32_t bench_size(int argc, char **argv, uint32_t usual, uint32_t quick) {
    if (argc < 2)
        return usual;
    if (strcmp(argv[1], "quick") == 0)
        return quick;
    char *end;
    unsigned long size = strtoul(argv[1], &end, 10);
    if (argv[1][0] < '0' || argv[1][0] > '9' || *end != '\0' || size < 1 || size > 1000000000) {
        fprintf(stderr, "%s: the size is a number from 1 on, or \"quick\", not %s\n", argv[0],
                argv[1]);
        exit(2);
    }
    return (uint32_t)size;
}

// The next of a sequence of numbers that is the same everywhere; `state` is not 0.
static inline uint32_t bench_random(uint32_t *state) {
    uint32_t x = *state;
    x ^= x << 13;
    x ^= x >> 17;
    x ^= x << 5;
    return *state = x;
}

// From 0 up to, but not, 1.
static inline double bench_random_unit(uint32_t *state) {
    return (double)(bench_random(state) >> 8) / 16777216.0;
}

// A checksum that `value` has gone into, too.
static inline uint64_t bench_mix(uint64_t sum, uint64_t value) {
    sum = (sum ^ value) * 0x9e3779b97f4a7c15u;
    return sum ^ (sum >> 29);
}

// The same with a number's bits: all of them have to be right.
static inline uint64_t bench_mix_double(uint64_t sum, double value) {
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bench_mix(sum, bits);
}

// Memory, or the end of the program.
static inline void *bench_allocate(size_t bytes) {
    void *memory = malloc(bytes);
    if (memory == NULL) {
        fputs("no memory\n", stderr);
        exit(1);
    }
    return memory;
}

static inline int bench_report(const char *name, uint32_t size, uint64_t sum) {
    printf("%s %lu %08lx%08lx\n", name, (unsigned long)size, (unsigned long)(sum >> 32),
           (unsigned long)(sum & 0xffffffffu));
    return 0;
}

#endif
