// sock_recv, sock_send, sock_shutdown with a connected stream socket, which the harness gives
// as standard input. Its peer sends "hello wo", waits 300 ms, sends "rld", reads until the
// end, expects "ping", sends "bye" and closes.
#include "check.h"

#define PEEK __WASI_RIFLAGS_RECV_PEEK
#define WAITALL __WASI_RIFLAGS_RECV_WAITALL

int main(void) {
    uint8_t a[16], b[16];
    size_t n = 99;
    __wasi_roflags_t ro;
    __wasi_fdstat_t st;
    CHECK_OK(__wasi_fd_fdstat_get(0, &st));
    CHECK_EQ(st.fs_filetype, __WASI_FILETYPE_SOCKET_STREAM);

    // Peeking does not take away; and the flags that come back are those of this call.
    __wasi_iovec_t in[2] = {{a, 5}, {b, 1}};
    memset(a, '.', sizeof a);
    ro = 0xaaaa;
    CHECK_OK(__wasi_sock_recv(0, in, 1, PEEK, &n, &ro));
    CHECK_EQ(n, 5);
    CHECK_EQ(memcmp(a, "hello.", 6), 0);
    CHECK_EQ(ro, 0);
    memset(a, '.', sizeof a);
    memset(b, '.', sizeof b);
    CHECK_OK(__wasi_sock_recv(0, in, 2, 0, &n, &ro)); // several buffers
    CHECK_EQ(n, 6);
    CHECK_EQ(memcmp(a, "hello.", 6), 0);
    CHECK_EQ(memcmp(b, " .", 2), 0);
    // "Request to block until the full amount of data can be returned."
    in[0] = (__wasi_iovec_t){a, 5};
    CHECK_OK(__wasi_sock_recv(0, in, 1, WAITALL, &n, &ro));
    CHECK_EQ(n, 5);
    CHECK_EQ(memcmp(a, "world", 5), 0);

    __wasi_ciovec_t out[2] = {{(const uint8_t *)"pi", 2}, {(const uint8_t *)"ng", 2}};
    CHECK_OK(__wasi_sock_send(0, out, 2, 0, &n));
    CHECK_EQ(n, 4);
    n = 99;
    CHECK_OK(__wasi_sock_send(0, out, 0, 0, &n)); // nothing to be sent
    CHECK_EQ(n, 0);

    CHECK_ERRNO(__wasi_sock_shutdown(0, 0), INVAL);
    CHECK_ERRNO(__wasi_sock_shutdown(0, 4), INVAL);
    // One direction is closed, the other works on.
    CHECK_OK(__wasi_sock_shutdown(0, __WASI_SDFLAGS_WR));
    CHECK_ERRNO(__wasi_sock_send(0, out, 1, 0, &n), PIPE); // an error, not a signal
    in[0] = (__wasi_iovec_t){a, 16};
    CHECK_OK(__wasi_sock_recv(0, in, 1, WAITALL, &n, &ro));
    CHECK_EQ(n, 3);
    CHECK_EQ(memcmp(a, "bye", 3), 0);
    CHECK_OK(__wasi_sock_recv(0, in, 1, 0, &n, &ro));
    CHECK_EQ(n, 0);
    return check_done();
}
