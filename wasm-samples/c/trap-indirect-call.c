// Teaches: the trap of a call through a function pointer of the wrong type. WebAssembly checks
// each indirect call, so a corrupted pointer cannot jump to where it likes.
//
//   arena run wasm-samples/build/trap-indirect-call.wasm

#include <stdio.h>

static double half(double x) {
    return x / 2;
}

int main(void) {
    // volatile: the compiler must not see which function this is
    void *volatile pointer = (void *)half;
    int (*wrong)(int) = (int (*)(int))pointer;
    puts("about to call double(double) as int(int)");
    fflush(stdout);
    printf("not reached: %d\n", wrong(1));
    return 0;
}
