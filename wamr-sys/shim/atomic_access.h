/*
 * How the interpreters take the lock for an atomic access to shared memory.
 *
 * One lock serves all shared memories of the process. Upstream takes it and
 * then accesses the memory: an access outside of it faults, the fault is made
 * a trap by a jump out of the interpreter, and the lock is never given back;
 * the next atomic access or memory.grow of any module waits for ever. Here the
 * place is touched first. Accesses are aligned, so all of their bytes are in
 * one page, and shared memory never shrinks.
 */
#ifndef ARENA_ATOMIC_ACCESS_H
#define ARENA_ATOMIC_ACCESS_H

#if WASM_ENABLE_SHARED_MEMORY != 0
#include "wasm_runtime_common.h"
#include "wasm_memory.h"
#include "wasm_shared_memory.h"

#undef shared_memory_lock
#define shared_memory_lock(memory)                  \
    do {                                            \
        if (memory->is_shared_memory) {             \
            (void)*(const volatile uint8 *)maddr;   \
            os_mutex_lock(&g_shared_memory_lock);   \
        }                                           \
    } while (0)
#endif

#endif
