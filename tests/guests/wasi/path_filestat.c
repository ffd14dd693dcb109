// path_filestat_get, path_filestat_set_times.
#include "check.h"

#define ATIM __WASI_FSTFLAGS_ATIM
#define ATIM_NOW __WASI_FSTFLAGS_ATIM_NOW
#define MTIM __WASI_FSTFLAGS_MTIM
#define MTIM_NOW __WASI_FSTFLAGS_MTIM_NOW
#define SECOND 1000000000ull

static __wasi_filestat_t st;
static __wasi_errno_t get(__wasi_fd_t dir, int flags, const char *path) {
    memset(&st, 0xaa, sizeof st);
    return __wasi_path_filestat_get(dir, flags, path, &st);
}

int main(void) {
    __wasi_fd_t work = preopen("/work");
    make_file(work, "file", "0123456789");
    CHECK_OK(__wasi_path_create_directory(work, "dir"));
    CHECK_OK(__wasi_path_symlink("file", work, "link"));
    CHECK_OK(__wasi_path_symlink("dir", work, "dir_link"));
    CHECK_OK(__wasi_path_symlink("nowhere", work, "dangling"));
    CHECK_OK(__wasi_path_symlink("self", work, "self"));

    CHECK_OK(get(work, 0, "file"));
    CHECK_EQ(st.filetype, __WASI_FILETYPE_REGULAR_FILE);
    CHECK_EQ(st.size, 10);
    CHECK_EQ(st.nlink, 1);
    uint64_t file_ino = st.ino;
    CHECK_OK(get(work, 0, "dir"));
    CHECK_EQ(st.filetype, __WASI_FILETYPE_DIRECTORY);
    CHECK_OK(get(work, 0, "dir/"));
    CHECK_OK(get(work, 0, "."));
    CHECK_EQ(st.filetype, __WASI_FILETYPE_DIRECTORY);
    CHECK_OK(get(work, 0, "dir/.."));
    CHECK_OK(get(work, 0, "link"));
    CHECK_EQ(st.filetype, __WASI_FILETYPE_SYMBOLIC_LINK);
    CHECK_EQ(st.size, 4);
    CHECK(st.ino != file_ino);
    CHECK_OK(get(work, FOLLOW, "link"));
    CHECK_EQ(st.filetype, __WASI_FILETYPE_REGULAR_FILE);
    CHECK_EQ(st.ino, file_ino);
    CHECK_OK(get(work, 0, "dangling"));
    CHECK_EQ(st.filetype, __WASI_FILETYPE_SYMBOLIC_LINK);
    CHECK_ERRNO(get(work, FOLLOW, "dangling"), NOENT);
    CHECK_OK(get(work, 0, "self"));
    CHECK_ERRNO(get(work, FOLLOW, "self"), LOOP);
    CHECK_OK(get(work, 0, "dir_link/."));
    CHECK_EQ(st.filetype, __WASI_FILETYPE_DIRECTORY);
    CHECK_OK(get(work, FOLLOW, "dir_link/"));
    CHECK_EQ(st.filetype, __WASI_FILETYPE_DIRECTORY);
    CHECK_ERRNO(get(work, FOLLOW, "link/"), NOTDIR);
    CHECK_ANY(get(work, 0, "link/"), E(NOTDIR), E(LOOP));
    CHECK_ERRNO(get(work, 0, "file/"), NOTDIR);
    CHECK_ERRNO(get(work, 0, "file/x"), NOTDIR);
    CHECK_ERRNO(get(work, 0, "nosuch"), NOENT);
    CHECK_ERRNO(get(work, FOLLOW, "nosuch"), NOENT);
    CHECK_ERRNO(get(work, 0, "nosuch/x"), NOENT);
    CHECK_ERRNO(get(work, 0, ""), NOENT);
    CHECK_ERRNO(get(BAD_FD, 0, "file"), BADF);

    uint64_t t1 = 1000000000 * SECOND + 123456789, t2 = 1234567890 * SECOND + 987654321;
    CHECK_OK(__wasi_path_filestat_set_times(work, 0, "file", t1, t2, ATIM | MTIM));
    CHECK_OK(get(work, 0, "file"));
    CHECK_EQ(st.atim, t1);
    CHECK_EQ(st.mtim, t2);
    CHECK_OK(__wasi_path_filestat_set_times(work, 0, "file", t2, 0, ATIM));
    CHECK_OK(get(work, 0, "file"));
    CHECK_EQ(st.atim, t2);
    CHECK_EQ(st.mtim, t2);
    CHECK_OK(__wasi_path_filestat_set_times(work, 0, "file", 0, t1, MTIM));
    CHECK_OK(get(work, 0, "file"));
    CHECK_EQ(st.atim, t2);
    CHECK_EQ(st.mtim, t1);
    CHECK_OK(__wasi_path_filestat_set_times(work, 0, "file", 0, 0, 0));
    CHECK_OK(get(work, 0, "file"));
    CHECK_EQ(st.mtim, t1);
    uint64_t start = now(__WASI_CLOCKID_REALTIME);
    CHECK_OK(__wasi_path_filestat_set_times(work, 0, "file", 0, 0, ATIM_NOW | MTIM_NOW));
    CHECK_OK(get(work, 0, "file"));
    CHECK(st.atim + SECOND > start && st.atim < start + 60 * SECOND);
    CHECK(st.mtim + SECOND > start && st.mtim < start + 60 * SECOND);

    // A link's own times, or those of what it names.
    CHECK_OK(__wasi_path_filestat_set_times(work, 0, "link", t1, t1, ATIM | MTIM));
    CHECK_OK(get(work, 0, "link"));
    CHECK_EQ(st.mtim, t1);
    CHECK_OK(get(work, 0, "file"));
    CHECK(st.mtim != t1);
    CHECK_OK(__wasi_path_filestat_set_times(work, FOLLOW, "link", t2, t2, ATIM | MTIM));
    CHECK_OK(get(work, 0, "link"));
    CHECK_EQ(st.mtim, t1);
    CHECK_OK(get(work, 0, "file"));
    CHECK_EQ(st.mtim, t2);
    CHECK_OK(__wasi_path_filestat_set_times(work, 0, "dangling", t1, t1, MTIM));
    CHECK_ERRNO(__wasi_path_filestat_set_times(work, FOLLOW, "dangling", t1, t1, MTIM), NOENT);
    CHECK_OK(__wasi_path_filestat_set_times(work, 0, "dir", t1, t1, MTIM));
    CHECK_OK(get(work, 0, "dir"));
    CHECK_EQ(st.mtim, t1);

    CHECK_ERRNO(__wasi_path_filestat_set_times(work, 0, "file", 1, 1, ATIM | ATIM_NOW), INVAL);
    CHECK_ERRNO(__wasi_path_filestat_set_times(work, 0, "file", 1, 1, MTIM | MTIM_NOW), INVAL);
    CHECK_ERRNO(__wasi_path_filestat_set_times(work, 0, "nosuch", 1, 1, MTIM), NOENT);
    CHECK_ERRNO(__wasi_path_filestat_set_times(work, 0, "file/x", 1, 1, MTIM), NOTDIR);
    CHECK_ERRNO(__wasi_path_filestat_set_times(work, 0, "file/", 1, 1, MTIM), NOTDIR);
    CHECK_ERRNO(__wasi_path_filestat_set_times(work, FOLLOW, "self", 1, 1, MTIM), LOOP);
    CHECK_ERRNO(__wasi_path_filestat_set_times(work, 0, "", 1, 1, MTIM), NOENT);
    CHECK_ERRNO(__wasi_path_filestat_set_times(BAD_FD, 0, "file", 1, 1, MTIM), BADF);
    CHECK_OK(get(work, 0, "file"));
    CHECK_EQ(st.mtim, t2);
    return check_done();
}
