// Takes all the memory that it gets, writes to each page, and keeps it: eat_memory [exit|abort].
// What it does when there is no more: with "exit" it ends with status 1, with "abort" it traps,
// else it goes on asking for more.
#include "node.h"

enum { PIECE = 1024 * 1024, PAGE = 4096 };

int main(int argc, char **argv) {
    const char *then = text_arg(argc, argv, 1, "");
    say("eating");
    unsigned eaten = 0;
    bool is_full = false;
    for (;;) {
        volatile char *piece = malloc(PIECE); // volatile: the compiler must not leave it out
        if (piece != NULL) {
            for (size_t i = 0; i < PIECE; i += PAGE)
                piece[i] = 1;
            eaten++;
            continue;
        }
        if (!is_full)
            say("no more after %u MiB", eaten);
        is_full = true;
        if (strcmp(then, "exit") == 0)
            return 1;
        if (strcmp(then, "abort") == 0)
            abort();
    }
}
