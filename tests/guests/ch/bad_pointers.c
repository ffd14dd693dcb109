// Pointers and lengths that are not within memory, to every function that takes one. Nothing is
// done then: no message is taken, published or lost.
#include "../wasi/check.h"
#include "../wasi/raw.h"

// As they are: every parameter a number.
#define ENV(name, ...)                                                                    \
    __attribute__((import_module("env"), import_name(#name))) int32_t env_##name(__VA_ARGS__)

ENV(ch_open, ptr, int32_t, int32_t);
ENV(ch_write_msg, int32_t, ptr, uint32_t);
ENV(ch_read_msg, int32_t, ptr, uint32_t);
ENV(ch_poll, ptr, int32_t, int32_t);
ENV(runtime_get_uuid, ptr);
ENV(module_get_uuid, ptr);

int main(void) {
    int both = env_ch_open(P("/ch/both"), 2, 0);
    CHECK(both >= 0);
    CHECK_EQ(env_ch_write_msg(both, P("kept"), 4), 4);
    uint64_t end = memory_end();
    uint32_t last = (uint32_t)(end - 1);
    struct {
        uint32_t at, size;
    } bad[] = {
        {last, 2},        {(uint32_t)end, 1},       {0, UINT32_MAX},          {UINT32_MAX, 1},
        {1, UINT32_MAX},  {0x80000000u, 64},        {UINT32_MAX, UINT32_MAX}, {0, 0x80000000u},
        {1024, (uint32_t)end}, {(uint32_t)end, 0x7fffffff}, {UINT32_MAX - 3, 8},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_EQ(env_ch_write_msg(both, bad[i].at, bad[i].size), -1);
        CHECK_EQ(env_ch_read_msg(both, bad[i].at, bad[i].size), -1);
    }
    // A list of channels, 4 bytes each.
    uint32_t lists[] = {last, (uint32_t)(end - 2), (uint32_t)end, 0x80000000u, UINT32_MAX};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        CHECK_EQ(env_ch_poll(lists[i], 1, 0), -1);
        CHECK_EQ(env_ch_poll(lists[i], 1000, 0), -1);
        CHECK_EQ(env_ch_poll(lists[i], INT32_MAX, 0), -1);
        CHECK_EQ(env_runtime_get_uuid(lists[i]), -1);
        CHECK_EQ(env_module_get_uuid(lists[i]), -1);
    }
    CHECK_EQ(env_module_get_uuid((uint32_t)(end - 36)), -1);
    CHECK_EQ(env_module_get_uuid((uint32_t)(end - 37)), 0);
    // Paths: outside, and without an end before memory ends.
    CHECK_EQ(env_ch_open((uint32_t)end, 2, 0), -1);
    CHECK_EQ(env_ch_open(UINT32_MAX, 2, 0), -1);
    CHECK_EQ(env_ch_open(0x80000000u, 2, 0), -1);
    memset((void *)(uintptr_t)(end - 300), 'x', 300);
    CHECK_EQ(env_ch_open((uint32_t)(end - 300), 2, 0), -1);
    CHECK_EQ(env_ch_open((uint32_t)(end - 256), 2, 0), -1);
    CHECK_EQ(env_ch_open(last, 2, 0), -1);
    // One that ends with memory.
    memcpy((void *)(uintptr_t)(end - 6), "light", 6);
    CHECK(env_ch_open((uint32_t)(end - 6), 2, 0) >= 0);

    // Nothing to take and nowhere to put it, both at the end.
    CHECK_EQ(env_ch_read_msg(both, (uint32_t)end, 0), 0);
    CHECK_EQ(env_ch_read_msg(both, (uint32_t)(end - 4), 4), 4);
    CHECK(memcmp((void *)(uintptr_t)(end - 4), "kept", 4) == 0);
    CHECK_EQ(env_ch_read_msg(both, 1024, 1), 0);
    CHECK_EQ(env_ch_write_msg(both, (uint32_t)end, 0), 0);

    // The same for the files of channels.
    __wasi_fd_t data;
    REQUIRE(open_path(preopen("/ch/both"), "data", 0, R(FD_READ) | R(FD_WRITE), 0, &data));
    size_t n;
    CHECK_EQ(env_ch_read_msg(both, 1024, 1), 0);
    CHECK_EQ(env_ch_write_msg(both, P("kept"), 4), 4);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t iov[] = {bad[i].at, bad[i].size};
        CHECK_EQ(raw_fd_read(data, P(iov), 1, P(&n)), E(FAULT));
        CHECK_EQ(raw_fd_write(data, P(iov), 1, P(&n)), E(FAULT));
        CHECK_EQ(raw_fd_read(data, bad[i].at | 1, bad[i].size, P(&n)), E(FAULT));
    }
    char buf[8];
    uint32_t good[] = {P(buf), sizeof buf};
    CHECK_EQ(raw_fd_read(data, P(good), 1, (uint32_t)(end - 3)), E(FAULT));
    CHECK_EQ(raw_fd_write(data, P(good), 1, UINT32_MAX), E(FAULT));
    // Buffers that are more than all of memory, since they overlap.
    static uint32_t many[2 * 1000];
    for (size_t i = 0; i < 1000; i++) {
        many[2 * i] = 0;
        many[2 * i + 1] = (uint32_t)end;
    }
    CHECK_EQ(raw_fd_write(data, P(many), 1000, P(&n)), E(MSGSIZE));
    CHECK_OK(raw_fd_read(data, P(good), 1, P(&n)));
    CHECK_EQ(n, 4);
    CHECK_EQ(env_ch_read_msg(both, 1024, 1), 0);
    return check_done();
}
