// sock_accept, sock_recv, sock_send, sock_shutdown on what is no socket: files, directories,
// pipes. With a socket: sock_stream.c and sock_accept.c; with no descriptor: fd_close.c.
#include "check.h"

// NOTSOCK, or what a descriptor says that has no right to it.
#define NO_SOCKET(call) CHECK_ANY(call, E(NOTSOCK), E(NOTCAPABLE), E(BADF))

int main(void) {
    __wasi_fd_t work = preopen("/work"), got = 0;
    make_file(work, "file", "0123456789");
    const __wasi_fd_t fds[] = {open_file(work, "file", 0), work, 0, 1, 2};
    uint8_t buf[8];
    size_t n;
    __wasi_roflags_t ro;
    __wasi_iovec_t in = {buf, sizeof buf};
    __wasi_ciovec_t out = {(const uint8_t *)"x", 1};
    for (int i = 0; i < 5; i++) {
        NO_SOCKET(__wasi_sock_accept(fds[i], 0, &got));
        NO_SOCKET(__wasi_sock_accept(fds[i], __WASI_FDFLAGS_NONBLOCK, &got));
        NO_SOCKET(__wasi_sock_recv(fds[i], &in, 1, 0, &n, &ro));
        NO_SOCKET(__wasi_sock_recv(fds[i], &in, 1, __WASI_RIFLAGS_RECV_PEEK, &n, &ro));
        NO_SOCKET(__wasi_sock_send(fds[i], &out, 1, 0, &n));
        for (int how = __WASI_SDFLAGS_RD; how <= (__WASI_SDFLAGS_RD | __WASI_SDFLAGS_WR); how++)
            NO_SOCKET(__wasi_sock_shutdown(fds[i], how));
        // Which of two errors is found first is not laid down.
        CHECK_ANY(__wasi_sock_shutdown(fds[i], 0), E(INVAL), E(NOTSOCK), E(NOTCAPABLE), E(BADF));
        CHECK_ANY(__wasi_sock_shutdown(fds[i], 4), E(INVAL), E(NOTSOCK), E(NOTCAPABLE), E(BADF));
    }
    CHECK(file_is(work, "file", "0123456789"));

    // Buffers that overlap and sum up to gigabytes cost the host nothing: a refusal comes
    // before any copy of them is made.
    static uint8_t page[65536];
    static __wasi_iovec_t ins[49152];
    static __wasi_ciovec_t outs[49152];
    for (int i = 0; i < 49152; i++) {
        ins[i] = (__wasi_iovec_t){page, sizeof page};
        outs[i] = (__wasi_ciovec_t){page, sizeof page};
    }
    uint64_t start = cpu_time();
    CHECK_ANY(__wasi_sock_recv(fds[0], ins, 49152, 0, &n, &ro), E(NOTSOCK), E(NOTCAPABLE),
              E(BADF), E(INVAL));
    CHECK_ANY(__wasi_sock_send(fds[0], outs, 49152, 0, &n), E(NOTSOCK), E(NOTCAPABLE), E(BADF),
              E(INVAL));
    CHECK_ERRNO(__wasi_sock_recv(BAD_FD, ins, 49152, 0, &n, &ro), BADF);
    CHECK(cpu_time() - start < 250000000);
    return check_done();
}
