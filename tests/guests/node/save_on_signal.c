// Counts the messages of a channel directory, and saves the count when signal 3 comes:
// save_on_signal [FILE [DIRECTORY]]. Started again, it goes on from there.
#include <poll.h>

#include "node.h"

enum { CHANNEL, SIGNALS };

int main(int argc, char **argv) {
    const char *path = text_arg(argc, argv, 1, "/data/count");
    char data[512];
    snprintf(data, sizeof data, "%s/data", text_arg(argc, argv, 2, "/ch/count"));

    unsigned long count = 0;
    FILE *saved = fopen(path, "r");
    if (saved != NULL && fscanf(saved, "%lu", &count) == 1)
        say("restored %lu", count);
    if (saved != NULL)
        fclose(saved);

    struct pollfd sources[] = {
        [CHANNEL] = {.fd = open(data, O_RDONLY), .events = POLLIN},
        [SIGNALS] = {.fd = open_signals(), .events = POLLIN},
    };
    if (sources[CHANNEL].fd < 0) {
        perror(data);
        return 1;
    }
    say("counting");
    for (;;) {
        if (poll(sources, 2, -1) < 0) {
            perror("poll");
            return 1;
        }
        char message[256];
        while (read(sources[CHANNEL].fd, message, sizeof message) > 0)
            say("count %lu", ++count);
        if (told_to_save(sources[SIGNALS].fd))
            break;
    }
    saved = fopen(path, "w");
    if (saved == NULL || fprintf(saved, "%lu\n", count) < 0 || fclose(saved) != 0) {
        perror(path);
        return 1;
    }
    say("saved %lu", count);
    return 0;
}
