// Publishes as fast as it can, for ever: flood [PATH [SIZE]].
#include "node.h"

static char message[1024 * 1024];

int main(int argc, char **argv) {
    const char *path = text_arg(argc, argv, 1, "realm/flood");
    size_t size = number_arg(argc, argv, 2, 64);
    if (size > sizeof message)
        size = sizeof message;
    memset(message, 'x', sizeof message);
    int channel = open_channel(path, CH_WRITE);
    say("flooding");
    for (;;)
        ch_write_msg(channel, message, size);
}
