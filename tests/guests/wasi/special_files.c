// What is neither file nor directory: a named pipe /work/fifo, a socket /work/socket, and the
// devices of the host, preopened as /dev.
#include "check.h"

#define NONBLOCK __WASI_FDFLAGS_NONBLOCK

int main(void) {
    __wasi_fd_t work = preopen("/work"), dev = preopen("/dev"), r, w, fd;
    uint8_t buf[256];
    size_t n;
    __wasi_filesize_t at;
    __wasi_iovec_t in = {buf, 4};

    // Preview 1 has no type for a pipe, so it is UNKNOWN, "different from any of the other
    // types"; a socket it is not.
    CHECK_EQ(type_of(work, "fifo"), __WASI_FILETYPE_UNKNOWN);
    CHECK_OK(__wasi_fd_readdir(work, buf, sizeof buf, 0, &n));
    int seen = 0;
    for (size_t i = 0; i + sizeof(__wasi_dirent_t) <= n;) {
        __wasi_dirent_t d;
        memcpy(&d, buf + i, sizeof d);
        i += sizeof d;
        if (d.d_namlen == 4 && i + 4 <= n && memcmp(buf + i, "fifo", 4) == 0) {
            CHECK_EQ(d.d_type, __WASI_FILETYPE_UNKNOWN);
            seen++;
        }
        i += d.d_namlen;
    }
    CHECK_EQ(seen, 1);

    CHECK_ERRNO(open_path(work, "fifo", 0, R(FD_WRITE), NONBLOCK, &w), NXIO); // no reader yet
    CHECK_OK(open_path(work, "fifo", 0, RIGHTS_FILE_READ, NONBLOCK, &r));
    CHECK_OK(__wasi_fd_read(r, &in, 1, &n)); // no writer: the end
    CHECK_EQ(n, 0);
    CHECK_OK(open_path(work, "fifo", 0, R(FD_WRITE) | R(POLL_FD_READWRITE), NONBLOCK, &w));
    CHECK_ERRNO(__wasi_fd_read(r, &in, 1, &n), AGAIN); // a writer, no data
    CHECK_OK(write_fd(w, "abc", &n));
    CHECK_EQ(n, 3);
    __wasi_subscription_t s;
    memset(&s, 0, sizeof s);
    s.u.tag = __WASI_EVENTTYPE_FD_READ;
    s.u.u.fd_read.file_descriptor = r;
    __wasi_event_t e;
    CHECK_OK(__wasi_poll_oneoff(&s, &e, 1, &n));
    CHECK_EQ(e.error, 0);
    CHECK_EQ(e.fd_readwrite.nbytes, 3);
    CHECK_OK(__wasi_fd_read(r, &in, 1, &n));
    CHECK_EQ(n, 3);
    CHECK_ANY(__wasi_fd_seek(r, 1, __WASI_WHENCE_SET, &at), E(SPIPE), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_tell(r, &at), E(SPIPE), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_pread(r, &in, 1, 0, &n), E(SPIPE), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_filestat_set_size(w, 1), E(INVAL), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_allocate(w, 0, 1), E(SPIPE), E(NOTCAPABLE), E(NODEV));
    CHECK_ANY(__wasi_fd_readdir(r, buf, sizeof buf, 0, &n), E(NOTDIR), E(NOTCAPABLE), E(BADF));
    CHECK_OK(__wasi_fd_close(r));
    CHECK_ERRNO(write_fd(w, "x", &n), PIPE);
    CHECK_OK(__wasi_fd_close(w));
    CHECK_ANY(open_path(work, "fifo", DIRECTORY, R(FD_READ), NONBLOCK, &fd), E(NOTDIR));
    CHECK_ANY(open_path(work, "fifo/", 0, R(FD_READ), NONBLOCK, &fd), E(NOTDIR));

    // A socket in a directory cannot be opened. What it is can be known only once it is open.
    CHECK_ANY(type_of(work, "socket"), __WASI_FILETYPE_UNKNOWN, __WASI_FILETYPE_SOCKET_STREAM);
    CHECK_ANY(open_path(work, "socket", 0, R(FD_READ), 0, &fd), E(NXIO), E(NOTSUP));

    // Devices.
    CHECK_EQ(type_of(dev, "null"), __WASI_FILETYPE_CHARACTER_DEVICE);
    CHECK_OK(open_path(dev, "null", 0, RIGHTS_FILE | RIGHTS_DIR, 0, &fd));
    __wasi_fdstat_t st;
    CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK_EQ(st.fs_filetype, __WASI_FILETYPE_CHARACTER_DEVICE);
    CHECK_OK(write_fd(fd, "abc", &n));
    CHECK_EQ(n, 3);
    CHECK_OK(__wasi_fd_read(fd, &in, 1, &n));
    CHECK_EQ(n, 0);
    // With whatever rights: no directory.
    CHECK_ANY(__wasi_fd_readdir(fd, buf, sizeof buf, 0, &n), E(NOTDIR), E(NOTCAPABLE), E(BADF));
    CHECK_ANY(look(fd, "x"), E(NOTDIR), E(NOTCAPABLE), E(BADF));
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_OK(open_path(dev, "zero", 0, R(FD_READ), 0, &fd));
    memset(buf, 0xaa, sizeof buf);
    CHECK_OK(__wasi_fd_read(fd, &in, 1, &n));
    CHECK_EQ(n, 4);
    CHECK_EQ(memcmp(buf, "\0\0\0\0\xaa", 5), 0);
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_OK(open_path(dev, "full", 0, R(FD_WRITE), 0, &fd));
    CHECK_ERRNO(write_fd(fd, "x", &n), NOSPC);
    CHECK_OK(__wasi_fd_close(fd));
    return check_done();
}
