// Channels and signals as files: every call of WASI does something sensible with them.
#include "../wasi/check.h"
#include <arena.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define RW (R(FD_READ) | R(FD_WRITE) | R(POLL_FD_READWRITE))

static void order(void) {
    static const char *const names[] = {"/sys", "/ch/in", "/ch/out", "/ch/both", "/ch/wild"};
    for (int i = 0; i < 5; i++) {
        char name[32] = {0};
        __wasi_prestat_t prestat;
        CHECK_OK(__wasi_fd_prestat_get(3 + i, &prestat));
        CHECK_EQ(prestat.u.dir.pr_name_len, strlen(names[i]));
        CHECK_OK(__wasi_fd_prestat_dir_name(3 + i, (uint8_t *)name, sizeof name));
        CHECK(strcmp(name, names[i]) == 0);
    }
    // Then what the host grants.
    CHECK_EQ(preopen("/data"), 8);
}

static void directories(void) {
    __wasi_fd_t dir = preopen("/ch/both"), fd;
    __wasi_fdstat_t st;
    CHECK_OK(__wasi_fd_fdstat_get(dir, &st));
    CHECK_EQ(st.fs_filetype, __WASI_FILETYPE_DIRECTORY);
    CHECK_EQ(type_of(dir, "."), __WASI_FILETYPE_DIRECTORY);
    CHECK_EQ(type_of(dir, "data"), __WASI_FILETYPE_CHARACTER_DEVICE);
    CHECK_ERRNO(look(dir, "none"), NOENT);
    CHECK_ERRNO(look(dir, "data/x"), NOTDIR);
    CHECK_ERRNO(look(dir, ".."), PERM);
    CHECK_ERRNO(look(dir, "../in/data"), PERM);
    CHECK_ERRNO(look(dir, "/ch/both/data"), PERM);
    // Nothing can be made, moved or removed.
    CHECK_ERRNO(__wasi_path_create_directory(dir, "x"), PERM);
    CHECK_ERRNO(__wasi_path_unlink_file(dir, "data"), PERM);
    CHECK_ERRNO(__wasi_path_remove_directory(dir, "data"), PERM);
    CHECK_ERRNO(__wasi_path_rename(dir, "data", dir, "x"), PERM);
    CHECK_ERRNO(__wasi_path_rename(dir, "data", preopen("/data"), "x"), PERM);
    CHECK_ERRNO(__wasi_path_symlink("data", dir, "x"), PERM);
    CHECK_ERRNO(__wasi_path_link(dir, 0, "data", preopen("/data"), "x"), PERM);
    CHECK_ERRNO(__wasi_path_filestat_set_times(dir, 0, "data", 0, 0, 0), PERM);
    uint8_t buf[16];
    size_t n;
    CHECK_ERRNO(__wasi_path_readlink(dir, "data", buf, sizeof buf, &n), INVAL);
    CHECK_ERRNO(__wasi_path_readlink(dir, "none", buf, sizeof buf, &n), NOENT);
    CHECK_ERRNO(read_fd(dir, buf, 1, &n), BADF);
    CHECK_ERRNO(__wasi_fd_seek(dir, 0, __WASI_WHENCE_SET, &(__wasi_filesize_t){0}), BADF);
    CHECK_ERRNO(__wasi_fd_filestat_set_times(dir, 0, 0, 0), PERM);
    CHECK_ERRNO(__wasi_sock_shutdown(dir, 1), BADF);
    CHECK_OK(__wasi_fd_sync(dir));
    // A directory of it is the same directory.
    CHECK_ERRNO(open_path(dir, "data", DIRECTORY, R(FD_READ), 0, &fd), NOTDIR);
    CHECK_ERRNO(open_path(dir, ".", CREAT, R(FD_READDIR), 0, &fd), ISDIR);
    CHECK_OK(open_path(dir, ".", DIRECTORY, R(FD_READDIR) | R(PATH_OPEN), 0, &fd));
    __wasi_fd_t data;
    CHECK_OK(open_path(fd, "data", 0, RW, 0, &data));
    CHECK_OK(__wasi_fd_close(data));
    CHECK_OK(__wasi_fd_close(fd));
    // As libc lists it.
    DIR *listed = opendir("/ch/both");
    CHECK(listed != NULL);
    char names[64] = "";
    for (struct dirent *entry; listed && (entry = readdir(listed));)
        strcat(strcat(names, entry->d_name), " ");
    CHECK(strcmp(names, ". .. ctl data info ") == 0);
    closedir(listed);
    // Entry by entry, with a buffer that cuts names off.
    uint8_t part[30];
    CHECK_OK(__wasi_fd_readdir(dir, part, sizeof part, 3, &n));
    CHECK_EQ(n, 24 + 4 + 2);
    CHECK_OK(__wasi_fd_readdir(dir, part, sizeof part, 5, &n));
    CHECK_EQ(n, 0);
    CHECK_ERRNO(__wasi_fd_readdir(dir, part, sizeof part, -1, &n), INVAL);
}

static void opening(void) {
    __wasi_fd_t dir = preopen("/ch/both"), in = preopen("/ch/in"), out = preopen("/ch/out"), fd;
    // As fopen() opens for writing: created, cut off, and there already.
    CHECK_OK(open_path(dir, "data", CREAT | TRUNC, R(FD_WRITE), 0, &fd));
    CHECK_OK(__wasi_fd_close(fd));
    CHECK_ERRNO(open_path(dir, "data", CREAT | EXCL, R(FD_WRITE), 0, &fd), EXIST);
    CHECK_ERRNO(open_path(dir, "none", CREAT, R(FD_WRITE), 0, &fd), ACCES);
    CHECK_ERRNO(open_path(dir, "none", 0, R(FD_READ), 0, &fd), NOENT);
    CHECK_ERRNO(open_path(dir, "../both/data", 0, R(FD_READ), 0, &fd), PERM);
    // The channel's mode.
    CHECK_ERRNO(open_path(in, "data", 0, R(FD_WRITE), 0, &fd), ACCES);
    CHECK_ERRNO(open_path(in, "data", 0, RW, 0, &fd), ACCES);
    CHECK_ERRNO(open_path(out, "data", 0, R(FD_READ), 0, &fd), ACCES);
    CHECK_ERRNO(open_path(in, "info", 0, R(FD_WRITE), 0, &fd), ACCES);
    CHECK_ERRNO(open_path(in, "ctl", 0, R(FD_READ), 0, &fd), ACCES);
    CHECK_ERRNO(open_path(preopen("/sys"), "signals", 0, R(FD_WRITE), 0, &fd), ACCES);
    errno = 0;
    CHECK_EQ(open("/ch/in/data", O_RDWR), -1);
    CHECK_EQ(errno, EACCES);
    // Only the rights that were asked for, and that have a meaning.
    size_t n;
    char buf[8];
    __wasi_fdstat_t st;
    CHECK_OK(open_path(dir, "data", 0, RIGHTS_FILE & ~R(FD_WRITE), 0, &fd));
    CHECK_OK(__wasi_fd_fdstat_get(fd, &st));
    CHECK_EQ(st.fs_filetype, __WASI_FILETYPE_CHARACTER_DEVICE);
    CHECK(!(st.fs_rights_base & (R(FD_SEEK) | R(FD_TELL) | R(FD_WRITE))));
    CHECK(st.fs_rights_base & R(FD_READ));
    CHECK_EQ(st.fs_rights_inheriting, 0);
    CHECK_ERRNO(write_fd(fd, "x", &n), NOTCAPABLE);
    CHECK_OK(read_fd(fd, buf, sizeof buf, &n));
    CHECK_OK(__wasi_fd_fdstat_set_rights(fd, 0, 0));
    CHECK_ERRNO(read_fd(fd, buf, sizeof buf, &n), NOTCAPABLE);
    CHECK_OK(__wasi_fd_close(fd));
    // For neither: a place, which subscribes to nothing.
    CHECK_OK(open_path(dir, "data", 0, R(FD_FILESTAT_GET), 0, &fd));
    CHECK_ERRNO(read_fd(fd, buf, sizeof buf, &n), NOTCAPABLE);
    CHECK_OK(__wasi_fd_close(fd));
}

static void data(void) {
    char buf[64];
    size_t n = 9;
    int fd = open("/ch/both/data", O_RDWR);
    CHECK(fd > 8);
    CHECK_EQ(isatty(fd), 1);
    struct stat st;
    CHECK_EQ(fstat(fd, &st), 0);
    CHECK(S_ISCHR(st.st_mode));
    // There is no offset.
    CHECK_EQ(lseek(fd, 0, SEEK_CUR), -1);
    CHECK_EQ(errno, ESPIPE);
    __wasi_filesize_t at;
    CHECK_ERRNO(__wasi_fd_tell(fd, &at), SPIPE);
    __wasi_iovec_t in = {(uint8_t *)buf, sizeof buf};
    __wasi_ciovec_t out[] = {{(const uint8_t *)"a ", 2},
                             {(const uint8_t *)"", 0},
                             {(const uint8_t *)"message", 7}};
    CHECK_ANY(__wasi_fd_pread(fd, &in, 1, 0, &n), E(SPIPE), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_pwrite(fd, out, 3, 0, &n), E(SPIPE), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_advise(fd, 0, 0, 0), E(SPIPE), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_allocate(fd, 0, 1), E(SPIPE), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_filestat_set_size(fd, 0), E(SPIPE), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_filestat_set_times(fd, 0, 0, 0), E(PERM), E(NOTCAPABLE));
    CHECK_ERRNO(__wasi_sock_shutdown(fd, 3), NOTSOCK);
    CHECK_ERRNO(__wasi_fd_prestat_get(fd, &(__wasi_prestat_t){0}), BADF);
    CHECK_ERRNO(__wasi_fd_readdir(fd, (uint8_t *)buf, 8, 0, &n), NOTDIR);
    CHECK_OK(__wasi_fd_sync(fd));
    CHECK_OK(__wasi_fd_datasync(fd));
    CHECK_EQ(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    CHECK_EQ(fcntl(fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    // Nothing there is no end and no error.
    CHECK_EQ(read(fd, buf, sizeof buf), 0);
    // All buffers are one message.
    CHECK_OK(__wasi_fd_write(fd, out, 3, &n));
    CHECK_EQ(n, 9);
    CHECK_EQ(write(fd, "second", 6), 6);
    // No bytes, and a line's end alone, are no messages.
    CHECK_EQ(write(fd, "", 0), 0);
    CHECK_EQ(write(fd, "\n", 1), 1);
    CHECK_EQ(write(fd, "\n\n", 2), 2);
    CHECK_EQ(read(fd, buf, sizeof buf), 9);
    CHECK(memcmp(buf, "a message", 9) == 0);
    // In parts, over several buffers.
    __wasi_iovec_t parts[] = {{(uint8_t *)buf, 1}, {(uint8_t *)buf + 10, 3}};
    CHECK_OK(__wasi_fd_read(fd, parts, 2, &n));
    CHECK_EQ(n, 4);
    CHECK(buf[0] == 's' && memcmp(buf + 10, "eco", 3) == 0);
    CHECK_EQ(read(fd, buf, sizeof buf), 2);
    CHECK_EQ(read(fd, buf, sizeof buf), 2);
    CHECK(memcmp(buf, "\n\n", 2) == 0);
    CHECK_EQ(read(fd, buf, sizeof buf), 0);
    // The same channel by its path: one queue.
    int both = ch_open("/ch/both", CH_READ_WRITE, 0), again = open("/ch/both/data", O_RDONLY);
    CHECK_EQ(write(fd, "first", 5), 5);
    CHECK_EQ(ch_write_msg(both, "second", 6), 6);
    CHECK_EQ(ch_poll(&both, 1, 0), 1);
    CHECK_EQ(ch_read_msg(both, buf, 3), 3);
    CHECK_EQ(read(again, buf, sizeof buf), 2);
    CHECK_EQ(read(fd, buf, sizeof buf), 6);
    // It is open as long as one of them is.
    CHECK_EQ(ch_close(both), 0);
    CHECK_EQ(close(again), 0);
    CHECK_EQ(write(fd, "x", 1), 1);
    CHECK_EQ(read(fd, buf, sizeof buf), 1);
    __wasi_fd_t other = open("/ch/out/data", O_WRONLY);
    CHECK_OK(__wasi_fd_renumber(fd, other));
    CHECK_EQ(write(other, "moved", 5), 5);
    CHECK_EQ(read(other, buf, sizeof buf), 5);
    CHECK_EQ(write(other, "lost", 4), 4);
    CHECK_EQ(close(other), 0);
    CHECK_EQ(close(other), -1);
    fd = open("/ch/both/data", O_RDONLY);
    CHECK_EQ(read(fd, buf, sizeof buf), 0);
    CHECK_EQ(close(fd), 0);
    // Buffered, line by line.
    FILE *file = fopen("/ch/both/data", "r+");
    CHECK(file != NULL);
    fputs("a line\nand a half", file);
    fd = open("/ch/both/data", O_RDONLY);
    n = read(fd, buf, sizeof buf);
    CHECK(n >= 7 && memcmp(buf, "a line\n", 7) == 0);
    fclose(file);
    close(fd);
}

static void info(void) {
    char text[512];
    int both = ch_open("/ch/both", CH_READ_WRITE, 0);
    CHECK_EQ(ch_write_msg(both, "12345", 5), 5);
    FILE *file = fopen("/ch/both/info", "r");
    CHECK(file != NULL);
    size_t n = fread(text, 1, sizeof text - 1, file);
    text[n] = 0;
    fclose(file);
    CHECK(strstr(text, "\"path\":\"/ch/both\",\"topic\":\"other/both\",\"mode\":\"rw\""));
    CHECK(strstr(text, "\"type\":\"pubsub\""));
    CHECK(strstr(text, "\"waiting\":1"));
    CHECK(strstr(text, "}\n") == text + n - 2);
    CHECK_EQ(ch_close(both), 0);
    // Byte by byte, to its end.
    int fd = open("/ch/out/info", O_RDONLY);
    n = 0;
    while (n < sizeof text && read(fd, text + n, 1) == 1)
        n++;
    CHECK(n > 100 && text[n - 1] == '\n');
    CHECK_EQ(read(fd, text, 1), 0);
    CHECK_EQ(close(fd), 0);
    fd = open("/ch/both/ctl", O_WRONLY);
    CHECK(fd >= 0);
    CHECK_EQ(write(fd, "x", 1), -1);
    CHECK_EQ(errno, ENOTSUP);
    CHECK_EQ(close(fd), 0);
}

// The test has raised 15, 3 and 3 again before the start.
static void signals(void) {
    struct arena_signal signal[3];
    int fd = open(ARENA_SIGNALS, O_RDONLY);
    CHECK(fd >= 0);
    CHECK_EQ(read(fd, signal, 127), -1);
    CHECK_EQ(errno, EINVAL);
    memset(signal, 0xff, sizeof signal);
    CHECK_EQ(read(fd, signal, 128), 128);
    CHECK_EQ(signal[0].number, 3);
    for (size_t i = 0; i < sizeof signal->reserved; i++)
        CHECK_EQ(signal[0].reserved[i], 0);
    int second = open(ARENA_SIGNALS, O_RDONLY);
    CHECK_EQ(read(second, signal, sizeof signal), 128);
    CHECK_EQ(signal[0].number, 15);
    CHECK_EQ(read(fd, signal, sizeof signal), 0);
    CHECK_EQ(close(second), 0);
    CHECK_EQ(close(fd), 0);
}

int main(void) {
    order();
    directories();
    opening();
    data();
    info();
    signals();
    return check_done();
}
