// Subscribes to a channel and never reads it: never_reads [PATH].
#include "node.h"

int main(int argc, char **argv) {
    open_channel(text_arg(argc, argv, 1, "realm/never-read"), CH_READ);
    say("subscribed");
    sleep_for_ever();
}
