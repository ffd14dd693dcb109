// poll_oneoff: clocks, files and directories. What needs a peer is in poll_stdin.c.
#include "check.h"

#define MS 1000000ull
#define ABSTIME __WASI_SUBCLOCKFLAGS_SUBSCRIPTION_CLOCK_ABSTIME
#define REALTIME __WASI_CLOCKID_REALTIME
#define MONOTONIC __WASI_CLOCKID_MONOTONIC

static __wasi_subscription_t on_clock(uint64_t userdata, __wasi_clockid_t id, uint64_t timeout,
                                      int flags) {
    __wasi_subscription_t s;
    memset(&s, 0, sizeof s);
    s.userdata = userdata;
    s.u.tag = __WASI_EVENTTYPE_CLOCK;
    s.u.u.clock.id = id;
    s.u.u.clock.timeout = timeout;
    s.u.u.clock.flags = flags;
    return s;
}

static __wasi_subscription_t on_fd(uint64_t userdata, int type, __wasi_fd_t fd) {
    __wasi_subscription_t s;
    memset(&s, 0, sizeof s);
    s.userdata = userdata;
    s.u.tag = type;
    s.u.u.fd_read.file_descriptor = fd;
    return s;
}

static const __wasi_event_t *find(const __wasi_event_t *events, size_t n, uint64_t userdata) {
    for (size_t i = 0; i < n; i++)
        if (events[i].userdata == userdata) return &events[i];
    return NULL;
}

// A clock that must fire after `want` and before `want` + `slack` from now, alone.
static void sleeps(int line, __wasi_clockid_t id, uint64_t timeout, int flags, uint64_t want) {
    __wasi_subscription_t s = on_clock(0x1122334455667788ull, id, timeout, flags);
    __wasi_event_t e;
    memset(&e, 0xaa, sizeof e);
    size_t n = 77;
    uint64_t start = now(MONOTONIC);
    long long err = __wasi_poll_oneoff(&s, &e, 1, &n);
    uint64_t took = now(MONOTONIC) - start;
    check_report(err == 0, __FILE__, line, "poll_oneoff", err, "0");
    check_report(n == 1, __FILE__, line, "nevents", (long long)n, "1");
    check_report(e.userdata == 0x1122334455667788ull, __FILE__, line, "userdata",
                 (long long)e.userdata, "what was given");
    check_report(e.error == 0, __FILE__, line, "event.error", e.error, "0");
    check_report(e.type == __WASI_EVENTTYPE_CLOCK, __FILE__, line, "event.type", e.type, "0");
    // The wall clock and the monotonic one may run a little differently: 1 ms of grace.
    check_report(took + MS >= want, __FILE__, line, "slept (ns)", (long long)took, "longer");
    check_report(took < want + 1500 * MS, __FILE__, line, "slept (ns)", (long long)took,
                 "shorter");
}
#define SLEEPS(id, timeout, flags, want) sleeps(__LINE__, id, timeout, flags, want)

static void clocks_alone(void) {
    SLEEPS(MONOTONIC, 50 * MS, 0, 50 * MS);
    SLEEPS(REALTIME, 50 * MS, 0, 50 * MS);
    SLEEPS(MONOTONIC, 0, 0, 0);
    SLEEPS(MONOTONIC, now(MONOTONIC) + 50 * MS, ABSTIME, 50 * MS);
    SLEEPS(REALTIME, now(REALTIME) + 50 * MS, ABSTIME, 50 * MS);
    // Longer than a second, which is where a sleep cut into slices shows its seams.
    SLEEPS(MONOTONIC, now(MONOTONIC) + 1200 * MS, ABSTIME, 1200 * MS);
    SLEEPS(REALTIME, now(REALTIME) + 1200 * MS, ABSTIME, 1200 * MS);
    SLEEPS(MONOTONIC, 1200 * MS, 0, 1200 * MS);
    SLEEPS(MONOTONIC, 1000 * MS, 0, 1000 * MS);
    // In the past: at once.
    SLEEPS(MONOTONIC, 0, ABSTIME, 0);
    SLEEPS(MONOTONIC, now(MONOTONIC) - 1, ABSTIME, 0);
    SLEEPS(REALTIME, 1, ABSTIME, 0);

    // Nanoseconds, not milliseconds: twenty times half a millisecond is at least ten.
    uint64_t start = now(MONOTONIC);
    for (int i = 0; i < 20; i++) {
        __wasi_subscription_t s = on_clock(i, MONOTONIC, MS / 2, 0);
        __wasi_event_t e;
        size_t n;
        CHECK_OK(__wasi_poll_oneoff(&s, &e, 1, &n));
    }
    CHECK(now(MONOTONIC) - start >= 10 * MS);

    // Waiting costs no CPU time.
    uint64_t cpu = cpu_time();
    SLEEPS(MONOTONIC, now(MONOTONIC) + 400 * MS, ABSTIME, 400 * MS);
    CHECK(cpu_time() - cpu < 100 * MS);
}

static void clocks_together(void) {
    __wasi_event_t e[4];
    size_t n;

    // The earlier one ends the wait, wherever it stands and however it is given; the later
    // one may not be among the events.
    for (int order = 0; order < 2; order++)
        for (int kinds = 0; kinds < 4; kinds++) {
            __wasi_subscription_t s[2];
            uint64_t start = now(MONOTONIC);
            s[order] = (kinds & 1) ? on_clock(1, MONOTONIC, start + 40 * MS, ABSTIME)
                                   : on_clock(1, MONOTONIC, 40 * MS, 0);
            s[!order] = (kinds & 2) ? on_clock(2, REALTIME, now(REALTIME) + 5000 * MS, ABSTIME)
                                    : on_clock(2, REALTIME, 5000 * MS, 0);
            n = 99;
            CHECK_OK(__wasi_poll_oneoff(s, e, 2, &n));
            uint64_t took = now(MONOTONIC) - start;
            CHECK_EQ(n, 1);
            CHECK(find(e, n, 1) && find(e, n, 1)->error == 0);
            CHECK_EQ(e[0].type, __WASI_EVENTTYPE_CLOCK);
            CHECK(took >= 39 * MS && took < 2000 * MS);
        }

    // Two that are due at once are both reported, or the first of them and then the other.
    __wasi_subscription_t both[2] = {on_clock(1, MONOTONIC, 0, 0), on_clock(2, REALTIME, 0, 0)};
    CHECK_OK(__wasi_poll_oneoff(both, e, 2, &n));
    CHECK(n == 1 || n == 2);
    for (size_t i = 0; i < n; i++) CHECK_EQ(e[i].error, 0);

    // Many clocks.
    __wasi_subscription_t many[64];
    __wasi_event_t many_out[64];
    for (int i = 0; i < 64; i++) many[i] = on_clock(i, MONOTONIC, (100 - i) * MS, 0);
    uint64_t start = now(MONOTONIC);
    CHECK_OK(__wasi_poll_oneoff(many, many_out, 64, &n));
    CHECK(n >= 1 && find(many_out, n, 63));
    CHECK(now(MONOTONIC) - start >= 36 * MS);
}

static void descriptors(__wasi_fd_t work) {
    make_file(work, "ten", "0123456789");
    __wasi_fd_t fd = open_file(work, "ten", 0);
    __wasi_event_t e[4];
    size_t n = 0;

    // A regular file is always ready, whatever clock waits beside it.
    __wasi_subscription_t s[3] = {on_clock(1, MONOTONIC, 5000 * MS, 0),
                                  on_fd(2, __WASI_EVENTTYPE_FD_READ, fd),
                                  on_fd(3, __WASI_EVENTTYPE_FD_WRITE, fd)};
    uint64_t start = now(MONOTONIC);
    CHECK_OK(__wasi_poll_oneoff(s, e, 3, &n));
    CHECK(now(MONOTONIC) - start < 2000 * MS);
    CHECK(n >= 1 && n <= 2);
    CHECK(find(e, n, 1) == NULL);
    const __wasi_event_t *r = find(e, n, 2);
    if (r) {
        CHECK_EQ(r->error, 0);
        CHECK_EQ(r->type, __WASI_EVENTTYPE_FD_READ);
        // "The number of bytes available for reading": what lies before the end.
        CHECK_EQ(r->fd_readwrite.nbytes, 10);
        CHECK_EQ(r->fd_readwrite.flags, 0);
    }
    const __wasi_event_t *w = find(e, n, 3);
    if (w) {
        CHECK_EQ(w->error, 0);
        CHECK_EQ(w->type, __WASI_EVENTTYPE_FD_WRITE);
    }

    // The offset counts.
    __wasi_filesize_t at;
    CHECK_OK(__wasi_fd_seek(fd, 4, __WASI_WHENCE_SET, &at));
    CHECK_OK(__wasi_poll_oneoff(&s[1], e, 1, &n));
    CHECK_EQ(n, 1);
    CHECK_EQ(e[0].fd_readwrite.nbytes, 6);

    // An absolute clock beside a descriptor, which must not be an error.
    s[0] = on_clock(1, REALTIME, now(REALTIME) + 5000 * MS, ABSTIME);
    CHECK_OK(__wasi_poll_oneoff(s, e, 2, &n));
    CHECK_EQ(n, 1);
    CHECK(find(e, n, 2) && find(e, n, 2)->error == 0);
    CHECK_OK(__wasi_fd_close(fd));

    // A bad descriptor is an event of its own (WAMR) or ends the call (wasmtime); either
    // way nothing waits for the clock.
    __wasi_subscription_t bad[2] = {on_clock(1, MONOTONIC, 5000 * MS, 0),
                                    on_fd(2, __WASI_EVENTTYPE_FD_READ, BAD_FD)};
    start = now(MONOTONIC);
    n = 0;
    __wasi_errno_t err = __wasi_poll_oneoff(bad, e, 2, &n);
    CHECK(now(MONOTONIC) - start < 2000 * MS);
    CHECK_ANY(err, E(SUCCESS), E(BADF));
    if (err == 0) {
        CHECK_EQ(n, 1);
        CHECK_EQ(e[0].userdata, 2);
        CHECK_EQ(e[0].error, E(BADF));
        CHECK_EQ(e[0].type, __WASI_EVENTTYPE_FD_READ);
    }
    bad[1] = on_fd(3, __WASI_EVENTTYPE_FD_WRITE, -1);
    n = 0;
    err = __wasi_poll_oneoff(&bad[1], e, 1, &n);
    CHECK_ANY(err, E(SUCCESS), E(BADF));
    if (err == 0) CHECK_EQ(e[0].error, E(BADF));
}

static void errors(void) {
    __wasi_event_t e[2];
    size_t n = 0;
    __wasi_subscription_t s = on_clock(7, MONOTONIC, 0, 0);

    // "If nsubscriptions is 0, returns errno::inval."
    CHECK_ERRNO(__wasi_poll_oneoff(&s, e, 0, &n), INVAL);

    // A clock that does not exist, and the CPU clocks, on which nobody can sleep (they would
    // stand still): an error of the call or of the event, never a wait.
    for (int id = 2; id < 6; id++)
        for (int beside = 0; beside < 2; beside++) {
            __wasi_subscription_t two[2] = {on_clock(7, id, 5 * MS, 0),
                                            on_clock(8, MONOTONIC, 3000 * MS, 0)};
            uint64_t start = now(MONOTONIC);
            __wasi_errno_t err = __wasi_poll_oneoff(two, e, 1 + beside, &n);
            CHECK_ANY(err, E(SUCCESS), E(INVAL), E(NOTSUP));
            if (err == 0) {
                CHECK_EQ(n, 1);
                CHECK_EQ(e[0].userdata, 7);
                CHECK_ANY(e[0].error, E(INVAL), E(NOTSUP));
            }
            CHECK(now(MONOTONIC) - start < 1500 * MS);
        }

    // A kind of event that does not exist.
    s.u.tag = 3;
    __wasi_errno_t err = __wasi_poll_oneoff(&s, e, 1, &n);
    CHECK_ANY(err, E(SUCCESS), E(INVAL));
    if (err == 0) CHECK_ANY(e[0].error, E(INVAL), E(NOTSUP));
}

int main(void) {
    clocks_alone();
    clocks_together();
    descriptors(preopen("/work"));
    errors();
    return check_done();
}
