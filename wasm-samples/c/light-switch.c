// Teaches: channels as files, and waiting for several things with poll(2). It is a light with
// two switches: messages on /ch/switch, and lines on stdin. Each may be "on", "off" or "toggle".
// What the light does then is published on /ch/light.
//
//   arena run --broker mqtt://localhost --channel /ch/switch=realm/kitchen/switch:r \
//       --channel /ch/light=realm/kitchen/light:w wasm-samples/build/light-switch.wasm [COUNT]
//
// Ends after COUNT changes (0, which is what it does without: no end).

#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SWITCH, STDIN, SOURCES };

static int open_or_exit(const char *path, int flags) {
    int fd = open(path, flags);
    if (fd < 0) {
        perror(path);
        exit(1);
    }
    return fd;
}

// The new state of a light that is told this.
static bool follow(const char *order, bool is_on) {
    if (strcmp(order, "toggle") == 0)
        return !is_on;
    if (strcmp(order, "on") == 0 || strcmp(order, "off") == 0)
        return strcmp(order, "on") == 0;
    fprintf(stderr, "light-switch: neither on, off nor toggle: %s\n", order);
    return is_on;
}

int main(int argc, char **argv) {
    unsigned long count = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;

    int light = open_or_exit("/ch/light/data", O_WRONLY);
    struct pollfd sources[SOURCES] = {
        [SWITCH] = {.fd = open_or_exit("/ch/switch/data", O_RDONLY), .events = POLLIN},
        [STDIN] = {.fd = STDIN_FILENO, .events = POLLIN},
    };
    nfds_t watched = SOURCES;
    bool is_on = false;
    puts("the light is off");
    fflush(stdout);

    for (unsigned long changes = 0; count == 0 || changes < count;) {
        if (poll(sources, watched, -1) < 0) {
            perror("light-switch: poll");
            return 1;
        }
        for (nfds_t i = 0; i < watched; i++) {
            if (sources[i].revents == 0)
                continue;
            char orders[256];
            ssize_t size = read(sources[i].fd, orders, sizeof orders - 1);
            if (size < 0) {
                perror("light-switch: read");
                return 1;
            }
            if (size == 0 && i == STDIN)
                watched = STDIN; // the end of stdin; an empty channel may fill again
            orders[size] = '\0';
            for (char *order = strtok(orders, "\n"); order; order = strtok(NULL, "\n")) {
                bool before = is_on;
                is_on = follow(order, before);
                if (is_on == before)
                    continue;
                changes++;
                dprintf(light, "%s", is_on ? "on" : "off"); // one write, so one message
                printf("the light is %s\n", is_on ? "on" : "off");
                fflush(stdout);
            }
        }
    }
    return 0;
}
