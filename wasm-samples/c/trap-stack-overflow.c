// Teaches: the trap of a recursion without end. The stack has a limit of its own, so only this
// module ends, never the runtime.
//
//   arena run wasm-samples/build/trap-stack-overflow.wasm

#include <stdio.h>

static volatile unsigned bottom, depth; // volatile: the compiler must not know them

// Work after the call, so that no optimiser can turn the recursion into a loop.
__attribute__((noinline)) static unsigned descend(unsigned level) {
    if (level == bottom)
        return 0;
    depth = level;
    return descend(level + 1) + depth;
}

int main(void) {
    puts("about to recurse for ever");
    fflush(stdout);
    printf("not reached: %u\n", descend(1));
    return 0;
}
