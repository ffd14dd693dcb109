// Cutting files off: TRUNC at open, fd_filestat_set_size, and what other descriptors and names
// of the same file see of it.
#include "check.h"

int main(void) {
    __wasi_fd_t work = preopen("/work"), fd, other;
    __wasi_filesize_t at;
    char buf[16];
    size_t n;
    make_file(work, "file", "0123456789");
    CHECK_OK(__wasi_path_link(work, 0, "file", work, "hard"));
    CHECK_OK(__wasi_path_symlink("file", work, "link"));

    other = open_file(work, "file", 0);
    CHECK_OK(__wasi_fd_seek(other, 6, __WASI_WHENCE_SET, &at));
    CHECK_OK(open_path(work, "hard", TRUNC, R(FD_WRITE), 0, &fd));
    CHECK_EQ(size_of(other), 0);
    CHECK_OK(read_fd(other, buf, sizeof buf, &n)); // its offset lies behind the end now
    CHECK_EQ(n, 0);
    CHECK_OK(__wasi_fd_tell(other, &at));
    CHECK_EQ(at, 6);
    CHECK_OK(write_fd(other, "x", &n)); // and a write there leaves a hole
    CHECK(size_of(other) == 7);
    CHECK_OK(__wasi_fd_close(fd));

    // Through a link, when it is followed.
    CHECK_OK(__wasi_path_open(work, FOLLOW, "link", TRUNC, R(FD_WRITE), 0, 0, &fd));
    CHECK_EQ(size_of(other), 0);
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_EQ(type_of(work, "link"), __WASI_FILETYPE_SYMBOLIC_LINK);

    // TRUNC with append and with create.
    make_file(work, "log", "old");
    CHECK_OK(open_path(work, "log", TRUNC, R(FD_WRITE), __WASI_FDFLAGS_APPEND, &fd));
    CHECK_OK(write_fd(fd, "new", &n));
    CHECK(file_is(work, "log", "new"));
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_OK(open_path(work, "made", TRUNC | CREAT, R(FD_WRITE) | R(FD_FILESTAT_GET), 0, &fd));
    CHECK_EQ(size_of(fd), 0);
    CHECK_OK(__wasi_fd_close(fd));

    // The time of modification tells.
    __wasi_filestat_t st;
    fd = open_file(work, "log", 0);
    CHECK_OK(__wasi_fd_filestat_set_times(fd, 0, 1000, __WASI_FSTFLAGS_MTIM));
    CHECK_OK(__wasi_fd_filestat_set_size(fd, 1));
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK(st.mtim > 1000);
    CHECK_EQ(st.size, 1);
    CHECK(file_is(work, "log", "n"));

    // What cannot be cut off stays.
    CHECK_ERRNO(open_path(work, "nosuch", TRUNC, R(FD_WRITE), 0, &fd), NOENT);
    CHECK_ERRNO(open_path(work, ".", TRUNC, R(FD_WRITE), 0, &fd), ISDIR);
    return check_done();
}
