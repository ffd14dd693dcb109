// Teaches: a module that never ends on its own can be stopped from outside, although it makes
// no call that the host could refuse.
//
//   arena run --timeout 2s wasm-samples/build/endless-loop.wasm     (or press Ctrl-C)

#include <stdio.h>

static volatile unsigned counter; // volatile: the compiler must keep the loop

int main(void) {
    puts("looping");
    fflush(stdout);
    for (;;)
        counter++;
}
