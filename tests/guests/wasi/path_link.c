// path_link. The harness runs this in a directory of the host which has files with the same
// names, since a name is nothing to be looked up there.
#include "check.h"

static int links_of(__wasi_fd_t dir, const char *path) {
    __wasi_filestat_t st;
    return __wasi_path_filestat_get(dir, 0, path, &st) == 0 ? (int)st.nlink : -1;
}

int main(void) {
    __wasi_fd_t work = preopen("/work"), second = preopen("/second");
    make_file(work, "file", "content");
    CHECK_OK(__wasi_path_create_directory(work, "dir"));

    CHECK_OK(__wasi_path_link(work, 0, "file", work, "hard"));
    CHECK_EQ(links_of(work, "file"), 2);
    CHECK(file_is(work, "hard", "content"));
    __wasi_filestat_t a, b;
    CHECK_OK(__wasi_path_filestat_get(work, 0, "file", &a));
    CHECK_OK(__wasi_path_filestat_get(work, 0, "hard", &b));
    CHECK(a.ino == b.ino && a.dev == b.dev);
    make_file(work, "hard", "changed");
    CHECK(file_is(work, "file", "changed"));
    CHECK_OK(__wasi_path_link(work, 0, "file", work, "dir/hard"));
    CHECK_OK(__wasi_path_link(work, 0, "dir/hard", second, "hard"));
    CHECK(file_is(second, "hard", "changed"));
    CHECK_EQ(links_of(work, "file"), 4);

    CHECK_ERRNO(__wasi_path_link(work, 0, "file", work, "hard"), EXIST);
    CHECK_ERRNO(__wasi_path_link(work, 0, "file", work, "file"), EXIST);
    CHECK_ERRNO(__wasi_path_link(work, 0, "file", work, "dir"), EXIST);
    CHECK_ERRNO(__wasi_path_link(work, 0, "nosuch", work, "x"), NOENT);
    CHECK_ERRNO(__wasi_path_link(work, 0, "file", work, "nosuch/x"), NOENT);
    CHECK_ERRNO(__wasi_path_link(work, 0, "", work, "x"), NOENT);
    CHECK_ERRNO(__wasi_path_link(work, 0, "file", work, ""), NOENT);
    CHECK_ERRNO(__wasi_path_link(work, 0, "file/x", work, "x"), NOTDIR);
    CHECK_ERRNO(__wasi_path_link(work, 0, "file", work, "file/x"), NOTDIR);
    CHECK_ERRNO(__wasi_path_link(work, 0, "file/", work, "x"), NOTDIR);
    CHECK_ANY(__wasi_path_link(work, 0, "file", work, "x/"), E(NOENT), E(NOTDIR));
    CHECK_ERRNO(look(work, "x"), NOENT);
    // Directories have no second name.
    CHECK_ANY(__wasi_path_link(work, 0, "dir", work, "x"), E(PERM), E(ACCES));
    CHECK_ANY(__wasi_path_link(work, 0, ".", work, "x"), E(PERM), E(ACCES));

    // A link is linked itself; to follow it is not what everybody can do (wasmtime: INVAL).
    CHECK_OK(__wasi_path_symlink("file", work, "sym"));
    CHECK_OK(__wasi_path_link(work, 0, "sym", work, "sym2"));
    CHECK_EQ(type_of(work, "sym2"), __WASI_FILETYPE_SYMBOLIC_LINK);
    __wasi_errno_t err = __wasi_path_link(work, FOLLOW, "sym", work, "followed");
    CHECK_ANY(err, E(SUCCESS), E(INVAL));
    if (err == 0) CHECK_EQ(type_of(work, "followed"), __WASI_FILETYPE_REGULAR_FILE);
    CHECK_OK(__wasi_path_symlink("nowhere", work, "dangling"));
    CHECK_OK(__wasi_path_link(work, 0, "dangling", work, "dangling2"));
    CHECK_EQ(type_of(work, "dangling2"), __WASI_FILETYPE_SYMBOLIC_LINK);
    CHECK_ANY(__wasi_path_link(work, FOLLOW, "dangling", work, "x"), E(NOENT), E(INVAL));
    CHECK_OK(__wasi_path_symlink("self", work, "self"));
    CHECK_OK(__wasi_path_link(work, 0, "self", work, "self2"));
    CHECK_ANY(__wasi_path_link(work, FOLLOW, "self", work, "x"), E(LOOP), E(INVAL));
    CHECK_ERRNO(__wasi_path_link(work, 0, "file", work, "dangling"), EXIST);
    CHECK_ERRNO(look(work, "nowhere"), NOENT);

    CHECK_ERRNO(__wasi_path_link(BAD_FD, 0, "file", work, "x"), BADF);
    CHECK_ERRNO(__wasi_path_link(work, 0, "file", BAD_FD, "x"), BADF);

    // Refusals do not leak descriptors.
    for (int i = 0; i < 3000; i++) (void)!__wasi_path_link(work, 0, "dir/hard", work, "dir/hard");
    __wasi_fd_t fd;
    CHECK_OK(open_path(work, "file", 0, R(FD_READ), 0, &fd));
    return check_done();
}
