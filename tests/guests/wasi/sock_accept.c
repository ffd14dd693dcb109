// sock_accept with a listening socket, which the harness gives as standard input, as inetd
// does. Two clients connect and send "one" and "two".
#include "check.h"

int main(void) {
    uint8_t buf[8];
    size_t n;
    __wasi_roflags_t ro;
    __wasi_fdstat_t st;
    __wasi_iovec_t in = {buf, 3};
    for (int i = 0; i < 2; i++) {
        __wasi_fd_t fd = -1;
        int flags = i == 0 ? 0 : __WASI_FDFLAGS_NONBLOCK;
        CHECK_OK(__wasi_sock_accept(0, flags, &fd));
        CHECK(fd > 2);
        CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
        CHECK_EQ(st.fs_filetype, __WASI_FILETYPE_SOCKET_STREAM);
        CHECK_EQ(st.fs_flags, flags); // "the desired values of the file descriptor flags"
        if (i == 0) {
            CHECK_OK(__wasi_sock_recv(fd, &in, 1, __WASI_RIFLAGS_RECV_WAITALL, &n, &ro));
            CHECK_EQ(n, 3);
            CHECK_EQ(memcmp(buf, "one", 3), 0);
        } else {
            // Non-blocking: the data may not be there yet, so it is waited for.
            __wasi_subscription_t s;
            memset(&s, 0, sizeof s);
            s.u.tag = __WASI_EVENTTYPE_FD_READ;
            s.u.u.fd_read.file_descriptor = fd;
            __wasi_event_t e;
            CHECK_OK(__wasi_poll_oneoff(&s, &e, 1, &n));
            CHECK_EQ(e.error, 0);
            CHECK_OK(read_fd(fd, buf, 3, &n)); // fd_read does, too
            CHECK_EQ(n, 3);
            CHECK_EQ(memcmp(buf, "two", 3), 0);
            CHECK_ERRNO(read_fd(fd, buf, 3, &n), AGAIN);
            CHECK_ERRNO(__wasi_sock_recv(fd, &in, 1, 0, &n, &ro), AGAIN);
        }
        CHECK_OK(__wasi_fd_close(fd));
    }
    return check_done();
}
