// Opens a great many channels: open_many [COUNT [PREFIX [hold]]]. Prints how many it got, and with
// "hold" keeps them for ever.
#include "node.h"

int main(int argc, char **argv) {
    unsigned long long count = number_arg(argc, argv, 1, 10000), opened = 0;
    const char *prefix = text_arg(argc, argv, 2, "realm/many");
    for (unsigned long long n = 0; n < count; n++) {
        char path[256];
        snprintf(path, sizeof path, "%s/%llu", prefix, n);
        if (ch_open(path, CH_READ_WRITE, 0) >= 0)
            opened++;
    }
    say("opened %llu of %llu", opened, count);
    if (strcmp(text_arg(argc, argv, 3, ""), "hold") == 0)
        sleep_for_ever();
    return 0;
}
