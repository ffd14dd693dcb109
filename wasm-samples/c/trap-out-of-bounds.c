// Teaches: the trap of an access outside linear memory. Stores to the first byte after the
// memory's end: the host's memory is out of a module's reach, so it traps instead.
// (A wrong pointer *within* linear memory does not trap: there it is only a bug.)
//
//   arena run wasm-samples/build/trap-out-of-bounds.wasm

#include <stdio.h>

enum { PAGE_SIZE = 65536 };

int main(void) {
    size_t end = __builtin_wasm_memory_size(0) * PAGE_SIZE;
    printf("about to store at %zu, the first byte after linear memory\n", end);
    fflush(stdout);
    *(volatile char *)end = 1; // volatile: the compiler must keep the store
    puts("not reached");
    return 0;
}
