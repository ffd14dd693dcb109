// The same functions the way programs use them: through the C library.
#include "check.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/random.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MS 1000000ll

static long long mono(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ll + t.tv_nsec;
}

static struct timespec from(long long ns) {
    return (struct timespec){ns / 1000000000, ns % 1000000000};
}

#define FAILS(call, err)                                                                  \
    do {                                                                                  \
        errno = 0;                                                                        \
        CHECK_EQ((long long)(call), -1);                                                  \
        CHECK_EQ(errno, err);                                                             \
    } while (0)

static void sleeping(void) {
    long long start = mono();
    struct timespec t = from(30 * MS);
    CHECK_EQ(nanosleep(&t, NULL), 0);
    CHECK(mono() - start >= 30 * MS);

    start = mono();
    t = from(start + 30 * MS);
    CHECK_EQ(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL), 0);
    CHECK(mono() - start >= 30 * MS && mono() - start < 3000 * MS);

    struct timespec real;
    clock_gettime(CLOCK_REALTIME, &real);
    start = mono();
    t = from(real.tv_sec * 1000000000ll + real.tv_nsec + 30 * MS);
    CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL), 0);
    CHECK(mono() - start >= 29 * MS && mono() - start < 3000 * MS);

    t = from(1);
    CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &t, NULL), 0); // in the past
    CHECK_EQ(usleep(1000), 0);
    CHECK_EQ(sched_yield(), 0);

    start = mono();
    CHECK_EQ(poll(NULL, 0, 20), 0);
    CHECK(mono() - start >= 20 * MS);
    start = mono();
    struct timeval tv = {0, 20000};
    CHECK_EQ(select(0, NULL, NULL, NULL, &tv), 0);
    CHECK(mono() - start >= 20 * MS);
}

static void files(void) {
    FILE *f = fopen("/work/log", "w");
    CHECK(f != NULL);
    fputs("one\n", f);
    fclose(f);
    f = fopen("/work/log", "a");
    CHECK(f != NULL);
    fputs("two\n", f);
    CHECK_EQ(fseek(f, 0, SEEK_SET), 0);
    fputs("three\n", f); // append is append
    fclose(f);
    f = fopen("/work/log", "r+");
    char line[32];
    CHECK(fgets(line, sizeof line, f) && strcmp(line, "one\n") == 0);
    CHECK(fgets(line, sizeof line, f) && strcmp(line, "two\n") == 0);
    CHECK(fgets(line, sizeof line, f) && strcmp(line, "three\n") == 0);
    CHECK_EQ(ftell(f), 14);
    CHECK_EQ(fseek(f, -6, SEEK_END), 0);
    CHECK_EQ(fgetc(f), 't');
    fclose(f);
    CHECK(fopen("/work/nosuch", "r") == NULL && errno == ENOENT);
    CHECK(fopen("/work/log", "wx") == NULL && errno == EEXIST);

    int fd = open("/work/log", O_RDWR);
    CHECK(fd >= 0);
    struct pollfd p = {fd, POLLIN | POLLOUT, 0};
    CHECK_EQ(poll(&p, 1, 5000), 1);
    CHECK((p.revents & POLLIN) != 0);
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    struct timeval tv = {5, 0};
    CHECK_EQ(select(fd + 1, &set, NULL, NULL, &tv), 1);
    CHECK(FD_ISSET(fd, &set));
    CHECK_EQ(ftruncate(fd, 3), 0);
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK_EQ(st.st_size, 3);
    CHECK(S_ISREG(st.st_mode));
    char c;
    CHECK_EQ(pread(fd, &c, 1, 1), 1);
    CHECK_EQ(c, 'n');
    CHECK_EQ(pwrite(fd, "N", 1, 1), 1);
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), 0);
    CHECK_EQ(fsync(fd), 0);
    CHECK_EQ(fdatasync(fd), 0);
    CHECK_EQ(isatty(fd), 0);
    CHECK_EQ(posix_fallocate(fd, 0, 10), 0);
    CHECK_EQ(posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL), 0);
    CHECK_EQ(fcntl(fd, F_SETFL, O_APPEND), 0);
    CHECK((fcntl(fd, F_GETFL) & O_APPEND) != 0);
    struct timespec times[2] = {{1000, 1}, {2000, 2}};
    CHECK_EQ(futimens(fd, times), 0);
    CHECK_EQ(stat("/work/log", &st), 0);
    CHECK_EQ(st.st_mtim.tv_sec, 2000);
    CHECK_EQ(st.st_mtim.tv_nsec, 2);
    CHECK_EQ(close(fd), 0);
    FAILS(close(fd), EBADF);
    FAILS(read(fd, &c, 1), EBADF);
}

static void directories(void) {
    CHECK_EQ(mkdir("/work/d", 0777), 0);
    FAILS(mkdir("/work/d", 0777), EEXIST);
    char name[64];
    for (int i = 0; i < 300; i++) {
        snprintf(name, sizeof name, "/work/d/file%d", i);
        fclose(fopen(name, "w"));
    }
    DIR *d = opendir("/work/d");
    CHECK(d != NULL);
    int files = 0, dots = 0;
    struct dirent *e;
    while (d && (e = readdir(d))) {
        if (e->d_name[0] == '.') dots++;
        else files++;
    }
    CHECK_EQ(files, 300);
    CHECK_EQ(dots, 2);
    // telldir and seekdir are left out: a long has 32 bits here, and a cookie may need 64.
    rewinddir(d);
    for (files = 0; (e = readdir(d));) files++;
    CHECK_EQ(files, 302);
    // As rm -r does it.
    rewinddir(d);
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.') continue;
        snprintf(name, sizeof name, "/work/d/%s", e->d_name);
        CHECK_EQ(unlink(name), 0);
    }
    closedir(d);
    CHECK_EQ(rmdir("/work/d"), 0);
    FAILS(rmdir("/work/d"), ENOENT);
    CHECK(opendir("/work/log") == NULL && errno == ENOTDIR);
}

static void names(void) {
    struct stat st;
    char buf[16];
    CHECK_EQ(rename("/work/log", "/work/log2"), 0);
    CHECK_EQ(link("/work/log2", "/work/log3"), 0);
    CHECK_EQ(symlink("log2", "/work/sym"), 0);
    CHECK_EQ(lstat("/work/sym", &st), 0);
    CHECK(S_ISLNK(st.st_mode));
    CHECK_EQ(stat("/work/sym", &st), 0);
    CHECK(S_ISREG(st.st_mode));
    CHECK_EQ(st.st_nlink, 2);
    CHECK_EQ(readlink("/work/sym", buf, sizeof buf), 4);
    CHECK_EQ(access("/work/sym", F_OK), 0);
    CHECK_EQ(unlink("/work/sym"), 0);
    FAILS(unlink("/work/sym"), ENOENT);
    FAILS(unlink("/work"), EISDIR);
    CHECK_EQ(open("/outside", O_RDONLY), -1); // below no preopened directory
}

int main(void) {
    sleeping();
    files();
    directories();
    names();
    uint8_t a[16] = {0}, b[16] = {0};
    CHECK_EQ(getentropy(a, sizeof a), 0);
    CHECK_EQ(getentropy(b, sizeof b), 0);
    CHECK(memcmp(a, b, 16) != 0);
    return check_done();
}
