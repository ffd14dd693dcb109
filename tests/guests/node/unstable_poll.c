// A guest of the older interface, as those of the ARENA are: it imports wasi_unstable alone. Polls
// stdin, /ch/in/data and /sys/signals, for reading and writing at once, as its libc does; prints
// what comes, and copies it to /ch/out/data. Ends on signal 3, or when stdin is at its end.
//
// build: -nostartfiles -Wl,--export=_start
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define UNSTABLE(name, ...)                                                               \
    __attribute__((import_module("wasi_unstable"), import_name(#name))) uint16_t name(__VA_ARGS__)

struct buffer {
    void *at;
    uint32_t size;
};

// As snapshot 0 has it: a clock, which is not used here, would make it this large.
struct subscription {
    uint64_t userdata;
    uint8_t type;
    uint8_t padding[7];
    uint32_t fd;
    uint8_t unused[36];
};
_Static_assert(sizeof(struct subscription) == 56, "the record of snapshot 0");

struct event {
    uint64_t userdata;
    uint16_t error;
    uint8_t type;
    uint8_t padding[5];
    uint64_t bytes;
    uint16_t flags;
    uint8_t padding2[6];
};
_Static_assert(sizeof(struct event) == 32, "the record of snapshot 0");

struct prestat {
    uint8_t type;
    uint8_t padding[3];
    uint32_t name_size;
};

enum { FD_READ = 1, FD_WRITE = 2 };
enum { RIGHT_READ = 1 << 1, RIGHT_WRITE = 1 << 6, RIGHT_POLL = 1 << 27 };

UNSTABLE(fd_read, uint32_t fd, struct buffer *buffers, uint32_t count, uint32_t *size);
UNSTABLE(fd_write, uint32_t fd, struct buffer *buffers, uint32_t count, uint32_t *size);
UNSTABLE(fd_prestat_get, uint32_t fd, struct prestat *prestat);
UNSTABLE(fd_prestat_dir_name, uint32_t fd, char *name, uint32_t size);
UNSTABLE(path_open, uint32_t dir, uint32_t lookup, const char *path, uint32_t size, uint32_t oflags,
         uint64_t rights, uint64_t inheriting, uint32_t fdflags, uint32_t *fd);
UNSTABLE(poll_oneoff, const struct subscription *in, struct event *out, uint32_t count,
         uint32_t *events);
__attribute__((import_module("wasi_unstable"), import_name("proc_exit"), noreturn)) void
proc_exit(uint32_t status);

static bool put(uint32_t fd, const char *bytes, uint32_t size) {
    struct buffer buffer = {(void *)bytes, size};
    uint32_t written = 0;
    return fd_write(fd, &buffer, 1, &written) == 0 && written == size;
}

static void say(const char *line) {
    put(1, line, (uint32_t)strlen(line));
    put(1, "\n", 1);
}

// A line "WHAT: BYTES", in one write.
static void show(const char *what, const char *bytes, uint32_t size) {
    struct buffer parts[] = {
        {(void *)what, (uint32_t)strlen(what)}, {": ", 2}, {(void *)bytes, size}, {"\n", 1}};
    bool has_newline = size > 0 && bytes[size - 1] == '\n';
    uint32_t written;
    fd_write(1, parts, has_newline ? 3 : 4, &written);
}

// The descriptor of a file in the preopened directory of that name.
static uint32_t open_in(const char *directory, const char *file, uint64_t rights) {
    uint32_t size = (uint32_t)strlen(directory), fd;
    struct prestat prestat;
    for (uint32_t dir = 3; fd_prestat_get(dir, &prestat) == 0; dir++) {
        char name[256];
        if (prestat.name_size == size && size <= sizeof name &&
            fd_prestat_dir_name(dir, name, size) == 0 && memcmp(name, directory, size) == 0 &&
            path_open(dir, 0, file, (uint32_t)strlen(file), 0, rights, 0, 0, &fd) == 0)
            return fd;
    }
    say("cannot open a file in");
    say(directory);
    proc_exit(1);
}

enum { STDIN, CHANNEL, SIGNALS, SOURCES };

void _start(void) {
    static const char *const names[SOURCES] = {"stdin", "channel", "signal"};
    uint32_t fds[SOURCES] = {
        [STDIN] = 0,
        [CHANNEL] = open_in("/ch/in", "data", RIGHT_READ | RIGHT_POLL),
        [SIGNALS] = open_in("/sys", "signals", RIGHT_READ | RIGHT_POLL),
    };
    uint32_t out = open_in("/ch/out", "data", RIGHT_WRITE);
    struct subscription in[2 * SOURCES] = {0};
    for (int i = 0; i < SOURCES; i++) {
        in[2 * i] = (struct subscription){.userdata = i, .type = FD_READ, .fd = fds[i]};
        in[2 * i + 1] = (struct subscription){.userdata = i, .type = FD_WRITE, .fd = fds[i]};
    }
    say("polling");
    for (;;) {
        struct event events[2 * SOURCES];
        uint32_t count = 0;
        if (poll_oneoff(in, events, 2 * SOURCES, &count) != 0) {
            say("poll failed");
            proc_exit(1);
        }
        for (uint32_t i = 0; i < count; i++) {
            if (events[i].type != FD_READ)
                continue;
            static char bytes[65536];
            struct buffer buffer = {bytes, sizeof bytes};
            uint32_t source = (uint32_t)events[i].userdata, size = 0;
            if (events[i].error != 0 || fd_read(fds[source], &buffer, 1, &size) != 0) {
                show(names[source], "cannot be read", 14);
                proc_exit(1);
            }
            if (source == SIGNALS && size == 128) {
                say(bytes[0] == 3 ? "signal: 3" : "signal: another");
                proc_exit(bytes[0] == 3 ? 0 : 1);
            } else if (source == STDIN && size == 0) {
                say("end of input");
                proc_exit(0);
            } else if (size > 0) {
                show(names[source], bytes, size);
                put(out, bytes, size);
            }
        }
    }
}
