// fd_fdstat_get, fd_fdstat_set_flags, fd_fdstat_set_rights. What rights then do is in rights.c.
#include "check.h"

#define APPEND __WASI_FDFLAGS_APPEND
#define NONBLOCK __WASI_FDFLAGS_NONBLOCK
#define DSYNC __WASI_FDFLAGS_DSYNC
#define RSYNC __WASI_FDFLAGS_RSYNC
#define SYNC __WASI_FDFLAGS_SYNC

static int flags_of(__wasi_fd_t fd) {
    __wasi_fdstat_t st;
    return __wasi_fd_fdstat_get(fd, &st) == 0 ? st.fs_flags : -1;
}

int main(void) {
    __wasi_fd_t work = preopen("/work"), fd;
    make_file(work, "file", "x");
    __wasi_fdstat_t st;
    memset(&st, 0xaa, sizeof st);

    CHECK_OK(__wasi_fd_fdstat_get(work, &st));
    CHECK_EQ(st.fs_filetype, __WASI_FILETYPE_DIRECTORY);
    CHECK_EQ(st.fs_flags, 0);
    CHECK((st.fs_rights_base & R(PATH_OPEN)) != 0);
    CHECK((st.fs_rights_inheriting & R(FD_READ)) != 0);

    fd = open_file(work, "file", 0);
    CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK_EQ(st.fs_filetype, __WASI_FILETYPE_REGULAR_FILE);
    CHECK_EQ(st.fs_flags, 0);
    CHECK((st.fs_rights_base & (R(FD_READ) | R(FD_WRITE))) == (R(FD_READ) | R(FD_WRITE)));

    // Flags given at open are the flags there are.
    const int at_open[] = {0, APPEND, NONBLOCK, APPEND | NONBLOCK};
    for (size_t i = 0; i < 4; i++) {
        __wasi_fd_t f;
        CHECK_OK(open_path(work, "file", 0, RIGHTS_FILE, at_open[i], &f));
        CHECK_EQ(flags_of(f), at_open[i]);
        CHECK_OK(__wasi_fd_close(f));
    }
    // The synchronous ones may not be had; if they are, they are what was asked for. SYNC
    // includes DSYNC, RSYNC is the same flag as SYNC on Linux; DSYNC alone is not SYNC.
    const int sync_flags[] = {DSYNC, SYNC, RSYNC};
    for (size_t i = 0; i < 3; i++) {
        __wasi_fd_t f;
        __wasi_errno_t err = open_path(work, "file", 0, RIGHTS_FILE, sync_flags[i], &f);
        CHECK_ANY(err, E(SUCCESS), E(NOTSUP));
        if (err) continue;
        CHECK((flags_of(f) & sync_flags[i]) == sync_flags[i]);
        if (sync_flags[i] == DSYNC) CHECK_EQ(flags_of(f), DSYNC);
        CHECK_OK(__wasi_fd_close(f));
    }

    CHECK_OK(__wasi_fd_fdstat_set_flags(fd, APPEND));
    CHECK_EQ(flags_of(fd), APPEND);
    CHECK_OK(__wasi_fd_fdstat_set_flags(fd, NONBLOCK)); // set means set, not add
    CHECK_EQ(flags_of(fd), NONBLOCK);
    CHECK_OK(__wasi_fd_fdstat_set_flags(fd, APPEND | NONBLOCK));
    CHECK_EQ(flags_of(fd), APPEND | NONBLOCK);
    CHECK_OK(__wasi_fd_fdstat_set_flags(fd, 0));
    CHECK_EQ(flags_of(fd), 0);
    // Linux cannot make an open file synchronous. Then saying so is right (INVAL in wasmtime,
    // NOTSUP elsewhere), and success is not.
    for (size_t i = 0; i < 3; i++) {
        __wasi_errno_t err = __wasi_fd_fdstat_set_flags(fd, sync_flags[i]);
        CHECK_ANY(err, E(SUCCESS), E(NOTSUP), E(INVAL));
        if (err == 0) CHECK((flags_of(fd) & sync_flags[i]) == sync_flags[i]);
        else CHECK_EQ(flags_of(fd), 0); // nor half of it
    }

    // Rights as they are, or fewer.
    CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK_OK(__wasi_fd_fdstat_set_rights(fd, st.fs_rights_base, st.fs_rights_inheriting));
    __wasi_rights_t fewer = st.fs_rights_base & ~(__wasi_rights_t)R(FD_WRITE);
    CHECK_OK(__wasi_fd_fdstat_set_rights(fd, fewer, 0));
    __wasi_rights_t before = st.fs_rights_base;
    CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK_EQ(st.fs_rights_base, fewer);
    CHECK_EQ(st.fs_rights_inheriting, 0);
    // "This can only be used to remove rights, and returns errno::notcapable if called in a
    // way that would attempt to add rights."
    CHECK_ERRNO(__wasi_fd_fdstat_set_rights(fd, before, 0), NOTCAPABLE);
    CHECK_ERRNO(__wasi_fd_fdstat_set_rights(fd, fewer, R(FD_READ)), NOTCAPABLE);
    CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK_EQ(st.fs_rights_base, fewer);
    CHECK_OK(__wasi_fd_close(fd));

    CHECK_ERRNO(__wasi_fd_fdstat_get(BAD_FD, &st), BADF);
    CHECK_ERRNO(__wasi_fd_fdstat_get(-1, &st), BADF);
    CHECK_ERRNO(__wasi_fd_fdstat_get(fd, &st), BADF); // closed above
    CHECK_ERRNO(__wasi_fd_fdstat_set_flags(BAD_FD, 0), BADF);
    CHECK_ERRNO(__wasi_fd_fdstat_set_rights(BAD_FD, 0, 0), BADF);
    return check_done();
}
