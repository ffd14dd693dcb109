/* The register of memory_base.h, where the kernel has to be asked for it. */
#include "arena_wamr.h"
#include "memory_base.h"

#if defined(BUILD_TARGET_X86_64)
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

/* <asm/prctl.h> does not come with every C library. */
#define SET_GS 0x1001

bool arena_memory_base_by_kernel;

/* What the thread has there. The system call is needed only when that changes,
   which it seldom does: a thread runs one instance again and again. */
static __thread uint64_t known;

void
arena_use_kernel_for_memory_base(bool use)
{
    arena_memory_base_by_kernel = use;
}

uint64_t
arena_memory_base(void)
{
    return known;
}

void
arena_set_memory_base(uint64_t base)
{
    if (base == known && base != 0)
        return;
    /* Refused are addresses of the kernel only. Native code would go on with
       another instance's memory. */
    if (syscall(SYS_arch_prctl, SET_GS, base) != 0)
        abort();
    known = base;
}

#else

void
arena_use_kernel_for_memory_base(bool use)
{
    (void)use;
}

uint64_t
arena_memory_base(void)
{
    return 0;
}

void
arena_set_memory_base(uint64_t base)
{
    (void)base;
}

#endif
