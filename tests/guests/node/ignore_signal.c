// Never ends, whatever signal comes. It takes them, so that the test knows that one has come.
#include <poll.h>

#include "node.h"

int main(void) {
    struct pollfd signals = {.fd = open_signals(), .events = POLLIN};
    say("ignoring");
    for (;;) {
        struct arena_signal signal;
        poll(&signals, 1, -1);
        if (read(signals.fd, &signal, sizeof signal) == sizeof signal)
            say("ignored signal %u", (unsigned)signal.number);
    }
}
