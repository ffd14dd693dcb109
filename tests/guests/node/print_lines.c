// Prints N lines to stdout, and as many to stderr, in turn: print_lines [N]. Flushes nothing: a
// stdout that is a terminal for the module does that at the end of each line.
#include "node.h"

int main(int argc, char **argv) {
    unsigned long long count = number_arg(argc, argv, 1, 10);
    for (unsigned long long n = 1; n <= count; n++) {
        printf("out %llu\n", n);
        fprintf(stderr, "err %llu\n", n);
    }
    return 0;
}
