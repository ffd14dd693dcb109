// The three standard descriptors as what the harness made of them; the first argument says
// what that is:
//   pipe    all are pipes; the input has "input" in it and is closed
//   file    input and output are files; the input has "0123456789" in it
//   null    the input is /dev/null
//   tty     all are a terminal
//   closed  the input is closed when the runtime starts
//   gone    the output is a pipe nobody reads any more
#include "check.h"
#include <unistd.h>

static int fdstat_type(__wasi_fd_t fd) {
    __wasi_fdstat_t st;
    return __wasi_fd_fdstat_get(fd, &st) == 0 ? st.fs_filetype : -1;
}

static int filestat_type(__wasi_fd_t fd) {
    __wasi_filestat_t st;
    return __wasi_fd_filestat_get(fd, &st) == 0 ? st.filetype : -1;
}

// Both functions say the same. UNKNOWN ("unknown or different from any of the other types")
// is what a pipe has to be, and what wasmtime says of all but terminals.
static void is(__wasi_fd_t fd, int type) {
    CHECK_ANY(filestat_type(fd), type, __WASI_FILETYPE_UNKNOWN);
    CHECK_EQ(fdstat_type(fd), filestat_type(fd));
}

static void streams(void) {
    // Nothing that can be sought in; the names of that differ.
    __wasi_filesize_t at;
    for (int fd = 0; fd < 3; fd++) {
        CHECK_ANY(__wasi_fd_seek(fd, 0, __WASI_WHENCE_SET, &at), E(SPIPE), E(NOTCAPABLE),
                  E(BADF));
        CHECK_ANY(__wasi_fd_tell(fd, &at), E(SPIPE), E(NOTCAPABLE), E(BADF));
    }
    CHECK_EQ(isatty(0), 0);
    CHECK_EQ(isatty(1), 0);
    CHECK_EQ(isatty(2), 0);
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    char buf[64];
    size_t n = 99;
    __wasi_filesize_t at;

    if (strcmp(what, "pipe") == 0) {
        for (int fd = 0; fd < 3; fd++) is(fd, __WASI_FILETYPE_UNKNOWN);
        streams();
        CHECK_OK(read_fd(0, buf, 3, &n)); // no more than asked for
        CHECK_EQ(n, 3);
        CHECK_EQ(memcmp(buf, "inp", 3), 0);
        CHECK_OK(read_fd(0, buf, sizeof buf, &n)); // and no waiting for more than there is
        CHECK_EQ(n, 2);
        CHECK_OK(read_fd(0, buf, sizeof buf, &n)); // the end, again and again
        CHECK_EQ(n, 0);
        CHECK_OK(read_fd(0, buf, sizeof buf, &n));
        CHECK_EQ(n, 0);
        CHECK_OK(write_fd(1, "to stdout\n", &n));
        CHECK_EQ(n, 10);
        CHECK_OK(write_fd(2, "to stderr\n", &n));
        CHECK_EQ(n, 10);
        // Writing to the input is nothing to be relied on; in a pipe's reading end it fails.
        CHECK_ANY(write_fd(0, "x", &n), E(BADF), E(NOTCAPABLE));
        CHECK_ANY(read_fd(1, buf, 1, &n), E(BADF), E(NOTCAPABLE));
        CHECK_ANY(__wasi_fd_pread(0, &(__wasi_iovec_t){(uint8_t *)buf, 1}, 1, 0, &n), E(SPIPE),
                  E(NOTCAPABLE), E(BADF));
        CHECK_ANY(__wasi_fd_filestat_set_size(1, 0), E(NOTCAPABLE), E(BADF), E(INVAL));
        CHECK_ANY(__wasi_fd_advise(0, 0, 0, 0), E(SPIPE), E(BADF), E(NOTCAPABLE));
        CHECK_ANY(__wasi_fd_allocate(1, 0, 1), E(SPIPE), E(BADF), E(NOTCAPABLE), E(NODEV));
        CHECK_ANY(__wasi_fd_sync(1), E(SUCCESS), E(INVAL), E(BADF), E(NOTCAPABLE));
        CHECK_ANY(__wasi_fd_datasync(1), E(SUCCESS), E(INVAL), E(BADF), E(NOTCAPABLE));
    } else if (strcmp(what, "file") == 0) {
        is(0, __WASI_FILETYPE_REGULAR_FILE);
        is(1, __WASI_FILETYPE_REGULAR_FILE);
        CHECK_EQ(isatty(0), 0);
        CHECK_EQ(isatty(1), 0);
        CHECK_OK(read_fd(0, buf, 4, &n));
        CHECK_EQ(n, 4);
        CHECK_EQ(memcmp(buf, "0123", 4), 0);
        // A file can be sought in; wasmtime treats the input as a stream all the same.
        __wasi_errno_t err = __wasi_fd_seek(0, 8, __WASI_WHENCE_SET, &at);
        CHECK_ANY(err, E(SUCCESS), E(SPIPE), E(NOTCAPABLE), E(BADF));
        if (err == 0) {
            CHECK_EQ(at, 8);
            CHECK_OK(read_fd(0, buf, sizeof buf, &n));
            CHECK_EQ(n, 2);
        }
        CHECK_OK(write_fd(1, "written\n", &n));
        CHECK_EQ(n, 8);
    } else if (strcmp(what, "null") == 0) {
        is(0, __WASI_FILETYPE_CHARACTER_DEVICE);
        CHECK_EQ(isatty(0), 0);
        CHECK_OK(read_fd(0, buf, sizeof buf, &n));
        CHECK_EQ(n, 0);
    } else if (strcmp(what, "tty") == 0) {
        for (int fd = 0; fd < 3; fd++) {
            CHECK_EQ(fdstat_type(fd), __WASI_FILETYPE_CHARACTER_DEVICE);
            CHECK_EQ(filestat_type(fd), __WASI_FILETYPE_CHARACTER_DEVICE);
            CHECK_EQ(isatty(fd), 1);
        }
    } else if (strcmp(what, "closed") == 0) {
        // Not open, or empty.
        __wasi_errno_t err = read_fd(0, buf, sizeof buf, &n);
        CHECK_ANY(err, E(SUCCESS), E(BADF));
        if (err == 0) CHECK_EQ(n, 0);
        // The host may now give out its lowest numbers for other files, which must not be
        // taken for the standard ones.
        __wasi_fd_t work = preopen("/work");
        for (int i = 0; i < 8; i++) {
            char name[8] = "f0";
            name[1] += i;
            __wasi_fd_t fd = open_file(work, name, 0);
            CHECK_EQ(fdstat_type(fd), __WASI_FILETYPE_REGULAR_FILE);
            CHECK_OK(write_fd(fd, "abc", &n));
            CHECK_OK(__wasi_fd_seek(fd, 1, __WASI_WHENCE_SET, &at));
            CHECK_EQ(size_of(fd), 3);
        }
        __wasi_fd_t dir = open_dir(work, ".");
        CHECK_EQ(fdstat_type(dir), __WASI_FILETYPE_DIRECTORY);
        CHECK_OK(look(dir, "f0"));
    } else if (strcmp(what, "gone") == 0) {
        // An error and not a death by signal. The output is of no use for reports.
        __wasi_errno_t err = write_fd(1, "x", &n);
        if (err != E(PIPE)) {
            fprintf(stderr, "FAIL fd_write got %d want 64\n", err);
            return 1;
        }
        __wasi_fd_t work = preopen("/work");
        make_file(work, "survived", "yes");
        return 0;
    } else {
        CHECK(false);
    }
    return check_done();
}
