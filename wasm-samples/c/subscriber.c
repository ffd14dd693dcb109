// Teaches: subscribing. Waits for messages without using the processor, and prints each.
//
//   arena run --broker mqtt://localhost --channel light=realm/kitchen/light \
//       wasm-samples/build/subscriber.wasm [CHANNEL [COUNT]]
//
// CHANNEL is "light" if it is not given; "realm/kitchen/#" would be all of the kitchen. Ends after
// COUNT messages (0, which is what it does without: no end).

#include <arena.h>
#include <stdio.h>
#include <stdlib.h>

static char message[64 * 1024]; // larger than any message that is expected

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "light";
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 0;

    int channel = ch_open(path, CH_READ, 0);
    if (channel < 0) {
        fprintf(stderr, "subscriber: cannot open channel %s for reading\n", path);
        return 1;
    }
    printf("subscribed: %s\n", path);
    fflush(stdout);

    unsigned long received = 0;
    while (count == 0 || received < count) {
        if (ch_poll(&channel, 1, 0) < 0) { // 0: waits for ever
            fprintf(stderr, "subscriber: cannot wait for %s\n", path);
            return 1;
        }
        int size = ch_read_msg(channel, message, sizeof message);
        if (size > 0) {
            printf("received: %.*s\n", size, message);
            fflush(stdout);
            received++;
        }
    }
    return ch_close(channel) == 0 ? 0 : 1;
}
