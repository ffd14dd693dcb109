// Teaches: the smallest guest. It prints one line and ends.
//
//   arena run wasm-samples/build/hello.wasm

#include <stdio.h>

int main(void) {
    puts("Hello from WebAssembly!");
    return 0;
}
