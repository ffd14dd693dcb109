// Uses all the processor time there is, without a call that the host could refuse.
#include "node.h"

static volatile unsigned counter; // volatile: the compiler must keep the loop

int main(void) {
    say("spinning");
    for (;;)
        counter++;
}
