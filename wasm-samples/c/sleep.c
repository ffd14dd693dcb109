// Teaches: a module that waits uses no processor time. Sleeps argv[1] seconds (a decimal
// number, 1 if there is none).
//
//   arena run wasm-samples/build/sleep.wasm 0.5

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

int main(int argc, char **argv) {
    double seconds = 1;
    if (argc > 1) {
        char *end;
        seconds = strtod(argv[1], &end);
        if (end == argv[1] || *end != '\0' || !(seconds >= 0 && seconds <= 1e9)) {
            fprintf(stderr, "sleep: not a number of seconds: %s\n", argv[1]);
            return 2;
        }
    }
    printf("sleeping %g s\n", seconds);
    fflush(stdout);

    struct timespec left;
    left.tv_sec = (time_t)seconds;
    left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
    while (nanosleep(&left, &left) != 0) {
        if (errno != EINTR) {
            perror("sleep: nanosleep");
            return 1;
        }
    }
    puts("awake");
    return 0;
}
