// Ways out of a preopened directory: none may lead anywhere, by no function.
//
// The harness prepares, beside the directory preopened as /work, a directory "outside" with a
// file "secret", and in /work:
//   inside, dir/inner                  files
//   out_rel     -> ../outside/secret       out_abs     -> (absolute)/outside/secret
//   out_dir     -> ../outside              out_dir_abs -> (absolute)/outside
//   new_rel     -> ../outside/new          new_abs     -> (absolute)/outside/new
//   dir/up2     -> ../../outside/secret    sneaky      -> dir/../../outside/secret
//   root        -> /                       up          -> ..
//   round       -> ../work/inside          in_abs      -> (absolute)/work/inside
//   hop         -> out_dir/secret          fine        -> dir/../inside
//   dir/fine    -> ../inside
// and afterwards looks whether "outside" is as it was.
//
// A refusal is NOTCAPABLE ("extension: capabilities insufficient"); wasmtime says PERM.
#include "check.h"
#include "raw.h"

#define REFUSED(call) CHECK_ANY(call, E(NOTCAPABLE), E(PERM))

static __wasi_fd_t work, dir;

static __wasi_errno_t open_with(__wasi_fd_t base, int lookup, const char *path, int oflags,
                                __wasi_rights_t rights) {
    __wasi_fd_t fd;
    __wasi_errno_t err =
        __wasi_path_open(base, lookup, path, oflags, rights, RIGHTS_FILE | RIGHTS_DIR, 0, &fd);
    if (err == 0) CHECK_OK(__wasi_fd_close(fd));
    return err;
}

// Every function with a path whose last name is looked for outside, whether it exists there
// or not.
static void refused_everywhere(__wasi_fd_t base, const char *path) {
    uint8_t buf[64];
    size_t n;
    __wasi_filestat_t st;
    REFUSED(open_with(base, 0, path, 0, R(FD_READ)));
    REFUSED(open_with(base, FOLLOW, path, 0, R(FD_READ)));
    REFUSED(open_with(base, FOLLOW, path, 0, R(FD_WRITE)));
    REFUSED(open_with(base, FOLLOW, path, CREAT, R(FD_WRITE)));
    REFUSED(open_with(base, 0, path, CREAT | EXCL, R(FD_WRITE)));
    REFUSED(open_with(base, FOLLOW, path, TRUNC, R(FD_WRITE)));
    REFUSED(open_with(base, FOLLOW, path, DIRECTORY, R(FD_READDIR)));
    REFUSED(__wasi_path_filestat_get(base, 0, path, &st));
    REFUSED(__wasi_path_filestat_get(base, FOLLOW, path, &st));
    REFUSED(__wasi_path_filestat_set_times(base, 0, path, 1, 1, __WASI_FSTFLAGS_MTIM));
    REFUSED(__wasi_path_filestat_set_times(base, FOLLOW, path, 1, 1, __WASI_FSTFLAGS_MTIM));
    REFUSED(__wasi_path_readlink(base, path, buf, sizeof buf, &n));
    REFUSED(__wasi_path_create_directory(base, path));
    REFUSED(__wasi_path_remove_directory(base, path));
    REFUSED(__wasi_path_unlink_file(base, path));
    REFUSED(__wasi_path_rename(base, path, work, "taken"));
    REFUSED(__wasi_path_rename(work, "inside", base, path));
    REFUSED(__wasi_path_link(base, 0, path, work, "taken"));
    REFUSED(__wasi_path_link(work, 0, "inside", base, path));
    REFUSED(__wasi_path_symlink("inside", base, path));
    CHECK_ERRNO(look(work, "taken"), NOENT);
    CHECK_OK(look(work, "inside"));
}

// Links that lead out, as last names: looked at they may be, followed not.
static void links_out(void) {
    static const char *const out[] = {"out_rel", "out_abs", "new_rel", "new_abs", "sneaky",
                                      "dir/up2", "hop",     "in_abs",  "round"};
    uint8_t buf[512];
    size_t n;
    __wasi_filestat_t st;
    for (size_t i = 0; i < sizeof out / sizeof *out; i++) {
        const char *p = out[i];
        CHECK_OK(__wasi_path_filestat_get(work, 0, p, &st));
        CHECK_EQ(st.filetype, __WASI_FILETYPE_SYMBOLIC_LINK);
        // What an absolute link says may be kept from the guest, as it tells about the host.
        CHECK_ANY(__wasi_path_readlink(work, p, buf, sizeof buf, &n), E(SUCCESS), E(PERM),
                  E(NOTCAPABLE));
        CHECK_ERRNO(open_with(work, 0, p, 0, R(FD_READ)), LOOP);
        REFUSED(open_with(work, FOLLOW, p, 0, R(FD_READ)));
        REFUSED(open_with(work, FOLLOW, p, 0, R(FD_WRITE)));
        REFUSED(open_with(work, FOLLOW, p, CREAT, R(FD_WRITE)));
        REFUSED(open_with(work, FOLLOW, p, TRUNC, R(FD_WRITE)));
        CHECK_ANY(open_with(work, FOLLOW, p, CREAT | EXCL, R(FD_WRITE)), E(NOTCAPABLE), E(PERM),
                  E(EXIST));
        REFUSED(__wasi_path_filestat_get(work, FOLLOW, p, &st));
        REFUSED(__wasi_path_filestat_set_times(work, FOLLOW, p, 1, 1, __WASI_FSTFLAGS_MTIM));
        CHECK_ANY(__wasi_path_link(work, FOLLOW, p, work, "taken"), E(NOTCAPABLE), E(PERM),
                  E(INVAL));
        CHECK_ERRNO(look(work, "taken"), NOENT);
        // With a slash it is a directory that is asked for: refused, or not even tried.
        char slash[64];
        snprintf(slash, sizeof slash, "%s/", p);
#define NOT_THERE(call)                                                                   \
    CHECK_ANY(call, E(NOTCAPABLE), E(PERM), E(NOTDIR), E(LOOP), E(EXIST), E(NOENT), E(INVAL))
        NOT_THERE(open_with(work, 0, slash, 0, R(FD_READ)));
        NOT_THERE(open_with(work, FOLLOW, slash, 0, R(FD_READ)));
        NOT_THERE(__wasi_path_filestat_get(work, 0, slash, &st));
        NOT_THERE(__wasi_path_unlink_file(work, slash));
        NOT_THERE(__wasi_path_remove_directory(work, slash));
        NOT_THERE(__wasi_path_create_directory(work, slash));
        NOT_THERE(__wasi_path_rename(work, slash, work, "taken"));
        NOT_THERE(__wasi_path_rename(work, "dir", work, slash));
        NOT_THERE(__wasi_path_symlink("inside", work, slash));
        NOT_THERE(__wasi_path_link(work, 0, "inside", work, slash));
        CHECK_OK(look(work, p));
    }
    // Links to directories outside, with and without a slash.
    static const char *const out_dirs[] = {"out_dir", "out_dir_abs", "root", "up"};
    for (size_t i = 0; i < 4; i++) {
        char slash[64];
        snprintf(slash, sizeof slash, "%s/", out_dirs[i]);
        REFUSED(open_with(work, FOLLOW, out_dirs[i], DIRECTORY, R(FD_READDIR)));
        REFUSED(open_with(work, FOLLOW, slash, DIRECTORY, R(FD_READDIR)));
        NOT_THERE(open_with(work, 0, slash, DIRECTORY, R(FD_READDIR)));
        REFUSED(__wasi_path_filestat_get(work, FOLLOW, slash, &st));
        NOT_THERE(__wasi_path_remove_directory(work, slash));
        CHECK_OK(look(work, out_dirs[i]));
    }
    // And links that lead to and fro, but stay.
    CHECK_OK(open_with(work, FOLLOW, "fine", 0, R(FD_READ)));
    CHECK_OK(open_with(work, FOLLOW, "dir/fine", 0, R(FD_READ)));
    // Below a directory opened on its own, "dir/fine" leads out of that.
    REFUSED(open_with(dir, FOLLOW, "fine", 0, R(FD_READ)));
}

// Links the guest makes itself. Writing "../.." into one is allowed (wasmtime, WAMR), using
// it is not; and one that stayed inside may lead out after it was moved.
static void links_made(void) {
    __wasi_filestat_t st;
    CHECK_OK(__wasi_path_symlink("../outside/secret", work, "mine"));
    REFUSED(open_with(work, FOLLOW, "mine", 0, R(FD_READ)));
    REFUSED(__wasi_path_filestat_get(work, FOLLOW, "mine", &st));
    CHECK_OK(__wasi_path_unlink_file(work, "mine"));
    CHECK_OK(__wasi_path_symlink("../inside", dir, "was_fine"));
    CHECK_OK(open_with(work, FOLLOW, "dir/was_fine", 0, R(FD_READ)));
    CHECK_OK(__wasi_path_rename(dir, "was_fine", work, "was_fine"));
    REFUSED(open_with(work, FOLLOW, "was_fine", 0, R(FD_READ)));
    // A directory moved up under an open descriptor: ".." from it was never allowed.
    CHECK_OK(__wasi_path_create_directory(work, "dir/deep"));
    __wasi_fd_t deep = open_dir(work, "dir/deep");
    CHECK_OK(__wasi_path_rename(work, "dir/deep", work, "deep"));
    REFUSED(open_with(deep, 0, "..", DIRECTORY, R(FD_READDIR)));
    REFUSED(open_with(deep, 0, "../../outside/secret", 0, R(FD_READ)));
    CHECK_OK(__wasi_fd_close(deep));
}

static __wasi_errno_t raw_open(const char *path, size_t len, int oflags) {
    __wasi_fd_t fd = -1;
    __wasi_errno_t err = (__wasi_errno_t)raw_path_open(work, FOLLOW, P(path), len, oflags,
                                                       R(FD_READ), 0, 0, P(&fd));
    if (err == 0) CHECK_OK(__wasi_fd_close(fd));
    return err;
}

// What is no path at all.
static void odd_strings(void) {
    static const char *const nul[] = {"inside\0", "in\0ide", "\0nside", "inside\0../../x"};
    static const size_t nul_len[] = {7, 6, 6, 15};
    __wasi_filestat_t st;
    uint8_t buf[32];
    size_t n;
    for (int i = 0; i < 4; i++) {
        // A NUL in a path: ILSEQ or INVAL, never the part before it.
#define NO_PATH(call) CHECK_ANY(call, E(ILSEQ), E(INVAL))
        ptr p = P(nul[i]);
        NO_PATH(raw_open(nul[i], nul_len[i], 0));
        NO_PATH(raw_open(nul[i], nul_len[i], CREAT));
        NO_PATH(raw_path_filestat_get(work, 0, p, nul_len[i], P(&st)));
        NO_PATH(raw_path_filestat_set_times(work, 0, p, nul_len[i], 1, 1, 0));
        NO_PATH(raw_path_create_directory(work, p, nul_len[i]));
        NO_PATH(raw_path_remove_directory(work, p, nul_len[i]));
        NO_PATH(raw_path_unlink_file(work, p, nul_len[i]));
        NO_PATH(raw_path_readlink(work, p, nul_len[i], P(buf), sizeof buf, P(&n)));
        NO_PATH(raw_path_rename(work, p, nul_len[i], work, P("x"), 1));
        NO_PATH(raw_path_rename(work, P("inside"), 6, work, p, nul_len[i]));
        NO_PATH(raw_path_link(work, 0, p, nul_len[i], work, P("x"), 1));
        NO_PATH(raw_path_link(work, 0, P("inside"), 6, work, p, nul_len[i]));
        NO_PATH(raw_path_symlink(P("x"), 1, work, p, nul_len[i]));
        NO_PATH(raw_path_symlink(p, nul_len[i], work, P("x"), 1));
    }
    CHECK_OK(look(work, "inside"));
    CHECK_ERRNO(look(work, "x"), NOENT);
    // A path has a length, not an end: what lies behind it is not read.
    CHECK_OK(raw_open("inside!!!", 6, 0));
    CHECK_ERRNO(raw_open("inside", 0, 0), NOENT);
    // Preview 1's strings are UTF-8.
    static const char *const bad_utf8[] = {"\xff", "a\xc3", "\xed\xa0\x80", "\xc0\xae\xc0\xae"};
    for (int i = 0; i < 4; i++) {
        NO_PATH(raw_open(bad_utf8[i], strlen(bad_utf8[i]), CREAT));
        NO_PATH(raw_path_create_directory(work, P(bad_utf8[i]), strlen(bad_utf8[i])));
    }
}

int main(void) {
    work = preopen("/work");
    dir = open_dir(work, "dir");

    static const char *const from_work[] = {
        "..",
        "../outside/secret",
        "../outside/new",
        "../work/inside",
        "../nosuch/x",
        "./..",
        "./../outside/secret",
        "dir/../..",
        "dir/../../outside/secret",
        "dir/../../outside/new",
        "dir/../../work/inside",
        ".//dir//..//..//outside//secret",
        "/",
        "//",
        "/etc/passwd",
        "/work/inside",
        "/nosuch",
        "out_dir/secret",
        "out_dir/new",
        "out_dir_abs/secret",
        "out_dir_abs/new",
        "out_dir/../work/inside",
        "root/etc/passwd",
        "root/nosuch",
        "up/outside/secret",
        "up/work/inside",
        "/../../../outside/secret",
        "../../../../../../../../../../../../etc/passwd",
    };
    for (size_t i = 0; i < sizeof from_work / sizeof *from_work; i++)
        refused_everywhere(work, from_work[i]);
    // A directory opened below is a boundary of its own.
    static const char *const from_dir[] = {"..", "../inside", "../dir/inner", "/dir/inner",
                                           "../../outside/secret"};
    for (size_t i = 0; i < sizeof from_dir / sizeof *from_dir; i++)
        refused_everywhere(dir, from_dir[i]);

    links_out();
    links_made();
    odd_strings();

    // Through the C library as well, whose paths are absolute.
    CHECK(fopen("/work/../outside/secret", "r") == NULL);
    CHECK(fopen("/work/out_rel", "r") == NULL);
    CHECK(fopen("/work/out_abs", "r") == NULL);
    CHECK(fopen("/etc/passwd", "r") == NULL);
    CHECK(fopen("/workout", "r") == NULL);
    return check_done();
}
