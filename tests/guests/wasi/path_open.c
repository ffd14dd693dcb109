// path_open: oflags, fdflags, lookup flags, kinds of files. Rights are in rights.c, ways out
// of the directory in path_escape.c.
#include "check.h"

static __wasi_errno_t open_with(__wasi_fd_t dir, int lookup, const char *path, int oflags,
                                __wasi_rights_t rights) {
    __wasi_fd_t fd;
    __wasi_errno_t err =
        __wasi_path_open(dir, lookup, path, oflags, rights, RIGHTS_FILE | RIGHTS_DIR, 0, &fd);
    if (err == 0) CHECK_OK(__wasi_fd_close(fd));
    return err;
}
#define READ R(FD_READ)
#define WRITE R(FD_WRITE)

static void oflags(__wasi_fd_t work) {
    CHECK_ERRNO(open_with(work, 0, "file", 0, READ), NOENT);
    CHECK_ERRNO(open_with(work, 0, "file", EXCL, READ), NOENT);
    CHECK_ERRNO(open_with(work, 0, "file", TRUNC, READ | WRITE), NOENT);
    CHECK_OK(open_with(work, 0, "file", CREAT, READ | WRITE));
    CHECK_OK(open_with(work, 0, "file", CREAT, READ | WRITE));
    CHECK_ERRNO(open_with(work, 0, "file", CREAT | EXCL, READ | WRITE), EXIST);
    CHECK_OK(open_with(work, 0, "file2", CREAT | EXCL, READ | WRITE));
    CHECK_EQ(type_of(work, "file2"), __WASI_FILETYPE_REGULAR_FILE);
    make_file(work, "file", "content");
    CHECK_OK(open_with(work, 0, "file", CREAT, READ | WRITE)); // does not truncate
    CHECK(file_is(work, "file", "content"));
    CHECK_OK(open_with(work, 0, "file", TRUNC, READ | WRITE));
    CHECK(file_is(work, "file", ""));
    make_file(work, "file", "content");
    CHECK_ERRNO(open_with(work, 0, "file", CREAT | EXCL | TRUNC, READ | WRITE), EXIST);
    CHECK(file_is(work, "file", "content"));

    CHECK_OK(__wasi_path_create_directory(work, "dir"));
    CHECK_OK(open_with(work, 0, "dir", DIRECTORY, R(FD_READDIR)));
    CHECK_OK(open_with(work, 0, "dir", 0, R(FD_READDIR))); // DIRECTORY insists, it does not enable
    CHECK_OK(open_with(work, 0, ".", DIRECTORY, R(FD_READDIR)));
    CHECK_ERRNO(open_with(work, 0, "file", DIRECTORY, READ), NOTDIR);
    CHECK_ERRNO(open_with(work, 0, "nosuch", DIRECTORY, READ), NOENT);
    CHECK_ERRNO(open_with(work, 0, "file/", 0, READ), NOTDIR);
    CHECK_ERRNO(open_with(work, 0, "file/x", 0, READ), NOTDIR);
    CHECK_ERRNO(open_with(work, 0, "file/.", 0, READ), NOTDIR);
    CHECK_ERRNO(open_with(work, 0, "nosuch/x", CREAT, READ | WRITE), NOENT);
    CHECK_OK(open_with(work, 0, "dir/", 0, R(FD_READDIR)));
    CHECK_OK(open_with(work, 0, "dir/.", 0, R(FD_READDIR)));

    // A directory cannot be written to, created or cut off.
    CHECK_ERRNO(open_with(work, 0, "dir", 0, READ | WRITE), ISDIR);
    CHECK_ERRNO(open_with(work, 0, "dir", TRUNC, READ | WRITE), ISDIR);
    CHECK_ANY(open_with(work, 0, "dir", CREAT, READ | WRITE), E(ISDIR), E(EXIST));
    CHECK_ANY(open_with(work, 0, "dir", CREAT | EXCL, READ | WRITE), E(EXIST), E(ISDIR));
    // Linux up to 6.3 would create a file here and then complain that it is no directory.
    CHECK_ERRNO(open_with(work, 0, "neither", CREAT | DIRECTORY, READ), INVAL);
    CHECK_ERRNO(look(work, "neither"), NOENT);
    CHECK_ANY(open_with(work, 0, "neither/", CREAT, READ | WRITE), E(ISDIR), E(NOTDIR), E(NOENT),
              E(INVAL));
    CHECK_ERRNO(look(work, "neither"), NOENT);
    CHECK_ERRNO(open_with(work, 0, "", 0, READ), NOENT);
    CHECK_ANY(open_with(work, 0, "", CREAT, READ | WRITE), E(NOENT));
}

static void links(__wasi_fd_t work) {
    make_file(work, "target", "content");
    CHECK_OK(__wasi_path_create_directory(work, "target_dir"));
    make_file(work, "target_dir/inner", "inner");
    CHECK_OK(__wasi_path_symlink("target", work, "link"));
    CHECK_OK(__wasi_path_symlink("link", work, "link_to_link"));
    CHECK_OK(__wasi_path_symlink("target_dir", work, "dir_link"));
    CHECK_OK(__wasi_path_symlink("nowhere", work, "dangling"));
    CHECK_OK(__wasi_path_symlink("loop_b", work, "loop_a"));
    CHECK_OK(__wasi_path_symlink("loop_a", work, "loop_b"));
    CHECK_OK(__wasi_path_symlink("self", work, "self"));

    // The last name of a path is followed when the flag says so, and else it is LOOP.
    CHECK_ERRNO(open_with(work, 0, "link", 0, READ), LOOP);
    CHECK_OK(open_with(work, FOLLOW, "link", 0, READ));
    CHECK_ERRNO(open_with(work, 0, "link_to_link", 0, READ), LOOP);
    CHECK_OK(open_with(work, FOLLOW, "link_to_link", 0, READ));
    // With DIRECTORY as well Linux says NOTDIR, as the link is no directory.
    CHECK_ANY(open_with(work, 0, "dir_link", DIRECTORY, R(FD_READDIR)), E(LOOP), E(NOTDIR));
    CHECK_OK(open_with(work, FOLLOW, "dir_link", DIRECTORY, R(FD_READDIR)));
    CHECK_ERRNO(open_with(work, FOLLOW, "link", DIRECTORY, READ), NOTDIR);
    CHECK_ANY(open_with(work, 0, "link", TRUNC, READ | WRITE), E(LOOP));
    CHECK(file_is(work, "target", "content"));

    // Names before the last one are always followed, and a slash makes any name one of those.
    CHECK_OK(open_with(work, 0, "dir_link/inner", 0, READ));
    CHECK_OK(open_with(work, 0, "dir_link/../target", 0, READ));
    CHECK_OK(open_with(work, 0, "dir_link/.", DIRECTORY, R(FD_READDIR)));
    CHECK_OK(open_with(work, FOLLOW, "dir_link/", DIRECTORY, R(FD_READDIR)));
    CHECK_ANY(open_with(work, 0, "dir_link/", DIRECTORY, R(FD_READDIR)), E(SUCCESS), E(LOOP),
              E(NOTDIR));
    CHECK_ERRNO(open_with(work, FOLLOW, "link/", 0, READ), NOTDIR);
    CHECK_ANY(open_with(work, 0, "link/", 0, READ), E(NOTDIR), E(LOOP));
    CHECK_ERRNO(open_with(work, FOLLOW, "link/.", 0, READ), NOTDIR);
    CHECK_ERRNO(open_with(work, FOLLOW, "link/x", 0, READ), NOTDIR);

    // Dangling.
    CHECK_ERRNO(open_with(work, FOLLOW, "dangling", 0, READ), NOENT);
    CHECK_ERRNO(open_with(work, 0, "dangling", 0, READ), LOOP);
    CHECK_ERRNO(open_with(work, 0, "dangling/x", 0, READ), NOENT);
    CHECK_ERRNO(open_with(work, 0, "dangling", CREAT | EXCL, READ | WRITE), EXIST);
    CHECK_ERRNO(open_with(work, FOLLOW, "dangling", DIRECTORY, READ), NOENT);
    CHECK_ANY(open_with(work, 0, "dangling", CREAT, READ | WRITE), E(LOOP));
    CHECK_ERRNO(look(work, "nowhere"), NOENT);
    CHECK_OK(open_with(work, FOLLOW, "dangling", CREAT, READ | WRITE)); // creates what it names
    CHECK_EQ(type_of(work, "nowhere"), __WASI_FILETYPE_REGULAR_FILE);
    CHECK_EQ(type_of(work, "dangling"), __WASI_FILETYPE_SYMBOLIC_LINK);
    // POSIX: "If O_CREAT and O_EXCL are set, and path names a symbolic link, open() shall fail
    // and set errno to EEXIST, regardless of the contents of the symbolic link."
    CHECK_ERRNO(open_with(work, FOLLOW, "link", CREAT | EXCL, READ | WRITE), EXIST);
    CHECK_OK(__wasi_path_unlink_file(work, "nowhere"));
    CHECK_ERRNO(open_with(work, FOLLOW, "dangling", CREAT | EXCL, READ | WRITE), EXIST);
    CHECK_ERRNO(look(work, "nowhere"), NOENT);

    // Loops.
    CHECK_ERRNO(open_with(work, FOLLOW, "loop_a", 0, READ), LOOP);
    CHECK_ERRNO(open_with(work, 0, "loop_a", 0, READ), LOOP);
    CHECK_ERRNO(open_with(work, 0, "loop_a/x", 0, READ), LOOP);
    CHECK_ERRNO(open_with(work, FOLLOW, "self", 0, READ), LOOP);
    CHECK_ERRNO(open_with(work, FOLLOW, "self/self", CREAT, READ | WRITE), LOOP);

    // A chain that is long and ends.
    char name[16], to[16];
    CHECK_OK(__wasi_path_symlink("target", work, "chain0"));
    for (int i = 1; i < 30; i++) {
        snprintf(name, sizeof name, "chain%d", i);
        snprintf(to, sizeof to, "chain%d", i - 1);
        CHECK_OK(__wasi_path_symlink(to, work, name));
    }
    CHECK_OK(open_with(work, FOLLOW, "chain29", 0, READ));
}

static void names(__wasi_fd_t work) {
    // NAME_MAX is 255 bytes on every file system that matters.
    char name[300];
    memset(name, 'n', sizeof name);
    name[255] = 0;
    CHECK_OK(open_with(work, 0, name, CREAT, READ | WRITE));
    CHECK_OK(__wasi_path_unlink_file(work, name));
    name[255] = 'n';
    name[256] = 0;
    CHECK_ERRNO(open_with(work, 0, name, CREAT, READ | WRITE), NAMETOOLONG);
    CHECK_ERRNO(open_with(work, 0, name, 0, READ), NAMETOOLONG);

    // Many components, some of which say nothing.
    make_file(work, "plain", "x");
    static char path[70000];
    path[0] = 0;
    for (int i = 0; i < 1000; i++) strcat(path, "./");
    strcat(path, "plain");
    CHECK_OK(open_with(work, 0, path, 0, READ));
    path[0] = 0;
    CHECK_OK(__wasi_path_create_directory(work, "down"));
    for (int i = 0; i < 400; i++) strcat(path, "down/../");
    strcat(path, "plain");
    CHECK_OK(open_with(work, 0, path, 0, READ));
    CHECK_OK(open_with(work, 0, ".//down//..///plain", 0, READ));

    // A deep tree: 300 levels, 600 bytes of path.
    path[0] = 0;
    for (int i = 0; i < 300; i++) {
        strcat(path, "d");
        __wasi_errno_t err = __wasi_path_create_directory(work, path);
        CHECK_OK(err);
        strcat(path, "/");
        if (err) break;
    }
    strcat(path, "leaf");
    CHECK_OK(open_with(work, 0, path, CREAT, READ | WRITE));
    CHECK_OK(look(work, path));

    // Longer than PATH_MAX: NAMETOOLONG, or success from whoever has no such limit.
    memset(path, '/', sizeof path);
    for (size_t i = 0; i < 60000; i += 2) path[i] = '.';
    memcpy(path + 60000, "plain", 6);
    CHECK_ANY(open_with(work, 0, path, 0, READ), E(NAMETOOLONG), E(SUCCESS));
}

static void descriptors(__wasi_fd_t work) {
    // All different, none of the standard ones, and more than a small table holds.
    static __wasi_fd_t fds[500];
    make_file(work, "many", "x");
    for (int i = 0; i < 500; i++) {
        CHECK_OK(open_path(work, "many", 0, READ, 0, &fds[i]));
        CHECK(fds[i] > 2);
        for (int k = 0; k < i; k++)
            if (fds[k] == fds[i]) CHECK(false);
    }
    for (int i = 0; i < 500; i++) CHECK_OK(__wasi_fd_close(fds[i]));

    // Relative to an opened directory, as to a preopened one.
    CHECK_OK(__wasi_path_create_directory(work, "base"));
    make_file(work, "base/in", "x");
    __wasi_fd_t base = open_dir(work, "base");
    CHECK_OK(open_with(base, 0, "in", 0, READ));
    CHECK_OK(open_with(base, 0, "new", CREAT, READ | WRITE));
    CHECK_OK(look(work, "base/new"));
    // Moved, it is still the same directory.
    CHECK_OK(__wasi_path_rename(work, "base", work, "elsewhere"));
    CHECK_OK(open_with(base, 0, "in", 0, READ));
    CHECK_OK(__wasi_fd_close(base));
}

int main(void) {
    __wasi_fd_t work = preopen("/work");
    oflags(work);
    links(work);
    names(work);
    descriptors(work);
    return check_done();
}
