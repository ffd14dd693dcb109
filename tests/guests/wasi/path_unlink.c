// path_unlink_file.
#include "check.h"

int main(void) {
    __wasi_fd_t work = preopen("/work");
    CHECK_OK(__wasi_path_create_directory(work, "dir"));
    make_file(work, "file", "content");
    make_file(work, "dir/inner", "x");

    CHECK_ERRNO(__wasi_path_unlink_file(work, "nosuch"), NOENT);
    CHECK_ERRNO(__wasi_path_unlink_file(work, "nosuch/x"), NOENT);
    CHECK_ERRNO(__wasi_path_unlink_file(work, ""), NOENT);
    CHECK_ERRNO(__wasi_path_unlink_file(work, "file/x"), NOTDIR);
    CHECK_ERRNO(__wasi_path_unlink_file(work, "file/"), NOTDIR);
    CHECK_OK(look(work, "file"));
    // "Return errno::isdir if the path refers to a directory."
    CHECK_ERRNO(__wasi_path_unlink_file(work, "dir"), ISDIR);
    CHECK_ANY(__wasi_path_unlink_file(work, "dir/"), E(ISDIR), E(PERM), E(NOTDIR));
    CHECK_ANY(__wasi_path_unlink_file(work, "."), E(ISDIR), E(PERM), E(INVAL));

    // A link goes, what it names stays; also when a slash is behind it.
    CHECK_OK(__wasi_path_symlink("file", work, "link"));
    CHECK_OK(__wasi_path_symlink("dir", work, "dir_link"));
    CHECK_OK(__wasi_path_symlink("nowhere", work, "dangling"));
    CHECK_OK(__wasi_path_symlink("self", work, "self"));
    CHECK_ANY(__wasi_path_unlink_file(work, "link/"), E(NOTDIR), E(LOOP));
    CHECK(file_is(work, "file", "content"));
    CHECK_OK(look(work, "link"));
    CHECK_ANY(__wasi_path_unlink_file(work, "dir_link/"), E(NOTDIR), E(ISDIR), E(PERM), E(LOOP));
    CHECK_OK(look(work, "dir"));
    CHECK_OK(look(work, "dir_link"));
    CHECK_OK(__wasi_path_unlink_file(work, "link"));
    CHECK_OK(__wasi_path_unlink_file(work, "dangling"));
    CHECK_OK(__wasi_path_unlink_file(work, "self"));
    CHECK(file_is(work, "file", "content"));
    CHECK_OK(__wasi_path_unlink_file(work, "dir_link/inner")); // through a link to a directory
    CHECK_ERRNO(look(work, "dir/inner"), NOENT);
    CHECK_OK(__wasi_path_unlink_file(work, "dir_link"));

    CHECK_OK(__wasi_path_unlink_file(work, "file"));
    CHECK_ERRNO(look(work, "file"), NOENT);
    CHECK_ERRNO(__wasi_path_unlink_file(work, "file"), NOENT);
    CHECK_ERRNO(__wasi_path_unlink_file(BAD_FD, "file"), BADF);
    return check_done();
}
