// Teaches: the trap of an integer division by zero. (Floating point does not trap: 1.0 / 0.0
// is infinity.)
//
//   arena run wasm-samples/build/trap-divide-by-zero.wasm

#include <stdio.h>

int main(void) {
    volatile int zero = 0; // volatile: the compiler must not know it
    puts("about to divide by zero");
    fflush(stdout);
    int quotient = 42 / zero;
    printf("not reached: %d\n", quotient);
    return 0;
}
