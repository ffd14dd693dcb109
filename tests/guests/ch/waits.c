// Waits on all that there is, as its argument says, and prints what comes. The test makes it come.
//   ch      ch_poll on /ch/in and light, for ever
//   files   poll() on stdin, /ch/in/data and /sys/signals, for both directions
//   write   poll() on /ch/out/data and /ch/in/data, with a time-out of 30 ms, 5 times
#include <arena.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static void say(const char *what, const char *bytes, int n) {
    printf("%s: %.*s\n", what, n, bytes);
    fflush(stdout);
}

static int with_functions(void) {
    int chs[] = {ch_open("/ch/in", CH_READ, 0), ch_open("light", CH_READ, 0)};
    say("waits", "ch", 2);
    for (;;) {
        char buf[64];
        if (ch_poll(chs, 2, 0) < 1) return 1;
        for (int i = 0; i < 2; i++)
            for (int n; (n = ch_read_msg(chs[i], buf, sizeof buf)) > 0;) say(i ? "light" : "in", buf, n);
    }
}

static int with_files(void) {
    struct pollfd fds[] = {{.fd = 0, .events = POLLIN | POLLOUT},
                           {.fd = open("/ch/in/data", O_RDONLY), .events = POLLIN | POLLOUT},
                           {.fd = open("/sys/signals", O_RDONLY), .events = POLLIN | POLLOUT},
                           {.fd = open("/ch/both/data", O_RDWR), .events = POLLIN | POLLOUT}};
    int rounds = 0;
    say("waits", "files", 5);
    for (;;) {
        char buf[256];
        rounds++;
        if (poll(fds, 4, -1) < 1) return 1;
        for (int i = 0; i < 4; i++) {
            if (!(fds[i].revents & POLLIN)) continue;
            ssize_t n = read(fds[i].fd, buf, sizeof buf);
            if (i == 2 && n == 128) {
                printf("signal: %d in %d rounds\n", buf[0], rounds);
                return 0;
            }
            if (n > 0) say(i == 0 ? "stdin" : i == 1 ? "in" : "both", buf, (int)n);
        }
    }
}

// To write is possible at once for who asks for that alone, and does not end the wait of who asks
// for both.
static int with_times(void) {
    struct pollfd fds[] = {{.fd = open("/ch/out/data", O_WRONLY), .events = POLLOUT},
                           {.fd = open("/ch/both/data", O_RDWR), .events = POLLIN | POLLOUT}};
    printf("alone: %d %d\n", poll(fds, 1, 30000), fds[0].revents == POLLOUT);
    printf("both: %d\n", poll(&fds[1], 1, 30));
    write(fds[1].fd, "x", 1);
    printf("something: %d %d\n", poll(&fds[1], 1, 30000), fds[1].revents == (POLLIN | POLLOUT));
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 2) return 2;
    if (strcmp(argv[1], "ch") == 0) return with_functions();
    if (strcmp(argv[1], "files") == 0) return with_files();
    return with_times();
}
