// A recursion without end.
#include "node.h"

static volatile unsigned bottom, depth; // volatile: the compiler must not know them

// Work after the call, so that no optimiser can turn the recursion into a loop.
__attribute__((noinline)) static unsigned descend(unsigned level) {
    if (level == bottom)
        return 0;
    depth = level;
    return descend(level + 1) + depth;
}

int main(void) {
    say("recursing");
    say("not reached: %u", descend(1));
    return 0;
}
