// Rights: every function asks for its own, they can be given up and never come back, and a
// descriptor opened through another has no more of them. (Later versions of wasmtime report
// rights but do not enforce them; preview 1 as it is written does.)
#include "check.h"

#define ALL_INHERITING (RIGHTS_FILE | RIGHTS_DIR)

static __wasi_fd_t work;

static __wasi_rights_t base_of(__wasi_fd_t fd) {
    __wasi_fdstat_t st;
    REQUIRE(__wasi_fd_fdstat_get(fd, &st));
    return st.fs_rights_base;
}

// A file descriptor without one right.
static __wasi_fd_t file_without(__wasi_rights_t right) {
    __wasi_fd_t fd = open_file(work, "file", 0);
    REQUIRE(__wasi_fd_fdstat_set_rights(fd, base_of(fd) & ~right, 0));
    return fd;
}

static __wasi_fd_t dir_without(__wasi_rights_t right) {
    __wasi_fd_t fd = open_dir(work, "dir");
    __wasi_fdstat_t st;
    REQUIRE(__wasi_fd_fdstat_get(fd, &st));
    REQUIRE(__wasi_fd_fdstat_set_rights(fd, st.fs_rights_base & ~right, st.fs_rights_inheriting));
    return fd;
}

// The call, with `fd` once lacking the right and once having it.
#define FILE_NEEDS(right, call)                                                           \
    do {                                                                                  \
        __wasi_fd_t fd = file_without(R(right));                                          \
        CHECK_ERRNO(call, NOTCAPABLE);                                                    \
        REQUIRE(__wasi_fd_close(fd));                                                     \
        fd = file_without(0);                                                             \
        CHECK_OK(call);                                                                   \
        REQUIRE(__wasi_fd_close(fd));                                                     \
    } while (0)
#define DIR_NEEDS(right, call)                                                            \
    do {                                                                                  \
        __wasi_fd_t fd = dir_without(R(right));                                           \
        CHECK_ERRNO(call, NOTCAPABLE);                                                    \
        REQUIRE(__wasi_fd_close(fd));                                                     \
        fd = dir_without(0);                                                              \
        CHECK_OK(call);                                                                   \
        REQUIRE(__wasi_fd_close(fd));                                                     \
    } while (0)

static void files(void) {
    char buf[8];
    size_t n;
    __wasi_filesize_t at;
    __wasi_filestat_t st;
    __wasi_iovec_t in = {(uint8_t *)buf, 4};
    __wasi_ciovec_t out = {(const uint8_t *)"abcd", 4};
    FILE_NEEDS(FD_READ, __wasi_fd_read(fd, &in, 1, &n));
    FILE_NEEDS(FD_READ, __wasi_fd_pread(fd, &in, 1, 0, &n));
    FILE_NEEDS(FD_WRITE, __wasi_fd_write(fd, &out, 1, &n));
    FILE_NEEDS(FD_WRITE, __wasi_fd_pwrite(fd, &out, 1, 0, &n));
    // FD_READ: "If rights::fd_seek is set, includes the right to invoke fd_pread"; FD_WRITE
    // and fd_pwrite alike.
    FILE_NEEDS(FD_SEEK, __wasi_fd_pread(fd, &in, 1, 0, &n));
    FILE_NEEDS(FD_SEEK, __wasi_fd_pwrite(fd, &out, 1, 0, &n));
    FILE_NEEDS(FD_SEEK, __wasi_fd_seek(fd, 1, __WASI_WHENCE_SET, &at));
    FILE_NEEDS(FD_SEEK, __wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at));
    FILE_NEEDS(FD_SYNC, __wasi_fd_sync(fd));
    FILE_NEEDS(FD_DATASYNC, __wasi_fd_datasync(fd));
    FILE_NEEDS(FD_ADVISE, __wasi_fd_advise(fd, 0, 0, __WASI_ADVICE_NORMAL));
    FILE_NEEDS(FD_ALLOCATE, __wasi_fd_allocate(fd, 0, 4));
    FILE_NEEDS(FD_FDSTAT_SET_FLAGS, __wasi_fd_fdstat_set_flags(fd, __WASI_FDFLAGS_APPEND));
    FILE_NEEDS(FD_FILESTAT_GET, __wasi_fd_filestat_get(fd, &st));
    FILE_NEEDS(FD_FILESTAT_SET_SIZE, __wasi_fd_filestat_set_size(fd, 4));
    FILE_NEEDS(FD_FILESTAT_SET_TIMES,
               __wasi_fd_filestat_set_times(fd, 1, 1, __WASI_FSTFLAGS_MTIM));

    // "The right to invoke fd_seek in such a way that the file offset remains unaltered
    // (whence::cur with offset zero), or to invoke fd_tell."
    __wasi_fd_t fd = file_without(R(FD_SEEK));
    CHECK_OK(__wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, &at));
    CHECK_ERRNO(__wasi_fd_seek(fd, 1, __WASI_WHENCE_CUR, &at), NOTCAPABLE);
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_OK(__wasi_fd_close(fd));
    // FD_SEEK: "This flag implies rights::fd_tell."
    fd = file_without(R(FD_TELL));
    CHECK_OK(__wasi_fd_seek(fd, 1, __WASI_WHENCE_SET, &at));
    CHECK_OK(__wasi_fd_tell(fd, &at));
    CHECK_OK(__wasi_fd_close(fd));
    fd = file_without(R(FD_TELL) | R(FD_SEEK));
    CHECK_ERRNO(__wasi_fd_tell(fd, &at), NOTCAPABLE);
    CHECK_ERRNO(__wasi_fd_seek(fd, 0, __WASI_WHENCE_CUR, &at), NOTCAPABLE);
    CHECK_OK(__wasi_fd_close(fd));

    // No rights at all: it can be looked at and closed.
    fd = file_without(~(__wasi_rights_t)0);
    __wasi_fdstat_t fdstat;
    CHECK_OK(__wasi_fd_fdstat_get(fd, &fdstat));
    CHECK_EQ(fdstat.fs_rights_base, 0);
    CHECK_ERRNO(__wasi_fd_read(fd, &in, 1, &n), NOTCAPABLE);
    CHECK_OK(__wasi_fd_fdstat_set_rights(fd, 0, 0));
    CHECK_ERRNO(__wasi_fd_fdstat_set_rights(fd, R(FD_READ), 0), NOTCAPABLE);

    CHECK_OK(__wasi_fd_close(fd));

    // To wait for something to read takes the right to poll and the right to read, and the
    // same for writing. What is missing is told by the event, or by the call.
    static const struct {
        __wasi_rights_t without;
        int type, want;
    } polls[] = {{R(POLL_FD_READWRITE), __WASI_EVENTTYPE_FD_READ, E(NOTCAPABLE)},
                 {R(POLL_FD_READWRITE), __WASI_EVENTTYPE_FD_WRITE, E(NOTCAPABLE)},
                 {R(FD_READ), __WASI_EVENTTYPE_FD_READ, E(NOTCAPABLE)},
                 {R(FD_WRITE), __WASI_EVENTTYPE_FD_WRITE, E(NOTCAPABLE)},
                 {R(FD_READ), __WASI_EVENTTYPE_FD_WRITE, E(SUCCESS)},
                 {R(FD_WRITE), __WASI_EVENTTYPE_FD_READ, E(SUCCESS)}};
    for (size_t i = 0; i < sizeof polls / sizeof *polls; i++) {
        fd = file_without(polls[i].without);
        __wasi_subscription_t sub;
        memset(&sub, 0, sizeof sub);
        sub.u.tag = polls[i].type;
        sub.u.u.fd_read.file_descriptor = fd;
        __wasi_event_t event;
        __wasi_errno_t err = __wasi_poll_oneoff(&sub, &event, 1, &n);
        CHECK_EQ(err ? err : event.error, polls[i].want);
        CHECK_OK(__wasi_fd_close(fd));
    }
}

static void directories(void) {
    uint8_t buf[128];
    size_t n;
    __wasi_filestat_t st;
    __wasi_fd_t got;
    DIR_NEEDS(FD_READDIR, __wasi_fd_readdir(fd, buf, sizeof buf, 0, &n));
    DIR_NEEDS(PATH_CREATE_DIRECTORY, __wasi_path_create_directory(fd, "made"));
    DIR_NEEDS(PATH_REMOVE_DIRECTORY, __wasi_path_remove_directory(fd, "made"));
    DIR_NEEDS(PATH_CREATE_FILE, __wasi_path_open(fd, 0, "new", CREAT, R(FD_READ), 0, 0, &got));
    DIR_NEEDS(PATH_OPEN, __wasi_path_open(fd, 0, "new", 0, R(FD_READ), 0, 0, &got));
    DIR_NEEDS(PATH_FILESTAT_SET_SIZE,
              __wasi_path_open(fd, 0, "new", TRUNC, R(FD_READ) | R(FD_WRITE), 0, 0, &got));
    DIR_NEEDS(PATH_FILESTAT_GET, __wasi_path_filestat_get(fd, 0, "new", &st));
    DIR_NEEDS(PATH_FILESTAT_SET_TIMES,
              __wasi_path_filestat_set_times(fd, 0, "new", 1, 1, __WASI_FSTFLAGS_MTIM));
    DIR_NEEDS(PATH_SYMLINK, __wasi_path_symlink("new", fd, "link"));
    DIR_NEEDS(PATH_READLINK, __wasi_path_readlink(fd, "link", buf, sizeof buf, &n));
    DIR_NEEDS(PATH_LINK_SOURCE, __wasi_path_link(fd, 0, "new", work, "hard1"));
    DIR_NEEDS(PATH_LINK_TARGET, __wasi_path_link(work, 0, "hard1", fd, "hard2"));
    DIR_NEEDS(PATH_RENAME_SOURCE, __wasi_path_rename(fd, "hard2", work, "hard3"));
    DIR_NEEDS(PATH_RENAME_TARGET, __wasi_path_rename(work, "hard3", fd, "hard4"));
    DIR_NEEDS(PATH_UNLINK_FILE, __wasi_path_unlink_file(fd, "hard4"));
    DIR_NEEDS(FD_FILESTAT_GET, __wasi_fd_filestat_get(fd, &st));
    DIR_NEEDS(FD_FILESTAT_SET_TIMES,
              __wasi_fd_filestat_set_times(fd, 1, 1, __WASI_FSTFLAGS_MTIM));
    DIR_NEEDS(FD_SYNC, __wasi_fd_sync(fd));
}

static void inheriting(void) {
    __wasi_fd_t dir, fd, sub;
    __wasi_fdstat_t st;
    size_t n;

    // A directory through which files can only be read.
    CHECK_OK(__wasi_path_open(work, 0, "dir", DIRECTORY, RIGHTS_DIR,
                              R(FD_READ) | R(FD_SEEK) | R(FD_TELL) | R(PATH_OPEN), 0, &dir));
    CHECK_OK(__wasi_fd_fdstat_get(dir, &st));
    CHECK_EQ(st.fs_rights_inheriting, R(FD_READ) | R(FD_SEEK) | R(FD_TELL) | R(PATH_OPEN));
    CHECK_OK(__wasi_path_open(dir, 0, "inner", 0, R(FD_READ), 0, 0, &fd));
    CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK_EQ(st.fs_rights_base, R(FD_READ)); // what was asked for, no more
    CHECK_EQ(st.fs_rights_inheriting, 0);
    CHECK_ERRNO(write_fd(fd, "x", &n), NOTCAPABLE);
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_ERRNO(__wasi_path_open(dir, 0, "inner", 0, R(FD_WRITE), 0, 0, &fd), NOTCAPABLE);
    CHECK_ERRNO(__wasi_path_open(dir, 0, "inner", 0, R(FD_READ) | R(FD_WRITE), 0, 0, &fd),
                NOTCAPABLE);
    CHECK_ERRNO(__wasi_path_open(dir, 0, "sub", DIRECTORY, R(PATH_OPEN), R(FD_WRITE), 0, &fd),
                NOTCAPABLE);
    CHECK_ERRNO(__wasi_path_open(dir, 0, "sub", DIRECTORY, R(PATH_UNLINK_FILE), 0, 0, &fd),
                NOTCAPABLE);
    // And two levels down.
    CHECK_OK(__wasi_path_open(dir, 0, "sub", DIRECTORY, R(PATH_OPEN), R(FD_READ), 0, &sub));
    CHECK_OK(__wasi_path_open(sub, 0, "deep", 0, R(FD_READ), 0, 0, &fd));
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_ERRNO(__wasi_path_open(sub, 0, "deep", 0, R(FD_READ) | R(FD_SEEK), 0, 0, &fd),
                NOTCAPABLE);
    CHECK_ERRNO(__wasi_path_unlink_file(sub, "deep"), NOTCAPABLE);
    CHECK_OK(__wasi_fd_close(sub));
    CHECK_OK(__wasi_fd_close(dir));

    // Write without seek is a combination one may ask for.
    CHECK_OK(__wasi_path_open(work, 0, "dir", DIRECTORY, RIGHTS_DIR, R(FD_WRITE), 0, &dir));
    CHECK_OK(__wasi_path_open(dir, 0, "inner", 0, R(FD_WRITE), 0, 0, &fd));
    CHECK_OK(write_fd(fd, "x", &n));
    __wasi_filesize_t at;
    CHECK_ERRNO(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at), NOTCAPABLE);
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_OK(__wasi_fd_close(dir));

    // "The implementation is allowed to return a file descriptor with fewer rights than
    // specified, if and only if those rights do not apply to the type of file being opened."
    CHECK_OK(__wasi_path_open(work, 0, "file", 0, ALL_INHERITING, ALL_INHERITING, 0, &fd));
    CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK((st.fs_rights_base & RIGHTS_FILE) == RIGHTS_FILE);
    CHECK((st.fs_rights_base & R(PATH_OPEN)) == 0);
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_OK(__wasi_path_open(work, 0, "dir", DIRECTORY, RIGHTS_DIR, ALL_INHERITING, 0, &fd));
    CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK((st.fs_rights_base & RIGHTS_DIR) == RIGHTS_DIR);
    CHECK((st.fs_rights_inheriting & ALL_INHERITING) == ALL_INHERITING);
    CHECK_OK(__wasi_fd_close(fd));

    // A renumbered descriptor keeps its own rights, not those of the place.
    __wasi_fd_t poor = file_without(R(FD_READ)), rich = file_without(0);
    CHECK_OK(__wasi_fd_renumber(poor, rich));
    char c;
    CHECK_ERRNO(read_fd(rich, &c, 1, &n), NOTCAPABLE);
    CHECK_OK(__wasi_fd_close(rich));
}

int main(void) {
    work = preopen("/work");
    make_file(work, "file", "0123456789");
    REQUIRE(__wasi_path_create_directory(work, "dir"));
    REQUIRE(__wasi_path_create_directory(work, "dir/sub"));
    make_file(work, "dir/inner", "inner");
    make_file(work, "dir/sub/deep", "deep");
    files();
    directories();
    inheriting();

    // Even a preopened directory's can be given up: the last thing done here.
    __wasi_fdstat_t st;
    REQUIRE(__wasi_fd_fdstat_get(work, &st));
    CHECK_OK(__wasi_fd_fdstat_set_rights(work, R(PATH_FILESTAT_GET), 0));
    CHECK_OK(look(work, "file"));
    CHECK_ERRNO(__wasi_path_unlink_file(work, "file"), NOTCAPABLE);
    __wasi_fd_t fd;
    CHECK_ERRNO(open_path(work, "file", 0, R(FD_READ), 0, &fd), NOTCAPABLE);
    CHECK_ERRNO(__wasi_fd_fdstat_set_rights(work, st.fs_rights_base, 0), NOTCAPABLE);
    return check_done();
}
