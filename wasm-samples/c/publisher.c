// Teaches: publishing. Opens a channel and writes a message to it, again and again.
//
//   arena run --broker mqtt://localhost --channel light=realm/kitchen/light \
//       wasm-samples/build/publisher.wasm [CHANNEL [COUNT [INTERVAL_MS]]]
//
// CHANNEL is "light" if it is not given. COUNT messages (10; 0: no end), one every INTERVAL_MS
// milliseconds (1000).

#include <arena.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "light";
    unsigned long count = argc > 2 ? strtoul(argv[2], NULL, 10) : 10;
    unsigned long interval = argc > 3 ? strtoul(argv[3], NULL, 10) : 1000;

    int channel = ch_open(path, CH_WRITE, 0);
    if (channel < 0) {
        fprintf(stderr, "publisher: cannot open channel %s for writing\n", path);
        return 1;
    }
    for (unsigned long n = 1; count == 0 || n <= count; n++) {
        char message[64];
        int size = snprintf(message, sizeof message, "message %lu", n);
        if (ch_write_msg(channel, message, (size_t)size) == size)
            printf("published: %s\n", message);
        else
            fprintf(stderr, "publisher: %s was refused\n", message);
        if (n != count)
            usleep((useconds_t)(interval * 1000));
    }
    return ch_close(channel) == 0 ? 0 : 1;
}
