// Teaches: a module's exit code is the exit status of `arena run`. Ends with the number given
// as argv[1], or with 42.
//
//   arena run wasm-samples/build/exit-code.wasm 7; echo $?

#include <stdlib.h>

int main(int argc, char **argv) {
    exit(argc > 1 ? atoi(argv[1]) : 42);
}
