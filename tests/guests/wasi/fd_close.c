// fd_close, and every function that takes a descriptor with one that is not open: BADF, and
// nothing else, for -1, for numbers never given out and for closed ones.
#include "check.h"

static void all_say_badf(__wasi_fd_t fd, __wasi_fd_t work) {
    uint8_t buf[64];
    __wasi_iovec_t in = {buf, 8};
    __wasi_ciovec_t out = {buf, 8};
    size_t n;
    __wasi_filesize_t at;
    __wasi_fdstat_t fdstat;
    __wasi_filestat_t st;
    __wasi_prestat_t prestat;
    __wasi_roflags_t ro;
    __wasi_fd_t got = 0;

    CHECK_ERRNO(__wasi_fd_advise(fd, 0, 0, 0), BADF);
    CHECK_ERRNO(__wasi_fd_allocate(fd, 0, 1), BADF);
    CHECK_ERRNO(__wasi_fd_close(fd), BADF);
    CHECK_ERRNO(__wasi_fd_datasync(fd), BADF);
    CHECK_ERRNO(__wasi_fd_fdstat_get(fd, &fdstat), BADF);
    CHECK_ERRNO(__wasi_fd_fdstat_set_flags(fd, 0), BADF);
    CHECK_ERRNO(__wasi_fd_fdstat_set_rights(fd, 0, 0), BADF);
    CHECK_ERRNO(__wasi_fd_filestat_get(fd, &st), BADF);
    CHECK_ERRNO(__wasi_fd_filestat_set_size(fd, 0), BADF);
    CHECK_ERRNO(__wasi_fd_filestat_set_times(fd, 0, 0, 0), BADF);
    CHECK_ERRNO(__wasi_fd_pread(fd, &in, 1, 0, &n), BADF);
    CHECK_ERRNO(__wasi_fd_prestat_get(fd, &prestat), BADF);
    CHECK_ERRNO(__wasi_fd_prestat_dir_name(fd, buf, sizeof buf), BADF);
    CHECK_ERRNO(__wasi_fd_pwrite(fd, &out, 1, 0, &n), BADF);
    CHECK_ERRNO(__wasi_fd_read(fd, &in, 1, &n), BADF);
    CHECK_ERRNO(__wasi_fd_readdir(fd, buf, sizeof buf, 0, &n), BADF);
    CHECK_ERRNO(__wasi_fd_renumber(fd, work), BADF);
    CHECK_ERRNO(__wasi_fd_renumber(work, fd), BADF);
    CHECK_ERRNO(__wasi_fd_seek(fd, 0, 0, &at), BADF);
    CHECK_ERRNO(__wasi_fd_sync(fd), BADF);
    CHECK_ERRNO(__wasi_fd_tell(fd, &at), BADF);
    CHECK_ERRNO(__wasi_fd_write(fd, &out, 1, &n), BADF);
    CHECK_ERRNO(__wasi_path_create_directory(fd, "x"), BADF);
    CHECK_ERRNO(__wasi_path_filestat_get(fd, 0, "file", &st), BADF);
    CHECK_ERRNO(__wasi_path_filestat_set_times(fd, 0, "file", 0, 0, 0), BADF);
    CHECK_ERRNO(__wasi_path_link(fd, 0, "file", work, "x"), BADF);
    CHECK_ERRNO(__wasi_path_link(work, 0, "file", fd, "x"), BADF);
    CHECK_ERRNO(__wasi_path_open(fd, 0, "file", 0, R(FD_READ), 0, 0, &got), BADF);
    CHECK_ERRNO(__wasi_path_readlink(fd, "link", buf, sizeof buf, &n), BADF);
    CHECK_ERRNO(__wasi_path_remove_directory(fd, "dir"), BADF);
    CHECK_ERRNO(__wasi_path_rename(fd, "file", work, "x"), BADF);
    CHECK_ERRNO(__wasi_path_rename(work, "file", fd, "x"), BADF);
    CHECK_ERRNO(__wasi_path_symlink("file", fd, "x"), BADF);
    CHECK_ERRNO(__wasi_path_unlink_file(fd, "file"), BADF);
    CHECK_ERRNO(__wasi_sock_accept(fd, 0, &got), BADF);
    CHECK_ERRNO(__wasi_sock_recv(fd, &in, 1, 0, &n, &ro), BADF);
    CHECK_ERRNO(__wasi_sock_send(fd, &out, 1, 0, &n), BADF);
    CHECK_ERRNO(__wasi_sock_shutdown(fd, __WASI_SDFLAGS_RD), BADF);
}

// A file in the place of the directory: NOTDIR, or NOTCAPABLE because a file has none of the
// rights of a directory, or BADF for "no directory there" as wasmtime once said.
static void no_directory(__wasi_fd_t fd, __wasi_fd_t work) {
    uint8_t buf[64];
    size_t n;
    __wasi_filestat_t st;
    __wasi_fd_t got = 0;
#define NO_DIR(call) CHECK_ANY(call, E(NOTDIR), E(NOTCAPABLE), E(BADF))
    NO_DIR(__wasi_fd_readdir(fd, buf, sizeof buf, 0, &n));
    NO_DIR(__wasi_path_create_directory(fd, "x"));
    NO_DIR(__wasi_path_filestat_get(fd, 0, "file", &st));
    NO_DIR(__wasi_path_filestat_set_times(fd, 0, "file", 0, 0, 0));
    NO_DIR(__wasi_path_link(fd, 0, "file", work, "x"));
    NO_DIR(__wasi_path_link(work, 0, "file", fd, "x"));
    NO_DIR(__wasi_path_open(fd, 0, "file", 0, R(FD_READ), 0, 0, &got));
    NO_DIR(__wasi_path_open(fd, 0, ".", 0, 0, 0, 0, &got));
    NO_DIR(__wasi_path_readlink(fd, "link", buf, sizeof buf, &n));
    NO_DIR(__wasi_path_remove_directory(fd, "dir"));
    NO_DIR(__wasi_path_rename(fd, "file", work, "x"));
    NO_DIR(__wasi_path_rename(work, "file", fd, "x"));
    NO_DIR(__wasi_path_symlink("file", fd, "x"));
    NO_DIR(__wasi_path_unlink_file(fd, "file"));
}

int main(void) {
    __wasi_fd_t work = preopen("/work");
    make_file(work, "file", "text");
    CHECK_OK(__wasi_path_create_directory(work, "dir"));

    __wasi_fd_t fd = open_file(work, "file", 0), dir = open_dir(work, "dir");
    no_directory(fd, work);
    no_directory(1, work);
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_OK(__wasi_fd_close(dir));
    all_say_badf(fd, work);
    all_say_badf(dir, work);
    all_say_badf(BAD_FD, work);
    all_say_badf(-1, work);
    all_say_badf(INT32_MIN, work);
    CHECK_OK(look(work, "file")); // after all of that, all is still there
    CHECK_ERRNO(look(work, "x"), NOENT);

    // Numbers come back; a file that was unlinked lives as long as its descriptor.
    fd = open_file(work, "gone", 0);
    size_t n;
    CHECK_OK(write_fd(fd, "here", &n));
    CHECK_OK(__wasi_path_unlink_file(work, "gone"));
    __wasi_filesize_t at;
    char buf[8];
    CHECK_OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    CHECK_OK(read_fd(fd, buf, sizeof buf, &n));
    CHECK_EQ(n, 4);
    CHECK_OK(__wasi_fd_close(fd));
    for (int i = 0; i < 5000; i++) {
        fd = open_file(work, "file", 0);
        CHECK(fd > 2);
        CHECK_OK(__wasi_fd_close(fd));
    }

    // The standard input can be closed, and so can a preopened directory.
    CHECK_OK(__wasi_fd_close(0));
    all_say_badf(0, work);
    __wasi_fd_t second = preopen("/second");
    dir = open_dir(second, ".");
    CHECK_OK(__wasi_fd_close(second));
    all_say_badf(second, work);
    CHECK_ANY(look(dir, "nosuch"), E(NOENT)); // what was opened through it stays open
    return check_done();
}
