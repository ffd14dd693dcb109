// The functions of env, with what they are to be called with and what not.
#include "../wasi/check.h"
#include <arena.h>
#include <fcntl.h>

static char long_path[70000];

static int send(int fd, const char *text) { return ch_write_msg(fd, text, strlen(text)); }

// Takes the next message, and tells whether it is this text.
static bool gives(int fd, const char *text) {
    char buf[64];
    int n = ch_read_msg(fd, buf, sizeof buf);
    return n == (int)strlen(text) && memcmp(buf, text, n) == 0;
}

static void opening(void) {
    int both = ch_open("/ch/both", CH_READ_WRITE, 0);
    CHECK(both >= 1000000);
    // One descriptor per path, whatever it is opened for.
    CHECK_EQ(ch_open("/ch/both", CH_READ, 0), both);
    CHECK_EQ(ch_open("/ch/both", CH_WRITE, 0777), both);
    // The topic of a declared channel is another path, and so another channel.
    CHECK_EQ(ch_open("other/both", CH_READ, 0), -1);
    int light = ch_open("light", CH_READ, 0);
    CHECK(light >= 0 && light != both);
    // The number is given out again.
    CHECK_EQ(ch_close(light), 0);
    CHECK_EQ(ch_close(light), -1);
    CHECK_EQ(ch_open("light/status", CH_READ, 0), light);
    CHECK_EQ(ch_close(light), 0);
    // Modes, wildcards, and flags that are none.
    CHECK_EQ(ch_open("/ch/in", CH_WRITE, 0), -1);
    CHECK_EQ(ch_open("/ch/in", CH_READ_WRITE, 0), -1);
    CHECK_EQ(ch_open("/ch/out", CH_READ, 0), -1);
    CHECK_EQ(ch_open("/ch/wild", CH_WRITE, 0), -1);
    CHECK_EQ(ch_open("realm/s/+/x", CH_WRITE, 0), -1);
    CHECK_EQ(ch_open("light", 3, 0), -1);
    CHECK_EQ(ch_open("light", -1, 0), -1);
    // Not a text, nothing, and more than a topic may have.
    CHECK_EQ(ch_open("realm/\xff", CH_READ, 0), -1);
    CHECK_EQ(ch_open("", CH_READ, 0), -1);
    memset(long_path, 'x', sizeof long_path - 1);
    memcpy(long_path, "realm/", 6);
    CHECK_EQ(ch_open(long_path, CH_READ, 0), -1);
    long_path[65536] = 0;
    CHECK_EQ(ch_open(long_path, CH_READ, 0), -1);
    long_path[65535] = 0;
    int longest = ch_open(long_path, CH_READ, 0);
    CHECK(longest >= 0);
    CHECK_EQ(ch_close(longest), 0);
    CHECK_EQ(ch_close(both), 0);
    // The names that fcntl.h has.
    int named = ch_open("light", O_RDWR, 0);
    CHECK(named >= 0);
    CHECK_EQ(send(named, "x"), 1);
    CHECK(gives(named, "x"));
    CHECK_EQ(ch_close(named), 0);
}

static void messages(void) {
    char buf[16];
    int both = ch_open("/ch/both", CH_READ_WRITE, 0);
    CHECK_EQ(ch_read_msg(both, buf, sizeof buf), 0);
    // A module gets its own messages, once.
    CHECK_EQ(send(both, "one"), 3);
    CHECK_EQ(send(both, "two"), 3);
    CHECK(gives(both, "one"));
    CHECK(gives(both, "two"));
    CHECK_EQ(ch_read_msg(both, buf, sizeof buf), 0);
    // In parts; no room is no part.
    CHECK_EQ(send(both, "0123456789"), 10);
    CHECK_EQ(send(both, "next"), 4);
    CHECK_EQ(ch_read_msg(both, buf, 0), 0);
    CHECK_EQ(ch_read_msg(both, buf, 4), 4);
    CHECK(memcmp(buf, "0123", 4) == 0);
    CHECK_EQ(ch_poll(&both, 1, 1), 1);
    CHECK_EQ(ch_read_msg(both, buf, 4), 4);
    CHECK(memcmp(buf, "4567", 4) == 0);
    CHECK(gives(both, "89"));
    CHECK(gives(both, "next"));
    // An empty message is one, though it reads like none.
    CHECK_EQ(ch_write_msg(both, "", 0), 0);
    CHECK_EQ(ch_poll(&both, 1, 1), 1);
    CHECK_EQ(ch_read_msg(both, buf, sizeof buf), 0);
    CHECK_EQ(ch_poll(&both, 1, 1), 0);
    // Bytes, not texts.
    CHECK_EQ(ch_write_msg(both, "\0\n\xff", 3), 3);
    CHECK_EQ(ch_read_msg(both, buf, sizeof buf), 3);
    CHECK(memcmp(buf, "\0\n\xff", 3) == 0);
    // The other direction, and descriptors of nothing.
    int in = ch_open("/ch/in", CH_READ, 0), out = ch_open("/ch/out", CH_WRITE, 0);
    CHECK_EQ(send(in, "x"), -1);
    CHECK_EQ(ch_read_msg(out, buf, sizeof buf), -1);
    int none[] = {-1, 0, 1, 3, 999999, 1000999, INT32_MAX, INT32_MIN};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        CHECK_EQ(send(none[i], "x"), -1);
        CHECK_EQ(ch_read_msg(none[i], buf, sizeof buf), -1);
        CHECK_EQ(ch_close(none[i]), -1);
        CHECK_EQ(ch_poll(&none[i], 1, 1), -1);
    }
    // What was open for less can do more when it is opened for more, and loses nothing.
    CHECK_EQ(ch_close(both), 0);
    both = ch_open("/ch/both", CH_READ, 0);
    CHECK_EQ(send(both, "x"), -1);
    int light = ch_open("light", CH_WRITE, 0);
    CHECK_EQ(ch_read_msg(light, buf, sizeof buf), -1);
    CHECK_EQ(ch_open("light", CH_READ, 0), light);
    CHECK_EQ(send(light, "still"), 5);
    CHECK(gives(light, "still"));
    CHECK_EQ(send(light, "kept"), 4);
    CHECK_EQ(ch_open("light", CH_READ_WRITE, 0), light);
    CHECK(gives(light, "kept"));
    // What waits when a channel is closed is gone.
    CHECK_EQ(send(light, "lost"), 4);
    CHECK_EQ(ch_close(light), 0);
    CHECK_EQ(ch_open("light", CH_READ_WRITE, 0), light);
    CHECK_EQ(ch_read_msg(light, buf, sizeof buf), 0);
    // A channel and its continuation have two topics.
    int status = ch_open("light/status", CH_READ_WRITE, 0);
    CHECK_EQ(send(status, "on"), 2);
    CHECK_EQ(ch_read_msg(light, buf, sizeof buf), 0);
    CHECK(gives(status, "on"));
    // And one topic by two paths are two channels, each with every message.
    int first = ch_open("realm/s/x", CH_READ_WRITE, 0), second = ch_open("realm/s/+", CH_READ, 0);
    CHECK_EQ(send(first, "to both"), 7);
    CHECK(gives(first, "to both"));
    CHECK(gives(second, "to both"));
    CHECK_EQ(ch_read_msg(second, buf, sizeof buf), 0);
    int all[] = {both, light, status, first, second, in, out};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        CHECK_EQ(ch_close(all[i]), 0);
}

static void polling(void) {
    int both = ch_open("/ch/both", CH_READ_WRITE, 0), light = ch_open("light", CH_READ_WRITE, 0);
    int out = ch_open("/ch/out", CH_WRITE, 0);
    int chs[4] = {both, light, both, light};
    uint64_t start = now(__WASI_CLOCKID_MONOTONIC);
    CHECK_EQ(ch_poll(chs, 2, 20), 0);
    CHECK(now(__WASI_CLOCKID_MONOTONIC) - start >= 20000000);
    CHECK_EQ(send(light, "x"), 1);
    CHECK_EQ(ch_poll(chs, 2, 0), 1);
    CHECK_EQ(ch_poll(chs, 1, 1), 0);
    CHECK_EQ(send(both, "x"), 1);
    CHECK_EQ(ch_poll(chs, 2, -1), 2);
    // One that is asked for twice is counted twice.
    CHECK_EQ(ch_poll(chs, 4, 0), 4);
    CHECK_EQ(chs[0], both);
    // Nothing, too much, and what nothing can come on.
    CHECK_EQ(ch_poll(chs, 0, 1), -1);
    CHECK_EQ(ch_poll(chs, -1, 1), -1);
    CHECK_EQ(ch_poll(chs, INT32_MAX, 1), -1);
    CHECK_EQ(ch_poll(chs, INT32_MIN, 1), -1);
    CHECK_EQ(ch_poll(chs, 1000000, 1), -1);
    chs[1] = out;
    CHECK_EQ(ch_poll(chs, 2, 1), -1);
    chs[1] = 1000777;
    CHECK_EQ(ch_poll(chs, 2, 0), -1);
    CHECK_EQ(ch_close(light), 0);
    chs[1] = light;
    CHECK_EQ(ch_poll(chs, 2, 0), -1);
    CHECK_EQ(ch_close(both), 0);
    CHECK_EQ(ch_close(out), 0);
}

static void uuids(void) {
    char buf[40];
    memset(buf, '*', sizeof buf);
    CHECK_EQ(module_get_uuid(buf), 0);
    CHECK(strcmp(buf, "11111111-2222-3333-4444-555555555555") == 0);
    CHECK(buf[37] == '*');
    CHECK_EQ(runtime_get_uuid(buf), 0);
    CHECK(strcmp(buf, "66666666-7777-8888-9999-aaaaaaaaaaaa") == 0);
}

// The test knows how many periods there are: three that are marked, and the one between two waits.
static void periods(void) {
    period_end();
    period_start();
    period_end();
    period_end();
    period_start();
    int both = ch_open("/ch/both", CH_READ, 0);
    CHECK_EQ(ch_poll(&both, 1, 1), 0);
    period_start();
    period_yield();
    period_yield();
    period_start();
    period_end();
    period_set_flags(PERIOD_AUTOMATIC);
    CHECK_EQ(ch_poll(&both, 1, 1), 0);
    CHECK_EQ(ch_poll(&both, 1, 1), 0);
}

int main(void) {
    period_set_flags(PERIOD_MANUAL);
    opening();
    messages();
    polling();
    uuids();
    periods();
    return check_done();
}
