// fd_filestat_get, fd_filestat_set_size, fd_filestat_set_times.
#include "check.h"

#define ATIM __WASI_FSTFLAGS_ATIM
#define ATIM_NOW __WASI_FSTFLAGS_ATIM_NOW
#define MTIM __WASI_FSTFLAGS_MTIM
#define MTIM_NOW __WASI_FSTFLAGS_MTIM_NOW
#define SECOND 1000000000ull

int main(void) {
    __wasi_fd_t work = preopen("/work");
    uint64_t start = now(__WASI_CLOCKID_REALTIME);
    make_file(work, "file", "0123456789");
    __wasi_fd_t fd = open_file(work, "file", 0);
    __wasi_filestat_t st, same, dir;

    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK_EQ(st.filetype, __WASI_FILETYPE_REGULAR_FILE);
    CHECK_EQ(st.size, 10);
    CHECK_EQ(st.nlink, 1);
    CHECK(st.ino != 0);
    // The host's file times tick more coarsely than its clock.
    CHECK(st.mtim + SECOND > start && st.mtim < start + 60 * SECOND);
    CHECK(st.ctim + SECOND > start && st.ctim < start + 60 * SECOND);
    CHECK_OK(__wasi_path_filestat_get(work, 0, "file", &same));
    CHECK(same.dev == st.dev && same.ino == st.ino && same.size == st.size);
    CHECK_OK(__wasi_fd_filestat_get(work, &dir));
    CHECK_EQ(dir.filetype, __WASI_FILETYPE_DIRECTORY);
    CHECK(dir.ino != st.ino);
    CHECK_EQ(dir.dev, st.dev);

    // Links are counted.
    CHECK_OK(__wasi_path_link(work, 0, "file", work, "hard"));
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK_EQ(st.nlink, 2);
    CHECK_OK(__wasi_path_unlink_file(work, "hard"));
    CHECK_OK(__wasi_path_unlink_file(work, "file"));
    CHECK_OK(__wasi_fd_filestat_get(fd, &st)); // unlinked, still open
    CHECK_EQ(st.nlink, 0);
    CHECK_OK(__wasi_fd_close(fd));

    // Size: down, up with zeros, and not the offset.
    make_file(work, "size", "0123456789");
    fd = open_file(work, "size", 0);
    __wasi_filesize_t at;
    CHECK_OK(__wasi_fd_seek(fd, 8, __WASI_WHENCE_SET, &at));
    CHECK_OK(__wasi_fd_filestat_set_size(fd, 4));
    CHECK_EQ(size_of(fd), 4);
    CHECK(file_is(work, "size", "0123"));
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_EQ(at, 8);
    CHECK_OK(__wasi_fd_filestat_set_size(fd, 12));
    char buf[16];
    size_t n;
    __wasi_iovec_t iov = {(uint8_t *)buf, sizeof buf};
    CHECK_OK(__wasi_fd_pread(fd, &iov, 1, 0, &n));
    CHECK_EQ(n, 12);
    CHECK_EQ(memcmp(buf, "0123\0\0\0\0\0\0\0\0", 12), 0);
    CHECK_OK(__wasi_fd_filestat_set_size(fd, 5000000000ull)); // sparse, beyond 32 bits
    CHECK_EQ(size_of(fd), 5000000000ll);
    CHECK_OK(__wasi_fd_filestat_set_size(fd, 0));
    CHECK_EQ(size_of(fd), 0);
    CHECK_ANY(__wasi_fd_filestat_set_size(fd, UINT64_MAX), E(INVAL), E(FBIG));
    CHECK_ANY(__wasi_fd_filestat_set_size(fd, 1ull << 63), E(INVAL), E(FBIG));
    CHECK_EQ(size_of(fd), 0);
    CHECK_ERRNO(__wasi_fd_filestat_set_size(BAD_FD, 0), BADF);
    CHECK_ANY(__wasi_fd_filestat_set_size(work, 0), E(BADF), E(NOTCAPABLE), E(ISDIR), E(INVAL));
    __wasi_fd_t ro;
    CHECK_OK(open_path(work, "size", 0, R(FD_READ), 0, &ro));
    CHECK_ANY(__wasi_fd_filestat_set_size(ro, 3), E(BADF), E(NOTCAPABLE), E(INVAL));
    CHECK_EQ(size_of(fd), 0);

    // Times: one, the other, both, now, and only those.
    uint64_t t1 = 1000000000 * SECOND + 123456789, t2 = 1234567890 * SECOND + 987654321;
    CHECK_OK(__wasi_fd_filestat_set_times(fd, t1, t2, ATIM | MTIM));
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK_EQ(st.atim, t1);
    CHECK_EQ(st.mtim, t2);
    CHECK_OK(__wasi_fd_filestat_set_times(fd, 5, 6, 0)); // nothing to be set
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK_EQ(st.atim, t1);
    CHECK_EQ(st.mtim, t2);
    CHECK_OK(__wasi_fd_filestat_set_times(fd, t2, 6, ATIM));
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK_EQ(st.atim, t2);
    CHECK_EQ(st.mtim, t2);
    CHECK_OK(__wasi_fd_filestat_set_times(fd, 5, t1, MTIM));
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK_EQ(st.atim, t2);
    CHECK_EQ(st.mtim, t1);
    start = now(__WASI_CLOCKID_REALTIME);
    CHECK_OK(__wasi_fd_filestat_set_times(fd, 5, 6, MTIM_NOW));
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK_EQ(st.atim, t2);
    CHECK(st.mtim + SECOND > start && st.mtim < start + 60 * SECOND);
    CHECK_OK(__wasi_fd_filestat_set_times(fd, 5, t1, ATIM_NOW | MTIM));
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK(st.atim + SECOND > start && st.atim < start + 60 * SECOND);
    CHECK_EQ(st.mtim, t1);
    CHECK_OK(__wasi_fd_filestat_set_times(fd, 0, 0, ATIM | MTIM)); // the epoch is a time
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK_EQ(st.atim, 0);
    CHECK_EQ(st.mtim, 0);

    // A time and "now" exclude each other.
    CHECK_ERRNO(__wasi_fd_filestat_set_times(fd, 1, 1, ATIM | ATIM_NOW), INVAL);
    CHECK_ERRNO(__wasi_fd_filestat_set_times(fd, 1, 1, MTIM | MTIM_NOW), INVAL);
    CHECK_OK(__wasi_fd_filestat_get(fd, &st));
    CHECK_EQ(st.atim, 0);
    // A directory has times, too.
    CHECK_OK(__wasi_path_create_directory(work, "dir"));
    __wasi_fd_t d = open_dir(work, "dir");
    CHECK_OK(__wasi_fd_filestat_set_times(d, t1, t2, ATIM | MTIM));
    CHECK_OK(__wasi_fd_filestat_get(d, &st));
    CHECK_EQ(st.mtim, t2);

    CHECK_ERRNO(__wasi_fd_filestat_set_times(BAD_FD, 1, 1, ATIM), BADF);
    CHECK_ERRNO(__wasi_fd_filestat_get(BAD_FD, &st), BADF);
    return check_done();
}
