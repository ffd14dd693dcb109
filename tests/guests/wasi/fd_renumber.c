// fd_renumber.
#include "check.h"

int main(void) {
    __wasi_fd_t work = preopen("/work");
    make_file(work, "a", "aaaa");
    make_file(work, "b", "bbbb");
    char buf[8];
    size_t n;

    // The target is closed, the source moves: offset, flags and all.
    __wasi_fd_t a = open_file(work, "a", 0), b = open_file(work, "b", 0);
    __wasi_filesize_t at;
    __wasi_fdstat_t before, after;
    CHECK_OK(__wasi_fd_seek(a, 1, __WASI_WHENCE_SET, &at));
    CHECK_OK(__wasi_fd_fdstat_get(a, &before));
    CHECK_OK(__wasi_fd_renumber(a, b));
    CHECK_OK(__wasi_fd_fdstat_get(b, &after));
    CHECK_EQ(after.fs_rights_base, before.fs_rights_base);
    CHECK_EQ(after.fs_filetype, before.fs_filetype);
    CHECK_OK(read_fd(b, buf, sizeof buf, &n));
    CHECK_EQ(n, 3);
    CHECK_EQ(buf[0], 'a');
    CHECK_ERRNO(read_fd(a, buf, sizeof buf, &n), BADF);
    CHECK_ERRNO(__wasi_fd_close(a), BADF);

    // To itself: nothing happens.
    CHECK_OK(__wasi_fd_renumber(b, b));
    CHECK_OK(__wasi_fd_seek(b, 0, __WASI_WHENCE_SET, &at));
    CHECK_OK(read_fd(b, buf, sizeof buf, &n));
    CHECK_EQ(n, 4);

    // "Renumber to an arbitrary number, like dup2()" is what it is not.
    CHECK_ERRNO(__wasi_fd_renumber(b, BAD_FD), BADF);
    CHECK_ERRNO(__wasi_fd_renumber(BAD_FD, b), BADF);
    CHECK_ERRNO(__wasi_fd_renumber(BAD_FD, BAD_FD), BADF);
    CHECK_ERRNO(__wasi_fd_renumber(-1, b), BADF);
    CHECK_OK(__wasi_fd_seek(b, 0, __WASI_WHENCE_SET, &at));
    CHECK_OK(read_fd(b, buf, sizeof buf, &n));
    CHECK_EQ(n, 4);
    CHECK_OK(__wasi_fd_close(b));

    // Directories, with what was read from them.
    __wasi_fd_t d1 = open_dir(work, "."), d2 = open_dir(work, ".");
    uint8_t dir_buf[256];
    CHECK_OK(__wasi_fd_readdir(d1, dir_buf, sizeof dir_buf, 0, &n));
    CHECK_OK(__wasi_fd_renumber(d1, d2));
    CHECK_OK(__wasi_fd_readdir(d2, dir_buf, sizeof dir_buf, 0, &n));
    CHECK_OK(look(d2, "a"));
    CHECK_ERRNO(look(d1, "a"), BADF);
    CHECK_OK(__wasi_fd_close(d2));

    // Again and again: the table's book-keeping must not drift until it is full or never is.
    for (int i = 0; i < 200; i++) {
        __wasi_fd_t x = open_file(work, "a", 0), y = open_file(work, "b", 0);
        CHECK_OK(__wasi_fd_renumber(x, y));
        CHECK_OK(__wasi_fd_close(y));
    }
    __wasi_fd_t held[200];
    for (int i = 0; i < 200; i++) held[i] = open_file(work, "a", 0);
    for (int i = 0; i < 200; i++) {
        CHECK_OK(read_fd(held[i], buf, 1, &n));
        CHECK_OK(__wasi_fd_close(held[i]));
    }

    // A file put in the place of a preopened directory takes its name away ...
    __wasi_prestat_t prestat;
    __wasi_fd_t second = preopen("/second");
    a = open_file(work, "a", 0);
    CHECK_OK(__wasi_fd_renumber(a, second));
    CHECK_ANY(__wasi_fd_prestat_get(second, &prestat), E(BADF), E(NOTSUP));
    CHECK_OK(read_fd(second, buf, 1, &n));
    // ... and a preopened directory that moves takes its name along.
    CHECK_OK(__wasi_fd_renumber(work, second));
    CHECK_OK(__wasi_fd_prestat_get(second, &prestat));
    CHECK_EQ(prestat.u.dir.pr_name_len, 5);
    CHECK_ERRNO(__wasi_fd_prestat_get(work, &prestat), BADF);
    CHECK_OK(look(second, "b"));

    // The standard output, like a shell's redirection.
    __wasi_fd_t out = open_file(second, "out", 0);
    CHECK_OK(__wasi_fd_renumber(2, out));
    CHECK_OK(write_fd(out, "to stderr\n", &n));
    CHECK_ERRNO(write_fd(2, "x", &n), BADF);
    return check_done();
}
