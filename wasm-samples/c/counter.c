// Teaches: a module that survives being stopped or moved. It counts; when signal 3 comes it saves
// the count to a file and exits, and where it is started again, it goes on from there.
//
//   arena run --dir /tmp/scratch::/data wasm-samples/build/counter.wasm [FILE [INTERVAL_MS]]
//
// FILE is /data/counter if it is not given. It counts every INTERVAL_MS milliseconds (1000). A node
// sends the signal when it deletes the module: see "Modules with channels" in the README here.

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

    struct pollfd signals = {.fd = open(ARENA_SIGNALS, O_RDONLY), .events = POLLIN};
    if (signals.fd < 0) {
        perror(ARENA_SIGNALS);
        return 1;
    }
    for (unsigned long count = restore(path);; count++) {
        printf("%lu\n", count);
        fflush(stdout);
        int ready = poll(&signals, 1, interval); // the next count is due, or a signal is here
        struct arena_signal signal;
        if (ready > 0 && read(signals.fd, &signal, sizeof signal) == sizeof signal &&
            signal.number == ARENA_SIGNAL_SAVE)
            return save(path, count);
    }
}
