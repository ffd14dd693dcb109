// fd_seek, fd_tell, and the append flag.
#include "check.h"
#include "raw.h"

int main(void) {
    __wasi_fd_t work = preopen("/work");
    make_file(work, "file", "0123456789");
    __wasi_fd_t fd = open_file(work, "file", 0);
    __wasi_filesize_t at = 99;
    size_t n;
    char c = 0;

    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_EQ(at, 0);
    CHECK_OK(__wasi_fd_seek(fd, 4, __WASI_WHENCE_SET, &at));
    CHECK_EQ(at, 4);
    CHECK_OK(__wasi_fd_seek(fd, -3, __WASI_WHENCE_CUR, &at));
    CHECK_EQ(at, 1);
    CHECK_OK(__wasi_fd_seek(fd, 2, __WASI_WHENCE_CUR, &at));
    CHECK_EQ(at, 3);
    CHECK_OK(__wasi_fd_seek(fd, -1, __WASI_WHENCE_END, &at));
    CHECK_EQ(at, 9);
    CHECK_OK(read_fd(fd, &c, 1, &n));
    CHECK_EQ(c, '9');
    CHECK_OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, &at));
    CHECK_EQ(at, 10);
    CHECK_OK(__wasi_fd_seek(fd, 5, __WASI_WHENCE_END, &at)); // behind the end is allowed
    CHECK_EQ(at, 15);
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_EQ(at, 15);
    CHECK_EQ(size_of(fd), 10); // and changes nothing until something is written
    CHECK_OK(read_fd(fd, &c, 1, &n));
    CHECK_EQ(n, 0);
    CHECK_OK(write_fd(fd, "x", &n));
    CHECK_EQ(size_of(fd), 16);

    // Offsets beyond 32 bits.
    CHECK_OK(__wasi_fd_seek(fd, 5000000000ll, __WASI_WHENCE_SET, &at));
    CHECK_EQ(at, 5000000000ll);
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_EQ(at, 5000000000ll);

    // A failed seek leaves the offset where it was.
    CHECK_OK(__wasi_fd_seek(fd, 3, __WASI_WHENCE_SET, &at));
    CHECK_ERRNO(__wasi_fd_seek(fd, -1, __WASI_WHENCE_SET, &at), INVAL);
    CHECK_ERRNO(__wasi_fd_seek(fd, -4, __WASI_WHENCE_CUR, &at), INVAL);
    CHECK_ERRNO(__wasi_fd_seek(fd, -17, __WASI_WHENCE_END, &at), INVAL);
    CHECK_ERRNO(__wasi_fd_seek(fd, INT64_MIN, __WASI_WHENCE_SET, &at), INVAL);
    CHECK_ANY(__wasi_fd_seek(fd, INT64_MAX, __WASI_WHENCE_CUR, &at), E(INVAL), E(OVERFLOW));
    CHECK_ERRNO(__wasi_fd_seek(fd, 0, 3, &at), INVAL);
    CHECK_ERRNO(__wasi_fd_seek(fd, 0, 255, &at), INVAL);
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_EQ(at, 3);
    CHECK_ERRNO(__wasi_fd_seek(BAD_FD, 0, __WASI_WHENCE_SET, &at), BADF);
    CHECK_ERRNO(__wasi_fd_tell(BAD_FD, &at), BADF);
    CHECK_OK(__wasi_fd_close(fd));

    // Two descriptors of one file have an offset each.
    __wasi_fd_t one = open_file(work, "file", 0), two = open_file(work, "file", 0);
    CHECK_OK(__wasi_fd_seek(one, 7, __WASI_WHENCE_SET, &at));
    CHECK_OK(__wasi_fd_tell(two, &at));
    CHECK_EQ(at, 0);
    CHECK_OK(__wasi_fd_close(one));
    CHECK_OK(__wasi_fd_close(two));

    // A directory has no offset one could set. BADF in the public suite, NOTCAPABLE where the
    // right is missing.
    CHECK_ANY(__wasi_fd_seek(work, 0, __WASI_WHENCE_SET, &at), E(BADF), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_seek(work, 0, __WASI_WHENCE_CUR, &at), E(BADF), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_tell(work, &at), E(BADF), E(NOTCAPABLE));
    __wasi_fd_t dir = open_dir(work, ".");
    CHECK_ANY(__wasi_fd_seek(dir, 0, __WASI_WHENCE_SET, &at), E(BADF), E(NOTCAPABLE));

    // Append: every write goes to the end, wherever the offset is, and takes it along.
    make_file(work, "log", "abc");
    __wasi_fd_t log;
    REQUIRE(__wasi_path_open(work, 0, "log", 0, RIGHTS_FILE, 0, __WASI_FDFLAGS_APPEND, &log));
    CHECK_OK(__wasi_fd_tell(log, &at));
    CHECK_EQ(at, 0);
    CHECK_OK(read_fd(log, &c, 1, &n)); // reading starts where the offset is
    CHECK_EQ(c, 'a');
    CHECK_OK(write_fd(log, "de", &n));
    CHECK_EQ(n, 2);
    CHECK(file_is(work, "log", "abcde"));
    CHECK_OK(__wasi_fd_tell(log, &at));
    CHECK_EQ(at, 5);
    CHECK_OK(__wasi_fd_seek(log, 1, __WASI_WHENCE_SET, &at));
    CHECK_OK(write_fd(log, "f", &n));
    CHECK(file_is(work, "log", "abcdef"));
    CHECK_OK(__wasi_fd_tell(log, &at));
    CHECK_EQ(at, 6);
    // Another writer's bytes are not overwritten.
    __wasi_fd_t other = open_file(work, "log", 0);
    CHECK_OK(__wasi_fd_seek(other, 0, __WASI_WHENCE_END, &at));
    CHECK_OK(write_fd(other, "GH", &n));
    CHECK_OK(write_fd(log, "i", &n));
    CHECK(file_is(work, "log", "abcdefGHi"));

    // The flag can be taken away and given back.
    CHECK_OK(__wasi_fd_fdstat_set_flags(log, 0));
    CHECK_OK(__wasi_fd_seek(log, 0, __WASI_WHENCE_SET, &at));
    CHECK_OK(write_fd(log, "A", &n));
    CHECK(file_is(work, "log", "AbcdefGHi"));
    CHECK_OK(__wasi_fd_fdstat_set_flags(log, __WASI_FDFLAGS_APPEND));
    CHECK_OK(write_fd(log, "j", &n));
    CHECK(file_is(work, "log", "AbcdefGHij"));

    // pwrite with append: POSIX says at the offset, Linux says at the end and preview 1's
    // "similar to pwritev in Linux" lets both be.
    __wasi_ciovec_t iov = {(const uint8_t *)"K", 1};
    CHECK_OK(__wasi_fd_pwrite(log, &iov, 1, 1, &n));
    CHECK(file_is(work, "log", "AKcdefGHij") || file_is(work, "log", "AbcdefGHijK"));
    CHECK_OK(__wasi_fd_close(log));
    CHECK_OK(__wasi_fd_close(other));

    // A whence beyond a byte is no whence, not the same one modulo 256.
    fd = open_file(work, "file", 0);
    CHECK_OK(__wasi_fd_seek(fd, 2, __WASI_WHENCE_SET, &at));
    CHECK_ANY(raw_fd_seek(fd, 0, 257, P(&at)), E(INVAL));
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_EQ(at, 2);
    return check_done();
}
