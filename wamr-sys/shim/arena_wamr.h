/*
 * What the Rust side needs of WAMR beyond wasm_export.h: each function here
 * reaches into one internal of WAMR, does one thing and decides nothing.
 */
#ifndef ARENA_WAMR_H
#define ARENA_WAMR_H

#include <stdbool.h>
#include <stdint.h>

#include "wasm_export.h"

/* ---- process and threads (posix_thread.c, host.c) ---- */

/* Initialises WAMR for the process and the calling thread. `wake_signal` is
   sent to threads of a module that is stopped; its handler is installed here,
   and threads that run modules must not block it. */
bool
arena_wamr_init(int wake_signal);

/* The exec_env that runs on the calling thread, or NULL; replaced by `env`. */
wasm_exec_env_t
arena_swap_thread_exec_env(wasm_exec_env_t env);

/* ---- the base of linear memory (memory_base.c) ---- */

/* Whether the kernel is to be asked for the register that memory_base.h is
   about. To be said before arena_wamr_init. */
void
arena_use_kernel_for_memory_base(bool use);

/* Only where the kernel is asked: what the register holds in this thread, and
   writing it. */
uint64_t
arena_memory_base(void);

void
arena_set_memory_base(uint64_t base);

/* ---- instances (host.c) ---- */

/* Pages that each memory of the module begins with, summed over imported and
   own memories; UINT64_MAX for an unknown module type. */
uint64_t
arena_module_initial_pages(wasm_module_t module);

/* Takes the names from those exports that WAMR would call by itself at each
   instantiation, as constructors: a WASI module's _start and _initialize call
   them. To be used before the first instance is made. */
void
arena_hide_constructors(wasm_module_t module);

/* wasm_runtime_call_wasm, also for a host function that an AOT module exports
   again, which upstream calls with the arguments in the wrong place. */
bool
arena_call(wasm_exec_env_t env, wasm_function_inst_t function, uint32_t argc,
           uint32_t argv[]);

/* Copies the function indices of the call stack that the last trap left, the
   innermost first, and returns how many frames there were. */
uint32_t
arena_trap_frames(wasm_module_inst_t instance, uint32_t *func_indices,
                  uint32_t capacity);

/* ---- stopping (host.c) ---- */

/* Tells all threads of the module that runs in `env` to end with the exception
   "terminated by user". Threads that block in a system call, or run AOT code,
   which does not look for that, are sent the wake signal, which may have to be
   repeated. `thread` is the one that runs in `env` itself, or 0 if none does.
   Returns the number of the module's other threads.
   The caller guarantees that `env` is alive, and that `thread` stays there
   meanwhile. */
uint32_t
arena_stop(wasm_exec_env_t env, uint64_t thread);

/* The number of the module's functions, imported ones and its own. */
uint32_t
arena_function_count(wasm_module_t module);

/* Whether arena_stop was called, or another thread of the module trapped. */
bool
arena_is_stopping(wasm_exec_env_t env);

/* Marks the calling thread, which runs in `env`, as blocking in a system call
   that arena_stop has to interrupt. Returns false, and marks nothing, when the
   module is to stop. */
bool
arena_begin_blocking(wasm_exec_env_t env);

void
arena_end_blocking(wasm_exec_env_t env);

/* Whether a thread is between the two. */
bool
arena_is_blocking(wasm_exec_env_t env);

/* Called with each exec_env that the calling thread creates (`created`) and
   destroys: it makes code that runs during instantiation stoppable. */
typedef void (*arena_exec_env_hook)(void *context, wasm_exec_env_t env,
                                    bool created);

/* Exchanges the calling thread's hook, which may be NULL, for another. */
void
arena_swap_exec_env_hook(arena_exec_env_hook *hook, void **context);

/* ---- looking at call stacks (profile.c) ---- */

/* Makes the calling thread one that looks at its own wasm call stack whenever
   it gets the signal `signo`, whose handler is installed here and stays. Looks
   of before are forgotten. One thread of the process at a time. */
bool
arena_profile_begin(int signo);

/* Ends that; to be called by the same thread. */
void
arena_profile_end(void);

/* Takes the oldest look that was not taken yet; returns false if there is none.
   `code_offset` is the place in the code of an AOT module that the thread was
   at, or UINT32_MAX. The function indices of the frames are copied, the
   innermost first, and `count` is their number, `capacity` at the most; `deeper`
   tells that there were more. Frames may be wrong now and then, also with
   indices that no function has: see profile.c. One thread at a time takes, which
   may be another than that which looks. */
bool
arena_profile_take(uint32_t *code_offset, uint32_t *func_indices,
                   uint32_t capacity, uint32_t *count, bool *deeper);

/* How many looks found no place since arena_profile_begin. */
uint32_t
arena_profile_lost(void);

/* Where the module's own functions begin in its code, the first for the function
   that comes after the imported ones, and then where the last one ends: up to
   `capacity` offsets. Returns their number, 0 if the module is no AOT code. */
uint32_t
arena_code_offsets(wasm_module_t module, uint32_t *offsets, uint32_t capacity);

#endif
