// fd_read, fd_write, fd_pread, fd_pwrite.
#include "check.h"
#include "raw.h"

static __wasi_ciovec_t out(const char *s) {
    return (__wasi_ciovec_t){(const uint8_t *)s, strlen(s)};
}

int main(void) {
    __wasi_fd_t work = preopen("/work");
    __wasi_fd_t fd = open_file(work, "file", 0);
    size_t n = 99;
    char a[8], b[8];

    // Several buffers, empty ones among them. A write may be short: wasmtime takes the
    // first buffer that is not empty.
    __wasi_ciovec_t w[4] = {out(""), out("abc"), out(""), out("defg")};
    size_t done = 0;
    for (int i = 0; i < 4; i++) {
        CHECK_OK(__wasi_fd_write(fd, w + i, 4 - i, &n));
        done += n;
        if (done == 7) break;
        if (n == 3 && i == 0) i = 2;
    }
    CHECK_EQ(done, 7);
    CHECK(file_is(work, "file", "abcdefg"));

    __wasi_filesize_t at;
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_EQ(at, 7);
    CHECK_OK(read_fd(fd, a, sizeof a, &n)); // at the end
    CHECK_EQ(n, 0);
    CHECK_OK(__wasi_fd_seek(fd, 1, __WASI_WHENCE_SET, &at));
    memset(a, '.', sizeof a);
    memset(b, '.', sizeof b);
    __wasi_iovec_t r[3] = {{(uint8_t *)a, 2}, {(uint8_t *)a, 0}, {(uint8_t *)b, 3}};
    CHECK_OK(__wasi_fd_read(fd, r, 3, &n));
    CHECK_ANY(n, 2, 5);
    CHECK_EQ(memcmp(a, "bc......", 8), 0);
    if (n == 5) CHECK_EQ(memcmp(b, "def.....", 8), 0);

    // No buffers, or only empty ones: nothing moves, and that is no error.
    CHECK_OK(__wasi_fd_seek(fd, 2, __WASI_WHENCE_SET, &at));
    __wasi_iovec_t none = {(uint8_t *)a, 0};
    __wasi_ciovec_t cnone = {(uint8_t *)a, 0};
    n = 99;
    CHECK_OK(__wasi_fd_read(fd, &none, 0, &n));
    CHECK_EQ(n, 0);
    n = 99;
    CHECK_OK(__wasi_fd_read(fd, &none, 1, &n));
    CHECK_EQ(n, 0);
    n = 99;
    CHECK_OK(__wasi_fd_write(fd, &cnone, 0, &n));
    CHECK_EQ(n, 0);
    n = 99;
    CHECK_OK(__wasi_fd_write(fd, &cnone, 1, &n));
    CHECK_EQ(n, 0);
    n = 99;
    CHECK_OK(__wasi_fd_pread(fd, &none, 0, 0, &n));
    CHECK_EQ(n, 0);
    n = 99;
    CHECK_OK(__wasi_fd_pread(fd, &none, 1, 0, &n));
    CHECK_EQ(n, 0);
    n = 99;
    CHECK_OK(__wasi_fd_pwrite(fd, &cnone, 0, 0, &n));
    CHECK_EQ(n, 0);
    n = 99;
    CHECK_OK(__wasi_fd_pwrite(fd, &cnone, 1, 0, &n));
    CHECK_EQ(n, 0);
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_EQ(at, 2);
    CHECK(file_is(work, "file", "abcdefg"));

    // pread and pwrite leave the offset alone.
    memset(a, '.', sizeof a);
    r[0] = (__wasi_iovec_t){(uint8_t *)a, 4};
    CHECK_OK(__wasi_fd_pread(fd, r, 1, 3, &n));
    CHECK_EQ(n, 4);
    CHECK_EQ(memcmp(a, "defg....", 8), 0);
    CHECK_OK(__wasi_fd_pread(fd, r, 1, 6, &n)); // short, at the end
    CHECK_EQ(n, 1);
    CHECK_OK(__wasi_fd_pread(fd, r, 1, 7, &n));
    CHECK_EQ(n, 0);
    CHECK_OK(__wasi_fd_pread(fd, r, 1, 1000000, &n));
    CHECK_EQ(n, 0);
    w[0] = out("XY");
    CHECK_OK(__wasi_fd_pwrite(fd, w, 1, 1, &n));
    CHECK_EQ(n, 2);
    CHECK(file_is(work, "file", "aXYdefg"));
    CHECK_OK(__wasi_fd_pwrite(fd, w, 1, 9, &n)); // leaves a hole
    CHECK_EQ(n, 2);
    CHECK_EQ(size_of(fd), 11);
    memset(a, '.', sizeof a);
    CHECK_OK(__wasi_fd_pread(fd, r, 1, 7, &n));
    CHECK_EQ(n, 4);
    CHECK_EQ(memcmp(a, "\0\0XY", 4), 0);
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_EQ(at, 2);

    // Offsets are unsigned in preview 1 and signed below.
    CHECK_ANY(__wasi_fd_pread(fd, r, 1, UINT64_MAX, &n), E(INVAL), E(OVERFLOW));
    CHECK_ANY(__wasi_fd_pread(fd, r, 1, 1ull << 63, &n), E(INVAL), E(OVERFLOW));
    CHECK_ANY(__wasi_fd_pwrite(fd, w, 1, UINT64_MAX, &n), E(INVAL), E(OVERFLOW), E(FBIG));
    CHECK_ANY(__wasi_fd_pwrite(fd, w, 1, INT64_MAX, &n), E(INVAL), E(OVERFLOW), E(FBIG));

    // More buffers than the host takes in one call (IOV_MAX): a short transfer is allowed,
    // an error is not.
    static __wasi_ciovec_t many[3000];
    static __wasi_iovec_t many_in[3000];
    static uint8_t bytes[3000];
    for (int i = 0; i < 3000; i++) {
        many[i] = (__wasi_ciovec_t){(const uint8_t *)"z", 1};
        many_in[i] = (__wasi_iovec_t){bytes + i, 1};
    }
    __wasi_fd_t lots = open_file(work, "lots", 0);
    n = 0;
    CHECK_OK(__wasi_fd_write(lots, many, 3000, &n));
    CHECK(n >= 1 && n <= 3000);
    CHECK_EQ(size_of(lots), n);
    CHECK_OK(__wasi_fd_pwrite(lots, many, 3000, 0, &n));
    CHECK(n >= 1 && n <= 3000);
    CHECK_OK(__wasi_fd_filestat_set_size(lots, 3000));
    CHECK_OK(__wasi_fd_seek(lots, 0, __WASI_WHENCE_SET, &at));
    CHECK_OK(__wasi_fd_read(lots, many_in, 3000, &n));
    CHECK(n >= 1 && n <= 3000);
    CHECK_EQ(bytes[0], 'z');
    CHECK_OK(__wasi_fd_pread(lots, many_in, 3000, 0, &n));
    CHECK(n >= 1 && n <= 3000);

    // A buffer that ends where memory ends.
    uint8_t *end = (uint8_t *)(uintptr_t)memory_end();
    r[0] = (__wasi_iovec_t){end - 4, 4};
    CHECK_OK(__wasi_fd_pread(fd, r, 1, 3, &n));
    CHECK_EQ(n, 4);
    CHECK_EQ(memcmp(end - 4, "defg", 4), 0);

    // Directions: a descriptor opened for one does not do the other. NOTCAPABLE where rights
    // are enforced, BADF where they are not.
    __wasi_fd_t ro, wo;
    CHECK_OK(open_path(work, "file", 0, R(FD_READ), 0, &ro));
    CHECK_OK(open_path(work, "file", 0, R(FD_WRITE), 0, &wo));
    r[0] = (__wasi_iovec_t){(uint8_t *)a, 4};
    CHECK_ANY(__wasi_fd_write(ro, w, 1, &n), E(NOTCAPABLE), E(BADF));
    CHECK_ANY(__wasi_fd_pwrite(ro, w, 1, 0, &n), E(NOTCAPABLE), E(BADF));
    CHECK_ANY(__wasi_fd_read(wo, r, 1, &n), E(NOTCAPABLE), E(BADF));
    CHECK_ANY(__wasi_fd_pread(wo, r, 1, 0, &n), E(NOTCAPABLE), E(BADF));
    CHECK_OK(__wasi_fd_read(ro, r, 1, &n));
    CHECK_OK(__wasi_fd_write(wo, w, 1, &n));

    // A directory is no file.
    CHECK_ANY(__wasi_fd_read(work, r, 1, &n), E(NOTCAPABLE), E(BADF), E(ISDIR));
    CHECK_ANY(__wasi_fd_write(work, w, 1, &n), E(NOTCAPABLE), E(BADF), E(ISDIR));
    CHECK_ANY(__wasi_fd_pread(work, r, 1, 0, &n), E(NOTCAPABLE), E(BADF), E(ISDIR));
    CHECK_ANY(__wasi_fd_pwrite(work, w, 1, 0, &n), E(NOTCAPABLE), E(BADF), E(ISDIR));

    CHECK_ERRNO(__wasi_fd_read(BAD_FD, r, 1, &n), BADF);
    CHECK_ERRNO(__wasi_fd_write(BAD_FD, w, 1, &n), BADF);
    CHECK_ERRNO(__wasi_fd_pread(BAD_FD, r, 1, 0, &n), BADF);
    CHECK_ERRNO(__wasi_fd_pwrite(BAD_FD, w, 1, 0, &n), BADF);
    return check_done();
}
