// Teaches: what a module sees of the outside: its arguments and its environment, and only
// what it was given. Nothing of the host's environment leaks in.
//
//   arena run --env COLOUR=blue wasm-samples/build/args-env.wasm one "two words"

#include <stdio.h>

extern char **environ;

int main(int argc, char **argv) {
    for (int i = 0; i < argc; i++)
        printf("argv[%d] = %s\n", i, argv[i]);
    for (char **variable = environ; *variable != NULL; variable++)
        printf("env %s\n", *variable);
    return 0;
}
