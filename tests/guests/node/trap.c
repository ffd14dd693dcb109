// Traps, after a line on stdout.
#include "node.h"

int main(void) {
    say("about to trap");
    __builtin_trap();
}
