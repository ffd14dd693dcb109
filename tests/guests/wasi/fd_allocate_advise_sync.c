// fd_allocate, fd_advise, fd_sync, fd_datasync.
#include "check.h"

int main(void) {
    __wasi_fd_t work = preopen("/work");
    make_file(work, "file", "0123456789");
    __wasi_fd_t fd = open_file(work, "file", 0);

    // Allocation grows a file and never shrinks one or changes what is in it.
    CHECK_OK(__wasi_fd_allocate(fd, 0, 100));
    CHECK_EQ(size_of(fd), 100);
    CHECK_OK(__wasi_fd_allocate(fd, 10, 10));
    CHECK_EQ(size_of(fd), 100);
    CHECK_OK(__wasi_fd_allocate(fd, 90, 30));
    CHECK_EQ(size_of(fd), 120);
    char buf[120];
    size_t n;
    CHECK_OK(read_fd(fd, buf, sizeof buf, &n));
    CHECK_EQ(n, 120);
    CHECK_EQ(memcmp(buf, "0123456789\0\0", 12), 0);
    CHECK_EQ(buf[119], 0);
    __wasi_filesize_t at;
    CHECK_OK(__wasi_fd_tell(fd, &at)); // nor does it move the offset
    CHECK_EQ(at, 120);

    CHECK_ERRNO(__wasi_fd_allocate(fd, 0, 0), INVAL);
    CHECK_ANY(__wasi_fd_allocate(fd, UINT64_MAX, 1), E(INVAL), E(FBIG));
    CHECK_ANY(__wasi_fd_allocate(fd, 1, UINT64_MAX), E(INVAL), E(FBIG));
    CHECK_ANY(__wasi_fd_allocate(fd, INT64_MAX, INT64_MAX), E(INVAL), E(FBIG));
    CHECK_EQ(size_of(fd), 120);
    CHECK_ERRNO(__wasi_fd_allocate(BAD_FD, 0, 1), BADF);
    CHECK_ANY(__wasi_fd_allocate(work, 0, 1), E(BADF), E(NOTCAPABLE), E(ISDIR));
    __wasi_fd_t ro;
    CHECK_OK(open_path(work, "file", 0, R(FD_READ), 0, &ro));
    CHECK_ANY(__wasi_fd_allocate(ro, 0, 1000), E(BADF), E(NOTCAPABLE));
    CHECK_EQ(size_of(fd), 120);

    // Advice is advice: nothing to see, but it is checked.
    for (int advice = __WASI_ADVICE_NORMAL; advice <= __WASI_ADVICE_NOREUSE; advice++) {
        CHECK_OK(__wasi_fd_advise(fd, 0, 10, advice));
        CHECK_OK(__wasi_fd_advise(fd, 0, 0, advice)); // 0: up to the end
        CHECK_OK(__wasi_fd_advise(fd, 1000, 1000, advice));
    }
    CHECK_EQ(size_of(fd), 120);
    CHECK_ERRNO(__wasi_fd_advise(fd, 0, 0, 6), INVAL);
    CHECK_ERRNO(__wasi_fd_advise(fd, 0, 0, 255), INVAL);
    // A range that does not fit is nothing the specification speaks about.
    CHECK_ANY(__wasi_fd_advise(fd, UINT64_MAX, 1, 0), E(SUCCESS), E(INVAL), E(OVERFLOW));
    CHECK_ANY(__wasi_fd_advise(fd, 0, UINT64_MAX, 0), E(SUCCESS), E(INVAL), E(OVERFLOW));
    CHECK_ERRNO(__wasi_fd_advise(BAD_FD, 0, 0, 0), BADF);
    CHECK_ERRNO(__wasi_fd_advise(work, 0, 0, 0), BADF); // as in the public suite

    CHECK_OK(__wasi_fd_sync(fd));
    CHECK_OK(__wasi_fd_datasync(fd));
    CHECK_OK(__wasi_fd_sync(work)); // a directory can be synced
    // Data it has none: the right is not one of a directory's.
    CHECK_ANY(__wasi_fd_datasync(work), E(SUCCESS), E(NOTCAPABLE), E(BADF));
    CHECK_ERRNO(__wasi_fd_sync(BAD_FD), BADF);
    CHECK_ERRNO(__wasi_fd_datasync(BAD_FD), BADF);
    return check_done();
}
