// path_rename.
#include "check.h"

int main(void) {
    __wasi_fd_t work = preopen("/work"), second = preopen("/second");
    make_file(work, "a", "from a");
    make_file(work, "b", "from b");
    CHECK_OK(__wasi_path_create_directory(work, "empty"));
    CHECK_OK(__wasi_path_create_directory(work, "full"));
    CHECK_OK(__wasi_path_create_directory(work, "full/inner"));
    make_file(work, "full/file", "x");

    CHECK_OK(__wasi_path_rename(work, "a", work, "c"));
    CHECK_ERRNO(look(work, "a"), NOENT);
    CHECK(file_is(work, "c", "from a"));
    CHECK_OK(__wasi_path_rename(work, "c", work, "b")); // replaces
    CHECK(file_is(work, "b", "from a"));
    CHECK_ERRNO(look(work, "c"), NOENT);
    CHECK_OK(__wasi_path_rename(work, "b", work, "b")); // to itself: nothing
    CHECK(file_is(work, "b", "from a"));
    CHECK_OK(__wasi_path_rename(work, "b", work, "full/b"));
    CHECK_OK(__wasi_path_rename(work, "full/b", second, "b")); // to another preopened directory
    CHECK(file_is(second, "b", "from a"));
    CHECK_OK(__wasi_path_rename(second, "b", work, "b"));

    CHECK_ERRNO(__wasi_path_rename(work, "nosuch", work, "x"), NOENT);
    CHECK_ERRNO(__wasi_path_rename(work, "b", work, "nosuch/x"), NOENT);
    CHECK_ERRNO(__wasi_path_rename(work, "nosuch/b", work, "x"), NOENT);
    CHECK_ERRNO(__wasi_path_rename(work, "", work, "x"), NOENT);
    CHECK_ERRNO(__wasi_path_rename(work, "b", work, ""), NOENT);
    CHECK_ERRNO(__wasi_path_rename(work, "b/x", work, "x"), NOTDIR);
    CHECK_ERRNO(__wasi_path_rename(work, "b/", work, "x"), NOTDIR);
    CHECK_ERRNO(__wasi_path_rename(work, "b", work, "x/"), NOTDIR);
    CHECK_ERRNO(__wasi_path_rename(work, "b", work, "empty"), ISDIR);
    CHECK_ANY(__wasi_path_rename(work, "b", work, "empty/"), E(ISDIR), E(NOTDIR));
    CHECK_ERRNO(__wasi_path_rename(work, "empty", work, "b"), NOTDIR);
    CHECK_ANY(__wasi_path_rename(work, "empty", work, "full"), E(NOTEMPTY), E(EXIST));
    CHECK_ERRNO(__wasi_path_rename(work, "full", work, "full/inner/x"), INVAL); // into itself
    CHECK_ANY(__wasi_path_rename(work, ".", work, "x"), E(BUSY), E(INVAL), E(PERM), E(NOTCAPABLE));
    CHECK_ANY(__wasi_path_rename(work, "empty", work, "."), E(BUSY), E(INVAL), E(EXIST),
              E(NOTEMPTY), E(PERM), E(NOTCAPABLE));
    CHECK_ANY(__wasi_path_rename(work, "full/..", work, "x"), E(BUSY), E(INVAL), E(PERM),
              E(NOTCAPABLE), E(NOTEMPTY));
    CHECK(file_is(work, "b", "from a"));

    CHECK_OK(__wasi_path_rename(work, "full", work, "empty")); // a directory replaces an empty one
    CHECK_OK(look(work, "empty/inner"));
    CHECK_OK(__wasi_path_rename(work, "empty/", work, "full/"));
    CHECK_OK(look(work, "full/inner"));

    // A link moves, not what it names.
    CHECK_OK(__wasi_path_symlink("b", work, "link"));
    CHECK_OK(__wasi_path_rename(work, "link", work, "moved"));
    CHECK_EQ(type_of(work, "moved"), __WASI_FILETYPE_SYMBOLIC_LINK);
    CHECK_OK(look(work, "b"));
    CHECK_OK(__wasi_path_symlink("nowhere", work, "dangling"));
    CHECK_OK(__wasi_path_rename(work, "dangling", work, "dangling2"));
    CHECK_EQ(type_of(work, "dangling2"), __WASI_FILETYPE_SYMBOLIC_LINK);
    make_file(work, "over", "over");
    CHECK_OK(__wasi_path_rename(work, "over", work, "dangling2")); // replaces the link
    CHECK_EQ(type_of(work, "dangling2"), __WASI_FILETYPE_REGULAR_FILE);
    CHECK_ERRNO(look(work, "nowhere"), NOENT);
    CHECK_ANY(__wasi_path_rename(work, "moved/", work, "x"), E(NOTDIR), E(LOOP));
    CHECK(file_is(work, "b", "from a"));

    // Two names of one file: POSIX does nothing at all then.
    CHECK_OK(__wasi_path_link(work, 0, "b", work, "b2"));
    CHECK_OK(__wasi_path_rename(work, "b", work, "b2"));
    CHECK_OK(look(work, "b2"));

    CHECK_ERRNO(__wasi_path_rename(BAD_FD, "b", work, "x"), BADF);
    CHECK_ERRNO(__wasi_path_rename(work, "b2", BAD_FD, "x"), BADF);
    return check_done();
}
