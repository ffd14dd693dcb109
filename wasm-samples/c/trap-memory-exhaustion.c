// Teaches: memory has a limit, and reaching it is not yet a trap: malloc() returns NULL and the
// module decides. This one says how far it came and calls abort(), which traps.
//
//   arena run --max-memory 16MiB wasm-samples/build/trap-memory-exhaustion.wasm

#include <stdio.h>
#include <stdlib.h>

// The blocks form a list that is reachable from here, so that no optimiser drops a malloc().
struct block {
    struct block *next;
    char space[1024 * 1024];
};
struct block *volatile blocks;

int main(void) {
    for (unsigned count = 0;; count++) {
        struct block *block = malloc(sizeof *block);
        if (block == NULL) {
            fprintf(stderr, "out of memory after %u MiB\n", count);
            abort();
        }
        block->next = blocks; // touches one page of the block only: cheap for the host
        blocks = block;
    }
}
