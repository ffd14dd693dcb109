// A directory preopened read-only, /ro, beside one that is not, /work, on the same file system.
// /ro has file ("content"), dir/inner, link -> file and an empty directory.
//
// Preview 1 does not say how a host refuses: NOTCAPABLE for a right that is missing, PERM as
// wasmtime, ROFS as of a file system that is mounted so.
#include "check.h"

#define REFUSED(call) CHECK_ANY(call, E(NOTCAPABLE), E(PERM), E(ROFS))

static __wasi_errno_t try_open(__wasi_fd_t dir, const char *path, int oflags,
                               __wasi_rights_t rights, int fdflags) {
    __wasi_fd_t fd;
    __wasi_errno_t err = __wasi_path_open(dir, FOLLOW, path, oflags, rights, 0, fdflags, &fd);
    if (err == 0) CHECK_OK(__wasi_fd_close(fd));
    return err;
}

// All that would change something, through any descriptor below /ro.
static void refused(__wasi_fd_t dir, __wasi_fd_t work) {
    REFUSED(try_open(dir, "file", 0, R(FD_WRITE), 0));
    REFUSED(try_open(dir, "file", 0, R(FD_READ) | R(FD_WRITE), 0));
    REFUSED(try_open(dir, "file", 0, R(FD_WRITE), __WASI_FDFLAGS_APPEND));
    REFUSED(try_open(dir, "file", 0, R(FD_READ) | R(FD_ALLOCATE), 0));
    REFUSED(try_open(dir, "file", 0, R(FD_READ) | R(FD_FILESTAT_SET_SIZE), 0));
    REFUSED(try_open(dir, "file", TRUNC, R(FD_READ) | R(FD_WRITE), 0));
    REFUSED(try_open(dir, "file", TRUNC, R(FD_READ), 0));
    REFUSED(try_open(dir, "new", CREAT, R(FD_READ), 0));
    REFUSED(try_open(dir, "new", CREAT, R(FD_READ) | R(FD_WRITE), 0));
    REFUSED(try_open(dir, "new", CREAT | EXCL, R(FD_WRITE), 0));
    REFUSED(try_open(dir, "link", 0, R(FD_WRITE), 0));
    REFUSED(__wasi_path_create_directory(dir, "new"));
    REFUSED(__wasi_path_remove_directory(dir, "empty"));
    REFUSED(__wasi_path_unlink_file(dir, "file"));
    REFUSED(__wasi_path_unlink_file(dir, "link"));
    REFUSED(__wasi_path_symlink("file", dir, "new"));
    REFUSED(__wasi_path_rename(dir, "file", dir, "new"));
    REFUSED(__wasi_path_rename(dir, "file", work, "new"));
    REFUSED(__wasi_path_rename(work, "mine", dir, "new"));
    REFUSED(__wasi_path_rename(work, "mine", dir, "file"));
    REFUSED(__wasi_path_link(dir, 0, "file", dir, "new"));
    REFUSED(__wasi_path_link(work, 0, "mine", dir, "new"));
    // A second name in a writable directory would be a way to write to it.
    REFUSED(__wasi_path_link(dir, 0, "file", work, "new"));
    REFUSED(__wasi_path_filestat_set_times(dir, 0, "file", 1, 1, __WASI_FSTFLAGS_MTIM));
    REFUSED(__wasi_path_filestat_set_times(dir, 0, "file", 1, 1, __WASI_FSTFLAGS_ATIM));
    REFUSED(__wasi_path_filestat_set_times(dir, FOLLOW, "link", 1, 1, __WASI_FSTFLAGS_MTIM));
    REFUSED(__wasi_fd_filestat_set_times(dir, 1, 1, __WASI_FSTFLAGS_MTIM));
}

int main(void) {
    __wasi_fd_t ro = preopen("/ro"), work = preopen("/work"), fd, dir;
    make_file(work, "mine", "mine");
    uint8_t buf[256];
    size_t n;
    __wasi_filestat_t st;
    __wasi_filesize_t at;

    // All that reads, works.
    CHECK(file_is(ro, "file", "content"));
    CHECK(file_is(ro, "dir/inner", "inner"));
    CHECK_OK(__wasi_path_filestat_get(ro, 0, "file", &st));
    CHECK_OK(__wasi_path_readlink(ro, "link", buf, sizeof buf, &n));
    CHECK_EQ(n, 4);
    CHECK_OK(__wasi_fd_filestat_get(ro, &st));
    __wasi_fdstat_t fdstat;
    CHECK_OK(__wasi_fd_fdstat_get(ro, &fdstat));
    CHECK_EQ(fdstat.fs_filetype, __WASI_FILETYPE_DIRECTORY);
    // Every libc asks for no more than what the directory's inheriting rights hold.
    __wasi_rights_t can = fdstat.fs_rights_inheriting;
    CHECK((can & R(FD_READ)) != 0);
    CHECK_OK(__wasi_fd_readdir(ro, buf, sizeof buf, 0, &n));
    CHECK(n > 24);
    CHECK_OK(__wasi_path_open(ro, 0, "file", 0, R(FD_READ) | R(FD_SEEK) | R(FD_TELL), 0, 0, &fd));
    CHECK_OK(__wasi_fd_seek(fd, 3, __WASI_WHENCE_SET, &at));
    CHECK_OK(read_fd(fd, buf, sizeof buf, &n));
    CHECK_EQ(n, 4);
    CHECK_ANY(write_fd(fd, "x", &n), E(NOTCAPABLE), E(BADF), E(PERM), E(ROFS));
    CHECK_ANY(__wasi_fd_filestat_set_size(fd, 0), E(NOTCAPABLE), E(BADF), E(PERM), E(ROFS),
              E(INVAL));
    CHECK_ANY(__wasi_fd_allocate(fd, 0, 100), E(NOTCAPABLE), E(BADF), E(PERM), E(ROFS));
    CHECK_OK(__wasi_fd_close(fd));

    // All rights a descriptor can have here, and still nothing can be changed with it.
    CHECK_OK(__wasi_path_open(ro, 0, "file", 0, can & RIGHTS_FILE_READ, 0, 0, &fd));
    REFUSED(__wasi_fd_filestat_set_times(fd, 1, 1, __WASI_FSTFLAGS_MTIM));
    CHECK_ANY(write_fd(fd, "x", &n), E(NOTCAPABLE), E(BADF), E(PERM), E(ROFS));
    CHECK_OK(__wasi_fd_close(fd));

    refused(ro, work);
    // And not through a directory opened below either, or the same one opened again.
    CHECK_OK(__wasi_path_open(ro, 0, ".", DIRECTORY, fdstat.fs_rights_base, can, 0, &dir));
    refused(dir, work);
    CHECK_OK(__wasi_fd_close(dir));
    CHECK_OK(__wasi_path_open(ro, 0, "dir", DIRECTORY, can & RIGHTS_DIR, can, 0, &dir));
    CHECK(file_is(dir, "inner", "inner"));
    REFUSED(try_open(dir, "inner", 0, R(FD_WRITE), 0));
    REFUSED(try_open(dir, "new", CREAT, R(FD_WRITE), 0));
    REFUSED(__wasi_path_unlink_file(dir, "inner"));
    REFUSED(__wasi_path_link(dir, 0, "inner", work, "new"));
    REFUSED(__wasi_path_filestat_set_times(dir, 0, "inner", 1, 1, __WASI_FSTFLAGS_MTIM));

    // The C library.
    FILE *f = fopen("/ro/file", "r");
    CHECK(f != NULL);
    if (f) {
        CHECK_EQ(fgetc(f), 'c');
        fclose(f);
    }
    // Where it cannot have the right to write, wasi-libc opens without and finds out later.
    f = fopen("/ro/file", "r+");
    if (f) {
        fputc('x', f);
        CHECK_EQ(fclose(f), EOF);
    }
    CHECK(fopen("/ro/file", "a") == NULL);
    CHECK(fopen("/ro/new", "w") == NULL);
    CHECK(remove("/ro/file") != 0);

    CHECK(file_is(ro, "file", "content"));
    CHECK(file_is(work, "mine", "mine")); // and the other one stays writable
    CHECK_OK(try_open(work, "mine", 0, R(FD_WRITE), 0));
    CHECK_ERRNO(look(work, "new"), NOENT);
    return check_done();
}
