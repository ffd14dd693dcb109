// Waits for messages of one channel for ever, and drops them: wait [PATH]. Small, since a test runs
// a thousand of them.
//
// build: -Wl,-z,stack-size=16384
#include <arena.h>
#include <unistd.h>

int main(int argc, char **argv) {
    int channel = ch_open(argc > 1 ? argv[1] : "realm/wait", CH_READ, 0);
    if (channel < 0)
        return 1;
    static const char line[] = "waiting\n"; // without stdio, which would take a page for buffers
    if (write(STDOUT_FILENO, line, sizeof line - 1) < 0)
        return 1;
    while (ch_poll(&channel, 1, 0) >= 0) {
        char message[256];
        while (ch_read_msg(channel, message, sizeof message) > 0)
            continue;
    }
    return 1;
}
