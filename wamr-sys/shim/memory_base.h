/*
 * How WAMR writes the register by which AOT code on x86-64 finds its linear
 * memory, the base of GS.
 *
 * Upstream does so whenever a call into a module begins, interpreted ones as
 * well, by an instruction that takes a processor with FSGSBASE and Linux 5.9:
 * without these it ends the process. There the kernel is asked instead.
 *
 * Each of WAMR's files is compiled with this one before it, and with
 * WASM_DISABLE_WRITE_GS_BASE, so that upstream's way is not there.
 */
#ifndef ARENA_MEMORY_BASE_H
#define ARENA_MEMORY_BASE_H

#if defined(BUILD_TARGET_X86_64) && !defined(__ASSEMBLER__)
#include <stdbool.h>
#include <stdint.h>

extern bool arena_memory_base_by_kernel;

void
arena_set_memory_base(uint64_t base);

static inline void
arena_write_memory_base(const void *memory)
{
    uint64_t base = (uint64_t)(uintptr_t)memory;
    if (arena_memory_base_by_kernel)
        arena_set_memory_base(base);
    else
        __asm__ volatile("wrgsbase %0" ::"r"(base) : "memory");
}

#define os_writegsbase(memory) arena_write_memory_base(memory)
#endif

#endif
