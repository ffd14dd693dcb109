// fd_prestat_get, fd_prestat_dir_name. The harness preopens /work and, second, one with the
// name "a longer näme/with parts".
#include "check.h"

int main(void) {
    static const char second[] = "a longer n\xc3\xa4me/with parts";
    __wasi_prestat_t st;
    uint8_t name[64];

    // Every libc counts up from 3 until the first that is none.
    memset(&st, 0xaa, sizeof st);
    CHECK_OK(__wasi_fd_prestat_get(3, &st));
    CHECK_EQ(st.tag, __WASI_PREOPENTYPE_DIR);
    CHECK_EQ(st.u.dir.pr_name_len, 5); // no NUL
    memset(name, 0xaa, sizeof name);
    CHECK_OK(__wasi_fd_prestat_dir_name(3, name, 5));
    CHECK_EQ(memcmp(name, "/work\xaa", 6), 0);
    CHECK_OK(__wasi_fd_prestat_get(4, &st));
    CHECK_EQ(st.u.dir.pr_name_len, sizeof second - 1);
    memset(name, 0xaa, sizeof name);
    CHECK_OK(__wasi_fd_prestat_dir_name(4, name, sizeof name)); // more room than needed
    CHECK_EQ(memcmp(name, second, sizeof second - 1), 0);

    // Too little room: NAMETOOLONG in wasmtime, INVAL in others; the specification is silent.
    memset(name, 0xaa, sizeof name);
    CHECK_ANY(__wasi_fd_prestat_dir_name(3, name, 4), E(NAMETOOLONG), E(INVAL));
    CHECK_ANY(__wasi_fd_prestat_dir_name(3, name, 0), E(NAMETOOLONG), E(INVAL));
    CHECK_EQ(name[4], 0xaa);

    // What is no preopened directory: the next one, the standard streams, an opened directory.
    CHECK_ERRNO(__wasi_fd_prestat_get(5, &st), BADF);
    CHECK_ERRNO(__wasi_fd_prestat_get(BAD_FD, &st), BADF);
    CHECK_ERRNO(__wasi_fd_prestat_get(-1, &st), BADF);
    for (int fd = 0; fd < 3; fd++) CHECK_ANY(__wasi_fd_prestat_get(fd, &st), E(BADF), E(NOTSUP));
    __wasi_fd_t dir = open_dir(3, ".");
    CHECK_ANY(__wasi_fd_prestat_get(dir, &st), E(BADF), E(NOTSUP));
    CHECK_ANY(__wasi_fd_prestat_dir_name(dir, name, 5), E(BADF), E(NOTSUP), E(NOTDIR));
    CHECK_ERRNO(__wasi_fd_prestat_dir_name(BAD_FD, name, 5), BADF);

    // Closed, it is gone; the other stays.
    CHECK_OK(__wasi_fd_close(3));
    CHECK_ERRNO(__wasi_fd_prestat_get(3, &st), BADF);
    CHECK_ERRNO(__wasi_fd_prestat_dir_name(3, name, 5), BADF);
    CHECK_OK(__wasi_fd_prestat_get(4, &st));
    return check_done();
}
