// Opens 10,000 channels: as many as allowed are had, and all of them can be had again.
#include "../wasi/check.h"
#include <arena.h>

enum { WANTED = 10000, ALLOWED = 1000 };

static int fds[WANTED];

static int open_all(int round) {
    int count = 0;
    for (int i = 0; i < WANTED; i++) {
        char path[64];
        snprintf(path, sizeof path, "realm/s/%d/%d", round, i);
        fds[i] = ch_open(path, i % 3, 0);
        count += fds[i] >= 0;
    }
    return count;
}

int main(void) {
    CHECK_EQ(open_all(0), ALLOWED);
    // Files count, too.
    __wasi_fd_t fd;
    CHECK_ERRNO(open_path(preopen("/ch/in"), "data", 0, R(FD_READ), 0, &fd), MFILE);
    CHECK_EQ(ch_open("realm/s/0/0", CH_READ_WRITE, 0), fds[0]);
    for (int i = 0; i < WANTED; i++)
        CHECK_EQ(ch_close(fds[i]), fds[i] < 0 ? -1 : 0);
    CHECK_OK(open_path(preopen("/ch/in"), "data", 0, R(FD_READ), 0, &fd));
    CHECK_OK(__wasi_fd_close(fd));
    // Over and over.
    for (int round = 1; round < 4; round++) {
        CHECK_EQ(open_all(round), ALLOWED);
        for (int i = WANTED - 1; i >= 0; i--)
            if (fds[i] >= 0)
                CHECK_EQ(ch_close(fds[i]), 0);
    }
    return check_done();
}
