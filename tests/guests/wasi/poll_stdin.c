// poll_oneoff on a pipe. When the guest has said "ready" the harness waits a little and writes
// "hello" to the standard input; when it has said "read", waits a little and closes it.
#include "check.h"

#define MS 1000000ull
#define MONOTONIC __WASI_CLOCKID_MONOTONIC

static void say(const char *line) {
    printf("%s\n", line);
    fflush(stdout);
}

static __wasi_subscription_t reading(uint64_t userdata, __wasi_fd_t fd) {
    __wasi_subscription_t s;
    memset(&s, 0, sizeof s);
    s.userdata = userdata;
    s.u.tag = __WASI_EVENTTYPE_FD_READ;
    s.u.u.fd_read.file_descriptor = fd;
    return s;
}

static __wasi_subscription_t clock_in(uint64_t userdata, uint64_t ns) {
    __wasi_subscription_t s;
    memset(&s, 0, sizeof s);
    s.userdata = userdata;
    s.u.tag = __WASI_EVENTTYPE_CLOCK;
    s.u.u.clock.id = MONOTONIC;
    s.u.u.clock.timeout = ns;
    return s;
}

int main(void) {
    __wasi_event_t e[3];
    size_t n = 0;
    char buf[16];

    // Nothing there yet: the clock ends the wait.
    __wasi_subscription_t s[3] = {reading(1, 0), clock_in(2, 30 * MS), clock_in(3, 9000 * MS)};
    uint64_t start = now(MONOTONIC);
    CHECK_OK(__wasi_poll_oneoff(s, e, 3, &n));
    CHECK_EQ(n, 1);
    CHECK_EQ(e[0].userdata, 2);
    CHECK_EQ(e[0].error, 0);
    CHECK_EQ(e[0].type, __WASI_EVENTTYPE_CLOCK);
    CHECK(now(MONOTONIC) - start >= 30 * MS);

    say("ready");
    // The data ends it, long before the clock; and in the middle of a wait, too.
    s[1] = clock_in(2, 20000 * MS);
    CHECK_OK(__wasi_poll_oneoff(s, e, 2, &n));
    CHECK_EQ(n, 1);
    CHECK_EQ(e[0].userdata, 1);
    CHECK_EQ(e[0].error, 0);
    CHECK_EQ(e[0].type, __WASI_EVENTTYPE_FD_READ);
    // wasmtime says 1 here, for "something".
    CHECK_ANY(e[0].fd_readwrite.nbytes, 5, 1);
    CHECK_EQ(e[0].fd_readwrite.flags, 0);
    CHECK(now(MONOTONIC) - start < 15000 * MS);

    // Still there, still said.
    CHECK_OK(__wasi_poll_oneoff(s, e, 1, &n));
    CHECK_EQ(n, 1);
    CHECK_OK(read_fd(0, buf, 2, &n));
    CHECK_EQ(n, 2);
    CHECK_OK(__wasi_poll_oneoff(s, e, 1, &n));
    CHECK_ANY(e[0].fd_readwrite.nbytes, 3, 1);
    CHECK_OK(read_fd(0, buf, sizeof buf, &n));
    CHECK_EQ(n, 3);

    say("read");
    // Without a clock it waits for the peer to hang up.
    CHECK_OK(__wasi_poll_oneoff(s, e, 1, &n));
    CHECK_EQ(n, 1);
    CHECK_EQ(e[0].userdata, 1);
    CHECK_EQ(e[0].error, 0);
    CHECK_ANY(e[0].fd_readwrite.nbytes, 0, 1);
    // wasmtime has nothing to say about hanging up.
    CHECK_ANY(e[0].fd_readwrite.flags, 0, __WASI_EVENTRWFLAGS_FD_READWRITE_HANGUP);
    CHECK_OK(read_fd(0, buf, sizeof buf, &n));
    CHECK_EQ(n, 0);

    // The standard output can be written to.
    __wasi_subscription_t w = reading(4, 1);
    w.u.tag = __WASI_EVENTTYPE_FD_WRITE;
    CHECK_OK(__wasi_poll_oneoff(&w, e, 1, &n));
    CHECK_EQ(n, 1);
    CHECK_EQ(e[0].error, 0);
    CHECK_EQ(e[0].type, __WASI_EVENTTYPE_FD_WRITE);
    return check_done();
}
