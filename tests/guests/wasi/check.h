// What every guest of the WASI suite shares: the CHECK macros, and a few helpers that
// make fixtures. A failing check prints one line and goes on, so that one run shows all
// there is to show; REQUIRE is for what the rest of a guest cannot do without.
#ifndef ARENA_CHECK_H
#define ARENA_CHECK_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <wasi/api.h>

static unsigned check_count, check_failures;

#define E(name) __WASI_ERRNO_##name

static inline void check_report(bool ok, const char *file, int line, const char *what,
                                long long got, const char *want) {
    check_count++;
    if (ok) return;
    check_failures++;
    printf("FAIL %s:%d %s got %lld want %s\n", file, line, what, got, want);
}

static inline bool check_in(long long got, const long long *list, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (list[i] == got) return true;
    return false;
}

// Each of these turns its arguments into text itself, before the macros in them are expanded.
#define CHECK_TEXT(expr, text, want, ...)                                                 \
    do {                                                                                  \
        long long got_ = (long long)(expr);                                               \
        const long long list_[] = {__VA_ARGS__};                                          \
        check_report(check_in(got_, list_, sizeof list_ / sizeof *list_), __FILE__,       \
                     __LINE__, text, got_, want);                                         \
    } while (0)
// One of several values, for where the specification leaves the choice.
#define CHECK_ANY(expr, ...) CHECK_TEXT(expr, #expr, #__VA_ARGS__, __VA_ARGS__)
#define CHECK_EQ(expr, want) CHECK_TEXT(expr, #expr, #want, (long long)(want))
// CHECK_ERRNO(call, NOENT)
#define CHECK_ERRNO(expr, name) CHECK_TEXT(expr, #expr, #name, __WASI_ERRNO_##name)
#define CHECK_OK(expr) CHECK_TEXT(expr, #expr, "SUCCESS", __WASI_ERRNO_SUCCESS)
#define CHECK(cond) CHECK_TEXT(!!(cond), #cond, "true", 1)

// Ends the guest when it fails: for fixtures.
#define REQUIRE(expr)                                                                     \
    do {                                                                                  \
        long long got_ = (long long)(expr);                                               \
        if (got_ != 0) {                                                                  \
            printf("FAIL %s:%d fixture %s got %lld want 0\n", __FILE__, __LINE__, #expr,  \
                   got_);                                                                 \
            exit(1);                                                                      \
        }                                                                                 \
    } while (0)

static inline int check_done(void) {
    printf("%u checks\n", check_count);
    fflush(stdout);
    return check_failures ? 1 : 0;
}

// A descriptor number nobody has. Descriptors need not be small or in order.
#define BAD_FD 0x3fffffff

#define R(name) __WASI_RIGHTS_##name
#define RIGHTS_FILE_READ                                                                  \
    (R(FD_READ) | R(FD_SEEK) | R(FD_TELL) | R(FD_FILESTAT_GET) | R(FD_ADVISE) |           \
     R(FD_FDSTAT_SET_FLAGS) | R(FD_SYNC) | R(FD_FILESTAT_SET_TIMES) | R(POLL_FD_READWRITE))
#define RIGHTS_FILE                                                                       \
    (RIGHTS_FILE_READ | R(FD_WRITE) | R(FD_DATASYNC) | R(FD_ALLOCATE) |                   \
     R(FD_FILESTAT_SET_SIZE))
#define RIGHTS_DIR                                                                        \
    (R(FD_READDIR) | R(PATH_CREATE_DIRECTORY) | R(PATH_CREATE_FILE) |                     \
     R(PATH_LINK_SOURCE) | R(PATH_LINK_TARGET) | R(PATH_OPEN) | R(PATH_READLINK) |        \
     R(PATH_RENAME_SOURCE) | R(PATH_RENAME_TARGET) | R(PATH_FILESTAT_GET) |               \
     R(PATH_FILESTAT_SET_SIZE) | R(PATH_FILESTAT_SET_TIMES) | R(FD_FILESTAT_GET) |        \
     R(FD_FILESTAT_SET_TIMES) | R(PATH_SYMLINK) | R(PATH_UNLINK_FILE) |                   \
     R(PATH_REMOVE_DIRECTORY) | R(FD_SYNC) | R(FD_ADVISE) | R(FD_FDSTAT_SET_FLAGS) |      \
     R(POLL_FD_READWRITE))
#define FOLLOW __WASI_LOOKUPFLAGS_SYMLINK_FOLLOW
#define CREAT __WASI_OFLAGS_CREAT
#define DIRECTORY __WASI_OFLAGS_DIRECTORY
#define EXCL __WASI_OFLAGS_EXCL
#define TRUNC __WASI_OFLAGS_TRUNC

// The preopened directory of that name: found as every libc finds it, not by number.
static inline __wasi_fd_t preopen(const char *name) {
    for (__wasi_fd_t fd = 3; fd < 64; fd++) {
        __wasi_prestat_t prestat;
        if (__wasi_fd_prestat_get(fd, &prestat) != 0) break;
        size_t len = prestat.u.dir.pr_name_len;
        char buf[256] = {0};
        if (len < sizeof buf && __wasi_fd_prestat_dir_name(fd, (uint8_t *)buf, len) == 0 &&
            strcmp(buf, name) == 0)
            return fd;
    }
    printf("FAIL %s:%d fixture no preopened directory %s\n", __FILE__, __LINE__, name);
    exit(1);
}

static inline __wasi_errno_t open_path(__wasi_fd_t dir, const char *path, int oflags,
                                       __wasi_rights_t base, int fdflags, __wasi_fd_t *fd) {
    return __wasi_path_open(dir, 0, path, oflags, base, RIGHTS_FILE | RIGHTS_DIR, fdflags, fd);
}

// Open for reading and writing, created if it is not there.
static inline __wasi_fd_t open_file(__wasi_fd_t dir, const char *path, int oflags) {
    __wasi_fd_t fd = -1;
    REQUIRE(__wasi_path_open(dir, 0, path, CREAT | oflags, RIGHTS_FILE, 0, 0, &fd));
    return fd;
}

static inline __wasi_fd_t open_dir(__wasi_fd_t dir, const char *path) {
    __wasi_fd_t fd = -1;
    REQUIRE(__wasi_path_open(dir, 0, path, DIRECTORY, RIGHTS_DIR, RIGHTS_FILE | RIGHTS_DIR, 0,
                             &fd));
    return fd;
}

static inline __wasi_errno_t write_fd(__wasi_fd_t fd, const char *text, size_t *n) {
    __wasi_ciovec_t iov = {(const uint8_t *)text, strlen(text)};
    return __wasi_fd_write(fd, &iov, 1, n);
}

static inline __wasi_errno_t read_fd(__wasi_fd_t fd, void *buf, size_t len, size_t *n) {
    __wasi_iovec_t iov = {buf, len};
    return __wasi_fd_read(fd, &iov, 1, n);
}

static inline void make_file(__wasi_fd_t dir, const char *path, const char *text) {
    __wasi_fd_t fd = open_file(dir, path, TRUNC);
    size_t n = 0;
    if (*text) REQUIRE(write_fd(fd, text, &n));
    REQUIRE(n != strlen(text));
    REQUIRE(__wasi_fd_close(fd));
}

// Whether the whole content of the file is this text.
static inline bool file_is(__wasi_fd_t dir, const char *path, const char *text) {
    __wasi_fd_t fd;
    if (__wasi_path_open(dir, 0, path, 0, R(FD_READ), 0, 0, &fd) != 0) return false;
    char buf[512];
    size_t n = 0;
    __wasi_errno_t err = read_fd(fd, buf, sizeof buf, &n);
    (void)!__wasi_fd_close(fd);
    return err == 0 && n == strlen(text) && memcmp(buf, text, n) == 0;
}

// The errno of looking at the name itself, without following it: 0 or NOENT as a rule.
static inline __wasi_errno_t look(__wasi_fd_t dir, const char *path) {
    __wasi_filestat_t st;
    return __wasi_path_filestat_get(dir, 0, path, &st);
}

static inline int type_of(__wasi_fd_t dir, const char *path) {
    __wasi_filestat_t st;
    return __wasi_path_filestat_get(dir, 0, path, &st) == 0 ? st.filetype : -1;
}

static inline long long size_of(__wasi_fd_t fd) {
    __wasi_filestat_t st;
    return __wasi_fd_filestat_get(fd, &st) == 0 ? (long long)st.size : -1;
}

static inline uint64_t now(__wasi_clockid_t clock) {
    __wasi_timestamp_t t = 0;
    REQUIRE(__wasi_clock_time_get(clock, 1, &t));
    return t;
}

// 0 when there is no such clock, which is a failure of clocks.c and of no other guest.
static inline uint64_t cpu_time(void) {
    __wasi_timestamp_t t = 0;
    return __wasi_clock_time_get(__WASI_CLOCKID_PROCESS_CPUTIME_ID, 1, &t) == 0 ? t : 0;
}

#endif
