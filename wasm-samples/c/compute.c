// Teaches: pure computation, to compare engines with. Counts the ways to place N queens on an
// N x N board so that none attacks another; N is argv[1] (1 to 16, 10 if there is none).
// The counts are known, so a wrong engine shows: 8 -> 92, 10 -> 724, 12 -> 14200.
//
//   time arena run wasm-samples/build/compute.wasm 12

#include <stdio.h>
#include <stdlib.h>

// Each bit is a column of the row to fill. `taken`: a queen above stands in the column;
// `left` and `right`: a diagonal from above meets it.
static unsigned long count(unsigned all, unsigned taken, unsigned left, unsigned right) {
    if (taken == all)
        return 1;
    unsigned long solutions = 0;
    for (unsigned free = all & ~(taken | left | right); free != 0; free &= free - 1) {
        unsigned queen = free & -free;
        solutions += count(all, taken | queen, (left | queen) << 1, (right | queen) >> 1);
    }
    return solutions;
}

int main(int argc, char **argv) {
    int n = argc > 1 ? atoi(argv[1]) : 10;
    if (n < 1 || n > 16) {
        fprintf(stderr, "compute: the size must be 1 to 16, not %s\n", argv[1]);
        return 2;
    }
    printf("queens %d: %lu solutions\n", n, count((1u << n) - 1, 0, 0, 0));
    return 0;
}
