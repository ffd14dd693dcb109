// path_symlink, path_readlink. As path_link.c, in a directory of the host which has files with
// the same names.
#include "check.h"

static bool link_is(__wasi_fd_t dir, const char *path, const char *text) {
    uint8_t buf[512];
    size_t n;
    return __wasi_path_readlink(dir, path, buf, sizeof buf, &n) == 0 && n == strlen(text) &&
           memcmp(buf, text, n) == 0;
}

int main(void) {
    __wasi_fd_t work = preopen("/work");
    uint8_t buf[512];
    size_t n;
    make_file(work, "file", "content");
    CHECK_OK(__wasi_path_create_directory(work, "dir"));

    CHECK_OK(__wasi_path_symlink("file", work, "link"));
    CHECK_EQ(type_of(work, "link"), __WASI_FILETYPE_SYMBOLIC_LINK);
    CHECK(link_is(work, "link", "file"));
    CHECK_OK(__wasi_path_symlink("../file", work, "dir/up"));
    CHECK(link_is(work, "dir/up", "../file"));
    CHECK_OK(__wasi_path_symlink("nowhere/at/all", work, "dangling")); // need not exist
    CHECK(link_is(work, "dangling", "nowhere/at/all"));
    CHECK_OK(__wasi_path_symlink("./file//", work, "odd")); // is stored as it is
    CHECK(link_is(work, "odd", "./file//"));
    CHECK_OK(__wasi_path_symlink("\xc3\xa4", work, "\xc3\xb6"));
    CHECK(link_is(work, "\xc3\xb6", "\xc3\xa4"));
    // Up and out can be written down; following it is another matter (path_escape.c).
    CHECK_OK(__wasi_path_symlink("../../etc/passwd", work, "out"));
    CHECK(link_is(work, "out", "../../etc/passwd"));

    // An absolute target would mean the host's root to others. PERM in wasmtime, NOTCAPABLE
    // elsewhere; whether the target exists on the host makes no difference.
    static const char *const absolute[] = {"/", "/etc/passwd", "/work/file", "/no/such/thing",
                                           "/work", "/workfile", "//", "/."};
    for (size_t i = 0; i < sizeof absolute / sizeof *absolute; i++) {
        CHECK_ANY(__wasi_path_symlink(absolute[i], work, "abs"), E(PERM), E(NOTCAPABLE));
        CHECK_ERRNO(look(work, "abs"), NOENT);
    }
    for (int i = 0; i < 3000; i++) (void)!__wasi_path_symlink("/etc/passwd", work, "dir/abs");
    __wasi_fd_t fd; // refusals do not leak descriptors
    CHECK_OK(open_path(work, "file", 0, R(FD_READ), 0, &fd));

    CHECK_ERRNO(__wasi_path_symlink("file", work, "link"), EXIST);
    CHECK_ERRNO(__wasi_path_symlink("file", work, "file"), EXIST);
    CHECK_ERRNO(__wasi_path_symlink("file", work, "dir"), EXIST);
    CHECK_ERRNO(__wasi_path_symlink("file", work, "dangling"), EXIST);
    CHECK_ERRNO(__wasi_path_symlink("file", work, "."), EXIST);
    CHECK_ANY(__wasi_path_symlink("", work, "empty"), E(NOENT), E(INVAL));
    CHECK_ERRNO(__wasi_path_symlink("file", work, ""), NOENT);
    CHECK_ERRNO(__wasi_path_symlink("file", work, "nosuch/link"), NOENT);
    CHECK_ERRNO(__wasi_path_symlink("file", work, "file/link"), NOTDIR);
    // As in the public suite for names that end with a slash.
    CHECK_ANY(__wasi_path_symlink("file", work, "new/"), E(NOENT), E(NOTDIR));
    CHECK_ANY(__wasi_path_symlink("file", work, "dir/"), E(EXIST), E(NOENT), E(NOTDIR));
    CHECK_ANY(__wasi_path_symlink("file", work, "file/"), E(EXIST), E(NOTDIR), E(NOENT));
    CHECK_ERRNO(look(work, "new"), NOENT);
    static char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    CHECK_ERRNO(__wasi_path_symlink(longest, work, "long"), NAMETOOLONG); // over PATH_MAX
    longest[4000] = 0;
    CHECK_OK(__wasi_path_symlink(longest, work, "long"));
    static uint8_t big[5000];
    CHECK_OK(__wasi_path_readlink(work, "long", big, sizeof big, &n));
    CHECK_EQ(n, 4000);
    CHECK_EQ(memcmp(big, longest, 4000), 0);

    // Read into too little room: cut off, without a NUL, which is never written.
    memset(buf, 0xaa, sizeof buf);
    CHECK_OK(__wasi_path_readlink(work, "dir/up", buf, 3, &n));
    CHECK_EQ(n, 3);
    CHECK_EQ(memcmp(buf, "../\xaa", 4), 0);
    CHECK_OK(__wasi_path_readlink(work, "dir/up", buf, 7, &n));
    CHECK_EQ(n, 7);
    CHECK_EQ(buf[7], 0xaa);
    n = 99;
    CHECK_OK(__wasi_path_readlink(work, "dir/up", buf, 0, &n));
    CHECK_EQ(n, 0);

    CHECK_ERRNO(__wasi_path_readlink(work, "file", buf, sizeof buf, &n), INVAL);
    CHECK_ERRNO(__wasi_path_readlink(work, "dir", buf, sizeof buf, &n), INVAL);
    CHECK_ERRNO(__wasi_path_readlink(work, ".", buf, sizeof buf, &n), INVAL);
    CHECK_ERRNO(__wasi_path_readlink(work, "nosuch", buf, sizeof buf, &n), NOENT);
    CHECK_ERRNO(__wasi_path_readlink(work, "", buf, sizeof buf, &n), NOENT);
    CHECK_ERRNO(__wasi_path_readlink(work, "file/x", buf, sizeof buf, &n), NOTDIR);
    CHECK_ANY(__wasi_path_readlink(work, "link/", buf, sizeof buf, &n), E(NOTDIR), E(INVAL));
    CHECK_ERRNO(__wasi_path_symlink("file", BAD_FD, "x"), BADF);
    CHECK_ERRNO(__wasi_path_readlink(BAD_FD, "link", buf, sizeof buf, &n), BADF);

    // The size of a link is the length of what it says.
    __wasi_filestat_t st;
    CHECK_OK(__wasi_path_filestat_get(work, 0, "dir/up", &st));
    CHECK_EQ(st.size, 7);
    return check_done();
}
