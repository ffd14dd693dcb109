// Pointers and lengths that reach out of linear memory, for every parameter of every function:
// an error (FAULT, INVAL, OVERFLOW; NOMEM for a length) or a trap, which ends the module, but never a crash of
// the host and never success. As a trap ends it, the harness runs one case a process: without
// an argument this prints the names of the cases, with a name it runs that one.
#include "check.h"
#include "raw.h"

static __wasi_fd_t work, file;

#define BEYOND 0xfffffff0u             // starts behind any memory this module has
#define LAST ((ptr)(memory_end() - 3)) // starts within, and there is no room for 4 bytes
#define HUGE_LEN 0xffffffffu

static uint8_t scratch[256];
#define OK P(scratch)

// An array of one iovec, in memory, whose buffer is not.
static ptr iov(ptr buf, uint32_t len) {
    static uint32_t vec[2];
    vec[0] = buf;
    vec[1] = len;
    return P(vec);
}

static ptr sub(void) {
    static __wasi_subscription_t s;
    memset(&s, 0, sizeof s);
    s.u.tag = __WASI_EVENTTYPE_CLOCK;
    s.u.u.clock.id = __WASI_CLOCKID_MONOTONIC;
    return P(&s);
}

// Each with a start that is out of range and, where there are several bytes, an end that is.
#define CASES                                                                             \
    CASE(args_get, argv, raw_args_get(BAD, OK))                                           \
    CASE(args_get, buf, raw_args_get(OK, BAD))                                            \
    CASE(args_sizes_get, count, raw_args_sizes_get(BAD, OK))                              \
    CASE(args_sizes_get, size, raw_args_sizes_get(OK, BAD))                               \
    CASE(environ_get, environ, raw_environ_get(BAD, OK))                                  \
    CASE(environ_get, buf, raw_environ_get(OK, BAD))                                      \
    CASE(environ_sizes_get, count, raw_environ_sizes_get(BAD, OK))                        \
    CASE(environ_sizes_get, size, raw_environ_sizes_get(OK, BAD))                         \
    CASE(clock_res_get, result, raw_clock_res_get(0, BAD))                                \
    CASE(clock_time_get, result, raw_clock_time_get(0, 0, BAD))                           \
    CASE(fd_fdstat_get, result, raw_fd_fdstat_get(file, BAD))                             \
    CASE(fd_filestat_get, result, raw_fd_filestat_get(file, BAD))                         \
    CASE(fd_pread, iovs, raw_fd_pread(file, BAD, 1, 0, OK))                               \
    CASE(fd_pread, iovs_len, raw_fd_pread(file, OK, HUGE_LEN, 0, OK))                     \
    CASE(fd_pread, iovs_len_28, raw_fd_pread(file, OK, 0x20000001, 0, OK))                \
    CASE(fd_pread, buf, raw_fd_pread(file, iov(BAD, 8), 1, 0, OK))                        \
    CASE(fd_pread, buf_len, raw_fd_pread(file, iov(OK, HUGE_LEN), 1, 0, OK))              \
    CASE(fd_pread, result, raw_fd_pread(file, iov(OK, 1), 1, 0, BAD))                     \
    CASE(fd_prestat_get, result, raw_fd_prestat_get(3, BAD))                              \
    CASE(fd_prestat_dir_name, path, raw_fd_prestat_dir_name(3, BAD, 5))                   \
    CASE(fd_pwrite, iovs, raw_fd_pwrite(file, BAD, 1, 0, OK))                             \
    CASE(fd_pwrite, iovs_len, raw_fd_pwrite(file, OK, HUGE_LEN, 0, OK))                   \
    CASE(fd_pwrite, iovs_len_28, raw_fd_pwrite(file, OK, 0x20000001, 0, OK))              \
    CASE(fd_pwrite, buf, raw_fd_pwrite(file, iov(BAD, 8), 1, 0, OK))                      \
    CASE(fd_pwrite, buf_len, raw_fd_pwrite(file, iov(OK, HUGE_LEN), 1, 0, OK))            \
    CASE(fd_pwrite, result, raw_fd_pwrite(file, iov(OK, 1), 1, 0, BAD))                   \
    CASE(fd_read, iovs, raw_fd_read(file, BAD, 1, OK))                                    \
    CASE(fd_read, iovs_len, raw_fd_read(file, OK, HUGE_LEN, OK))                          \
    CASE(fd_read, iovs_len_28, raw_fd_read(file, OK, 0x20000001, OK))                     \
    CASE(fd_read, buf, raw_fd_read(file, iov(BAD, 8), 1, OK))                             \
    CASE(fd_read, buf_len, raw_fd_read(file, iov(OK, HUGE_LEN), 1, OK))                   \
    CASE(fd_read, result, raw_fd_read(file, iov(OK, 1), 1, BAD))                          \
    CASE(fd_readdir, buf, raw_fd_readdir(work, BAD, 64, 0, OK))                           \
    CASE(fd_readdir, buf_len, raw_fd_readdir(work, OK, HUGE_LEN, 0, OK))                  \
    CASE(fd_readdir, result, raw_fd_readdir(work, OK, 64, 0, BAD))                        \
    CASE(fd_seek, result, raw_fd_seek(file, 0, 0, BAD))                                   \
    CASE(fd_tell, result, raw_fd_tell(file, BAD))                                         \
    CASE(fd_write, iovs, raw_fd_write(file, BAD, 1, OK))                                  \
    CASE(fd_write, iovs_len, raw_fd_write(file, OK, HUGE_LEN, OK))                        \
    CASE(fd_write, iovs_len_28, raw_fd_write(file, OK, 0x20000001, OK))                   \
    CASE(fd_write, buf, raw_fd_write(file, iov(BAD, 8), 1, OK))                           \
    CASE(fd_write, buf_len, raw_fd_write(file, iov(OK, HUGE_LEN), 1, OK))                 \
    CASE(fd_write, result, raw_fd_write(file, iov(OK, 1), 1, BAD))                        \
    CASE(path_create_directory, path, raw_path_create_directory(work, BAD, 4))            \
    CASE(path_create_directory, path_len, raw_path_create_directory(work, OK, HUGE_LEN))  \
    CASE(path_filestat_get, path, raw_path_filestat_get(work, 0, BAD, 4, OK))             \
    CASE(path_filestat_get, path_len, raw_path_filestat_get(work, 0, OK, HUGE_LEN, OK))   \
    CASE(path_filestat_get, result, raw_path_filestat_get(work, 0, P("file"), 4, BAD))    \
    CASE(path_filestat_set_times, path,                                                   \
         raw_path_filestat_set_times(work, 0, BAD, 4, 0, 0, 0))                           \
    CASE(path_filestat_set_times, path_len,                                               \
         raw_path_filestat_set_times(work, 0, OK, HUGE_LEN, 0, 0, 0))                     \
    CASE(path_link, old, raw_path_link(work, 0, BAD, 4, work, P("x"), 1))                 \
    CASE(path_link, old_len, raw_path_link(work, 0, OK, HUGE_LEN, work, P("x"), 1))       \
    CASE(path_link, new, raw_path_link(work, 0, P("file"), 4, work, BAD, 4))              \
    CASE(path_link, new_len, raw_path_link(work, 0, P("file"), 4, work, OK, HUGE_LEN))    \
    CASE(path_open, path, raw_path_open(work, 0, BAD, 4, 0, 2, 0, 0, OK))                 \
    CASE(path_open, path_len, raw_path_open(work, 0, OK, HUGE_LEN, 0, 2, 0, 0, OK))       \
    CASE(path_open, result, raw_path_open(work, 0, P("file"), 4, 0, 2, 0, 0, BAD))        \
    CASE(path_readlink, path, raw_path_readlink(work, BAD, 4, OK, 4, OK))                 \
    CASE(path_readlink, path_len, raw_path_readlink(work, OK, HUGE_LEN, OK, 4, OK))       \
    CASE(path_readlink, buf, raw_path_readlink(work, P("link"), 4, BAD, 4, OK))           \
    CASE(path_readlink, buf_len, raw_path_readlink(work, P("link"), 4, OK, HUGE_LEN, OK)) \
    CASE(path_readlink, result, raw_path_readlink(work, P("link"), 4, OK, 4, BAD))        \
    CASE(path_remove_directory, path, raw_path_remove_directory(work, BAD, 4))            \
    CASE(path_remove_directory, path_len, raw_path_remove_directory(work, OK, HUGE_LEN))  \
    CASE(path_rename, old, raw_path_rename(work, BAD, 4, work, P("x"), 1))                \
    CASE(path_rename, old_len, raw_path_rename(work, OK, HUGE_LEN, work, P("x"), 1))      \
    CASE(path_rename, new, raw_path_rename(work, P("file"), 4, work, BAD, 4))             \
    CASE(path_rename, new_len, raw_path_rename(work, P("file"), 4, work, OK, HUGE_LEN))   \
    CASE(path_symlink, old, raw_path_symlink(BAD, 4, work, P("x"), 1))                    \
    CASE(path_symlink, old_len, raw_path_symlink(OK, HUGE_LEN, work, P("x"), 1))          \
    CASE(path_symlink, new, raw_path_symlink(P("x"), 1, work, BAD, 4))                    \
    CASE(path_symlink, new_len, raw_path_symlink(P("x"), 1, work, OK, HUGE_LEN))          \
    CASE(path_unlink_file, path, raw_path_unlink_file(work, BAD, 4))                      \
    CASE(path_unlink_file, path_len, raw_path_unlink_file(work, OK, HUGE_LEN))            \
    CASE(poll_oneoff, in, raw_poll_oneoff(BAD, OK, 1, OK))                                \
    CASE(poll_oneoff, out, raw_poll_oneoff(sub(), BAD, 1, OK))                            \
    CASE(poll_oneoff, count, raw_poll_oneoff(sub(), OK, HUGE_LEN, OK))                    \
    CASE(poll_oneoff, count_wraps, raw_poll_oneoff(sub(), OK, 0x05555556, OK))            \
    CASE(poll_oneoff, result, raw_poll_oneoff(sub(), OK, 1, BAD))                         \
    CASE(random_get, buf, raw_random_get(BAD, 8))                                         \
    CASE(random_get, buf_len, raw_random_get(OK, HUGE_LEN))                               \
    CASE(sock_accept, result, raw_sock_accept(file, 0, BAD))                              \
    CASE(sock_recv, iovs, raw_sock_recv(file, BAD, 1, 0, OK, OK))                         \
    CASE(sock_recv, buf, raw_sock_recv(file, iov(BAD, 8), 1, 0, OK, OK))                  \
    CASE(sock_recv, buf_len, raw_sock_recv(file, iov(OK, HUGE_LEN), 1, 0, OK, OK))        \
    CASE(sock_recv, result, raw_sock_recv(file, iov(OK, 1), 1, 0, BAD, OK))               \
    CASE(sock_recv, flags, raw_sock_recv(file, iov(OK, 1), 1, 0, OK, BAD))                \
    CASE(sock_send, iovs, raw_sock_send(file, BAD, 1, 0, OK))                             \
    CASE(sock_send, buf, raw_sock_send(file, iov(BAD, 8), 1, 0, OK))                      \
    CASE(sock_send, buf_len, raw_sock_send(file, iov(OK, HUGE_LEN), 1, 0, OK))            \
    CASE(sock_send, result, raw_sock_send(file, iov(OK, 1), 1, 0, BAD))

#define CASE(function, parameter, call)                                                   \
    static int32_t function##_##parameter(ptr BAD) {                                      \
        (void)BAD;                                                                        \
        return call;                                                                      \
    }
CASES
#undef CASE

static const struct {
    const char *name;
    int32_t (*run)(ptr bad);
} cases[] = {
#define CASE(function, parameter, call) {#function "." #parameter, function##_##parameter},
    CASES
#undef CASE
};

int main(int argc, char **argv) {
    size_t count = sizeof cases / sizeof *cases;
    if (argc < 2) {
        for (size_t i = 0; i < count; i++) printf("%s:beyond\n%s:last\n", cases[i].name, cases[i].name);
        return 0;
    }
    char *where = strchr(argv[1], ':');
    REQUIRE(where == NULL);
    *where++ = 0;
    work = preopen("/work");
    make_file(work, "file", "0123456789");
    (void)!__wasi_path_symlink("file", work, "link");
    file = open_file(work, "file", 0);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(cases[i].name, argv[1]) != 0) continue;
        int32_t err = cases[i].run(strcmp(where, "last") == 0 ? LAST : BEYOND);
        // Came back, so it has to be an error. Which sockets may give as well: what is found
        // first, the bad pointer or the file that is no socket, is not laid down.
        bool sock = strncmp(argv[1], "sock_", 5) == 0;
        bool ok = err == E(FAULT) || err == E(INVAL) || err == E(OVERFLOW) || err == E(NOMEM) ||
                  (sock && (err == E(NOTSOCK) || err == E(NOTCAPABLE) || err == E(BADF)));
        check_report(ok, __FILE__, __LINE__, argv[1], err, "21, 28, 48, 61 or a trap");
        return check_done();
    }
    printf("FAIL no case %s\n", argv[1]);
    return 1;
}
