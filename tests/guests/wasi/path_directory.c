// path_create_directory, path_remove_directory.
#include "check.h"

int main(void) {
    __wasi_fd_t work = preopen("/work");
    make_file(work, "file", "x");

    CHECK_OK(__wasi_path_create_directory(work, "dir"));
    CHECK_EQ(type_of(work, "dir"), __WASI_FILETYPE_DIRECTORY);
    CHECK_ERRNO(__wasi_path_create_directory(work, "dir"), EXIST);
    CHECK_ERRNO(__wasi_path_create_directory(work, "file"), EXIST);
    CHECK_ERRNO(__wasi_path_create_directory(work, "."), EXIST);
    CHECK_ERRNO(__wasi_path_create_directory(work, "no/dir"), NOENT);
    CHECK_ERRNO(__wasi_path_create_directory(work, "file/dir"), NOTDIR);
    CHECK_ANY(__wasi_path_create_directory(work, "file/"), E(EXIST), E(NOTDIR));
    CHECK_ERRNO(__wasi_path_create_directory(work, ""), NOENT);
    CHECK_OK(__wasi_path_create_directory(work, "slash/"));
    CHECK_EQ(type_of(work, "slash"), __WASI_FILETYPE_DIRECTORY);
    CHECK_OK(__wasi_path_create_directory(work, "slashes///"));
    CHECK_OK(__wasi_path_create_directory(work, "dir/inner"));
    CHECK_OK(__wasi_path_create_directory(work, "dir/../dir/./second"));
    CHECK_OK(look(work, "dir/second"));
    CHECK_OK(__wasi_path_symlink("nowhere", work, "dangling"));
    CHECK_ERRNO(__wasi_path_create_directory(work, "dangling"), EXIST);
    CHECK_ERRNO(look(work, "nowhere"), NOENT);

    // "Return errno::notempty if the directory is not empty."
    CHECK_ERRNO(__wasi_path_remove_directory(work, "dir"), NOTEMPTY);
    CHECK_ERRNO(__wasi_path_remove_directory(work, "file"), NOTDIR);
    CHECK_ERRNO(__wasi_path_remove_directory(work, "file/"), NOTDIR);
    CHECK_ERRNO(__wasi_path_remove_directory(work, "nosuch"), NOENT);
    CHECK_ERRNO(__wasi_path_remove_directory(work, "nosuch/"), NOENT);
    CHECK_ERRNO(__wasi_path_remove_directory(work, ""), NOENT);
    CHECK_ERRNO(__wasi_path_remove_directory(work, "file/dir"), NOTDIR);
    // The directory one stands in: INVAL as POSIX has it for a last name of ".", or whatever
    // says that it stays.
    CHECK_ANY(__wasi_path_remove_directory(work, "."), E(INVAL), E(NOTEMPTY), E(BUSY), E(PERM),
              E(NOTCAPABLE));
    CHECK_ANY(__wasi_path_remove_directory(work, "dir/.."), E(INVAL), E(NOTEMPTY), E(BUSY),
              E(PERM), E(NOTCAPABLE));
    CHECK_ANY(__wasi_path_remove_directory(work, "slash/."), E(INVAL), E(BUSY));
    CHECK_OK(look(work, "slash"));

    // A link to a directory is no directory, with a slash behind it or without: what it names
    // must stay.
    CHECK_OK(__wasi_path_symlink("slash", work, "link"));
    CHECK_ERRNO(__wasi_path_remove_directory(work, "link"), NOTDIR);
    CHECK_ANY(__wasi_path_remove_directory(work, "link/"), E(NOTDIR), E(LOOP), E(INVAL));
    CHECK_OK(look(work, "slash"));
    CHECK_OK(look(work, "link"));

    CHECK_OK(__wasi_path_remove_directory(work, "dir/inner"));
    CHECK_OK(__wasi_path_remove_directory(work, "dir/second/"));
    // Open, it can be removed; and then nothing can be made in it.
    __wasi_fd_t dir = open_dir(work, "dir"), fd;
    CHECK_OK(__wasi_path_remove_directory(work, "dir"));
    CHECK_ERRNO(look(work, "dir"), NOENT);
    CHECK_ERRNO(__wasi_path_open(dir, 0, "x", CREAT, RIGHTS_FILE, 0, 0, &fd), NOENT);
    CHECK_ERRNO(__wasi_path_create_directory(dir, "x"), NOENT);
    CHECK_OK(__wasi_fd_close(dir));
    CHECK_OK(__wasi_path_remove_directory(work, "slash"));
    CHECK_OK(__wasi_path_remove_directory(work, "slashes"));
    CHECK_ERRNO(__wasi_path_create_directory(BAD_FD, "x"), BADF);
    CHECK_ERRNO(__wasi_path_remove_directory(BAD_FD, "x"), BADF);
    return check_done();
}
