// Sends each message of one channel back on another: echo [FROM [TO]]. Ends on signal 3.
#include "node.h"

static char message[1024 * 1024];

int main(int argc, char **argv) {
    int from = open_channel(text_arg(argc, argv, 1, "in"), CH_READ);
    int to = open_channel(text_arg(argc, argv, 2, "out"), CH_WRITE);
    int signals = open_signals();
    say("echoing");
    while (!told_to_save(signals)) {
        if (ch_poll(&from, 1, 200) < 0) // not for ever: it looks for signals, too
            return 1;
        int size;
        while ((size = ch_read_msg(from, message, sizeof message)) > 0)
            ch_write_msg(to, message, (size_t)size);
    }
    say("ended by signal 3");
    return 0;
}
