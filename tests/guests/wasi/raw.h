// The imports as the module really declares them, every parameter an integer: for what the
// typed functions of <wasi/api.h> cannot say, such as a path with a NUL in it, a pointer
// outside of memory, or a whence of 256.
#ifndef ARENA_RAW_H
#define ARENA_RAW_H

#include <stdint.h>

#define RAW(name, ...)                                                                    \
    __attribute__((import_module("wasi_snapshot_preview1"), import_name(#name))) int32_t  \
        raw_##name(__VA_ARGS__)

typedef uint32_t ptr; // an address in linear memory
#define P(x) ((ptr)(uintptr_t)(x))

RAW(args_get, ptr, ptr);
RAW(args_sizes_get, ptr, ptr);
RAW(environ_get, ptr, ptr);
RAW(environ_sizes_get, ptr, ptr);
RAW(clock_res_get, int32_t, ptr);
RAW(clock_time_get, int32_t, int64_t, ptr);
RAW(fd_advise, int32_t, int64_t, int64_t, int32_t);
RAW(fd_fdstat_get, int32_t, ptr);
RAW(fd_filestat_get, int32_t, ptr);
RAW(fd_pread, int32_t, ptr, uint32_t, int64_t, ptr);
RAW(fd_prestat_get, int32_t, ptr);
RAW(fd_prestat_dir_name, int32_t, ptr, uint32_t);
RAW(fd_pwrite, int32_t, ptr, uint32_t, int64_t, ptr);
RAW(fd_read, int32_t, ptr, uint32_t, ptr);
RAW(fd_readdir, int32_t, ptr, uint32_t, int64_t, ptr);
RAW(fd_seek, int32_t, int64_t, int32_t, ptr);
RAW(fd_tell, int32_t, ptr);
RAW(fd_write, int32_t, ptr, uint32_t, ptr);
RAW(path_create_directory, int32_t, ptr, uint32_t);
RAW(path_filestat_get, int32_t, int32_t, ptr, uint32_t, ptr);
RAW(path_filestat_set_times, int32_t, int32_t, ptr, uint32_t, int64_t, int64_t, int32_t);
RAW(path_link, int32_t, int32_t, ptr, uint32_t, int32_t, ptr, uint32_t);
RAW(path_open, int32_t, int32_t, ptr, uint32_t, int32_t, int64_t, int64_t, int32_t, ptr);
RAW(path_readlink, int32_t, ptr, uint32_t, ptr, uint32_t, ptr);
RAW(path_remove_directory, int32_t, ptr, uint32_t);
RAW(path_rename, int32_t, ptr, uint32_t, int32_t, ptr, uint32_t);
RAW(path_symlink, ptr, uint32_t, int32_t, ptr, uint32_t);
RAW(path_unlink_file, int32_t, ptr, uint32_t);
RAW(poll_oneoff, ptr, ptr, uint32_t, ptr);
RAW(random_get, ptr, uint32_t);
RAW(sock_accept, int32_t, int32_t, ptr);
RAW(sock_recv, int32_t, ptr, uint32_t, int32_t, ptr, ptr);
RAW(sock_send, int32_t, ptr, uint32_t, int32_t, ptr);
RAW(sock_shutdown, int32_t, int32_t);

// The first address behind linear memory.
static inline uint64_t memory_end(void) {
    return (uint64_t)__builtin_wasm_memory_size(0) * 65536;
}

#endif
