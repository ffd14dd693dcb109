// Teaches: a module that survives being stopped or moved. It counts, and publishes the count; when
// signal 3 comes it saves it to a file and exits, and where it is started again, it goes on from
// there.
//
//   arena run --broker mqtt://localhost --channel count=realm/count --dir /tmp/scratch::/data \
//       wasm-samples/build/counter.wasm [FILE [INTERVAL_MS]]
//
// FILE is /data/counter if it is not given. It counts every INTERVAL_MS milliseconds (1000). A node
// (`arena runtime`) sends the signal when it deletes the module, and when it ends itself.

#include <arena.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static unsigned long restore(const char *path) {
    unsigned long count = 0;
    FILE *file = fopen(path, "r");
    if (file != NULL) {
        if (fscanf(file, "%lu", &count) == 1)
            printf("restored %lu from %s\n", count, path);
        fclose(file);
    }
    return count;
}

// To a new file that takes the old one's place: whatever happens, one of them is whole.
static int save(const char *path, unsigned long count) {
    char draft[512];
    snprintf(draft, sizeof draft, "%s.new", path);
    FILE *file = fopen(draft, "w");
    if (file == NULL || fprintf(file, "%lu\n", count) < 0 || fclose(file) != 0 ||
        rename(draft, path) != 0) {
        perror("counter: cannot save");
        return 1;
    }
    printf("saved %lu to %s\n", count, path);
    return 0;
}

int main(int argc, char **argv) {
    const char *path = argc > 1 ? argv[1] : "/data/counter";
    int interval = argc > 2 ? atoi(argv[2]) : 1000;

    int channel = ch_open("count", CH_WRITE, 0);
    if (channel < 0) {
        fprintf(stderr, "counter: there is no channel count\n");
        return 1;
    }
    struct pollfd signals = {.fd = open(ARENA_SIGNALS, O_RDONLY), .events = POLLIN};
    if (signals.fd < 0) {
        perror(ARENA_SIGNALS);
        return 1;
    }
    for (unsigned long count = restore(path);; count++) {
        char text[32];
        int size = snprintf(text, sizeof text, "%lu", count);
        ch_write_msg(channel, text, (size_t)size); // if it is refused, the next one may not be
        puts(text);
        fflush(stdout);
        int ready = poll(&signals, 1, interval); // the next count is due, or a signal is here
        struct arena_signal signal;
        if (ready > 0 && read(signals.fd, &signal, sizeof signal) == sizeof signal &&
            signal.number == ARENA_SIGNAL_SAVE)
            return save(path, count);
    }
}
