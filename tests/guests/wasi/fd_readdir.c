// fd_readdir: cookies, small buffers, cut entries, many entries.
#include "check.h"

typedef struct {
    char name[256];
    __wasi_dirent_t d;
} Entry;

static Entry entries[2000];

// Reads the directory from a cookie on with a buffer of this size; the number of entries, or
// -1 after an error. An entry that did not fit is asked for again, as every libc does.
static int list(__wasi_fd_t fd, size_t size, __wasi_dircookie_t cookie) {
    uint8_t *buf = malloc(size);
    int count = 0;
    for (int calls = 0; calls < 20000; calls++) {
        size_t used = 0;
        __wasi_errno_t err = __wasi_fd_readdir(fd, buf, size, cookie, &used);
        CHECK_OK(err);
        CHECK(used <= size);
        if (err || used > size) return -1;
        size_t at = 0;
        while (at + sizeof(__wasi_dirent_t) <= used) {
            __wasi_dirent_t d;
            memcpy(&d, buf + at, sizeof d);
            CHECK(d.d_namlen > 0 && d.d_namlen < 256);
            if (at + sizeof d + d.d_namlen > used || count == 2000) break;
            memcpy(entries[count].name, buf + at + sizeof d, d.d_namlen);
            entries[count].name[d.d_namlen] = 0;
            entries[count++].d = d;
            at += sizeof d + d.d_namlen;
            cookie = d.d_next;
        }
        // "The end of the directory has been reached when bufused is less than buf_len."
        if (used < size) {
            free(buf);
            return count;
        }
        if (at == 0) return -2; // the buffer holds no entry at all
    }
    return -3;
}

static const Entry *entry(int count, const char *name) {
    const Entry *found = NULL;
    for (int i = 0; i < count; i++)
        if (strcmp(entries[i].name, name) == 0) {
            CHECK(found == NULL);
            found = &entries[i];
        }
    return found;
}

int main(void) {
    __wasi_fd_t work = preopen("/work");
    CHECK_OK(__wasi_path_create_directory(work, "dir"));
    __wasi_fd_t dir = open_dir(work, "dir");

    // An empty directory has "." and "..".
    CHECK_EQ(list(dir, 4096, 0), 2);
    CHECK(entry(2, ".") && entry(2, "."));
    CHECK(entry(2, "..") != NULL);
    CHECK(entry(2, ".") && entry(2, ".")->d.d_type == __WASI_FILETYPE_DIRECTORY);
    CHECK(entry(2, "..") && entry(2, "..")->d.d_type == __WASI_FILETYPE_DIRECTORY);

    make_file(dir, "file", "x");
    CHECK_OK(__wasi_path_create_directory(dir, "sub"));
    CHECK_OK(__wasi_path_symlink("nowhere", dir, "link"));
    char longest[256];
    memset(longest, 'n', 255);
    longest[255] = 0;
    make_file(dir, longest, "");
    make_file(dir, "\xc3\xbcml", "");

    CHECK_EQ(list(dir, 4096, 0), 7);
    const Entry *e;
    __wasi_filestat_t st;
    CHECK((e = entry(7, "file")) != NULL);
    CHECK_OK(__wasi_path_filestat_get(dir, 0, "file", &st));
    if (e) CHECK_EQ(e->d.d_type, __WASI_FILETYPE_REGULAR_FILE);
    if (e) CHECK_EQ(e->d.d_ino, st.ino);
    CHECK((e = entry(7, "sub")) != NULL);
    if (e) CHECK_EQ(e->d.d_type, __WASI_FILETYPE_DIRECTORY);
    CHECK((e = entry(7, "link")) != NULL);
    if (e) CHECK_EQ(e->d.d_type, __WASI_FILETYPE_SYMBOLIC_LINK);
    CHECK(entry(7, longest) != NULL);
    CHECK(entry(7, "\xc3\xbcml") != NULL);
    CHECK(entry(7, "nosuch") == NULL);
    CHECK_OK(__wasi_fd_filestat_get(dir, &st));
    CHECK((e = entry(7, ".")) && e->d.d_ino == st.ino);

    // From every cookie on, the rest in the same order, also on another descriptor's turn and
    // backwards.
    Entry all[7];
    memcpy(all, entries, sizeof all);
    for (int i = 6; i >= 0; i--) {
        CHECK_EQ(list(dir, 4096, all[i].d.d_next), 6 - i);
        for (int k = 0; k < 6 - i; k++) CHECK_EQ(strcmp(entries[k].name, all[i + 1 + k].name), 0);
    }
    CHECK_EQ(list(dir, 4096, 0), 7);
    CHECK_EQ(list(dir, 4096, 0), 7); // and once more from the start

    // With a buffer for one entry at a time, cut ones in every other call.
    for (size_t size = sizeof(__wasi_dirent_t) + 255; size < 600; size += 13) {
        CHECK_EQ(list(dir, size, 0), 7);
        for (int i = 0; i < 7; i++) CHECK_EQ(strcmp(entries[i].name, all[i].name), 0);
    }

    // A buffer too small for even the first entry is filled to the last byte, with the
    // beginning of that entry.
    uint8_t whole[4096], part[64];
    size_t used = 0, all_used = 0;
    CHECK_OK(__wasi_fd_readdir(dir, whole, sizeof whole, 0, &all_used));
    CHECK(all_used > 64);
    for (size_t size = 0; size <= 40; size++) {
        memset(part, 0xaa, sizeof part);
        CHECK_OK(__wasi_fd_readdir(dir, part, size, 0, &used));
        CHECK_EQ(used, size);
        CHECK_EQ(memcmp(part, whole, size < 21 ? size : 21), 0); // 3 bytes of padding follow
        CHECK_EQ(part[size], 0xaa);
    }
    // No stale bytes of the host in the padding.
    for (size_t at = 0; at + 24 <= all_used;) {
        __wasi_dirent_t d;
        memcpy(&d, whole + at, sizeof d);
        CHECK(whole[at + 21] == 0 && whole[at + 22] == 0 && whole[at + 23] == 0);
        at += 24 + d.d_namlen;
    }

    // A change shows after starting again.
    CHECK_OK(__wasi_path_unlink_file(dir, longest));
    CHECK_EQ(list(dir, 4096, 0), 6);
    make_file(dir, "new", "");
    CHECK_EQ(list(dir, 4096, 0), 7);
    CHECK(entry(7, "new") != NULL);

    // Two descriptors of one directory do not disturb each other.
    __wasi_fd_t twin = open_dir(work, "dir");
    size_t u1, u2;
    uint8_t b1[300], b2[300];
    CHECK_OK(__wasi_fd_readdir(dir, b1, sizeof b1, 0, &u1));
    CHECK_OK(__wasi_fd_readdir(twin, b2, 30, 0, &u2));
    CHECK_OK(__wasi_fd_readdir(dir, b2, sizeof b2, 0, &u2));
    CHECK_EQ(u1, u2);
    CHECK_OK(__wasi_fd_close(twin));
    // Paths below it still work after it was read.
    CHECK_OK(look(dir, "file"));

    // A cookie nobody gave out: whatever comes, it is no crash and no endless loop.
    const __wasi_dircookie_t odd[] = {1, 12345, 1ull << 62, 1ull << 63, UINT64_MAX};
    for (size_t i = 0; i < 5; i++) (void)!__wasi_fd_readdir(dir, whole, 4096, odd[i], &used);
    CHECK_EQ(list(dir, 4096, 0), 7);

    // Many.
    CHECK_OK(__wasi_path_create_directory(work, "many"));
    __wasi_fd_t many = open_dir(work, "many");
    char name[32];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "entry-number-%04d", i);
        make_file(many, name, "");
    }
    const size_t sizes[] = {64, 100, 777, 4096, 100000};
    for (size_t s = 0; s < 5; s++) {
        int n = list(many, sizes[s], 0);
        CHECK_EQ(n, 1002);
        static uint8_t seen[1000];
        memset(seen, 0, sizeof seen);
        unsigned once = 0;
        for (int i = 0; i < n; i++) {
            int k = 0;
            if (sscanf(entries[i].name, "entry-number-%d", &k) == 1 && !seen[k]++) once++;
        }
        CHECK_EQ(once, 1000);
    }

    // Deleting while reading, as rm -r does: what was not deleted is never skipped.
    int left = 1000;
    for (int round = 0; round < 100 && left > 0; round++) {
        int n = list(many, 512, 0);
        for (int i = 0; i < n && i < 50; i++)
            if (entries[i].name[0] == 'e' &&
                __wasi_path_unlink_file(many, entries[i].name) == 0)
                left--;
    }
    CHECK_EQ(left, 0);
    CHECK_OK(__wasi_path_remove_directory(work, "many"));
    // A directory that is gone has nothing in it.
    __wasi_errno_t err = __wasi_fd_readdir(many, whole, sizeof whole, 0, &used);
    CHECK_ANY(err, E(SUCCESS), E(NOENT));

    __wasi_fd_t file = open_file(dir, "file", 0);
    CHECK_ANY(__wasi_fd_readdir(file, whole, 100, 0, &used), E(NOTDIR), E(BADF), E(NOTCAPABLE));
    CHECK_ANY(__wasi_fd_readdir(1, whole, 100, 0, &used), E(NOTDIR), E(BADF), E(NOTCAPABLE));
    CHECK_ERRNO(__wasi_fd_readdir(BAD_FD, whole, 100, 0, &used), BADF);
    return check_done();
}
