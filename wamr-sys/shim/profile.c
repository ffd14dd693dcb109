/*
 * Looks at the wasm call stack of one thread, from a signal handler on it: see
 * arena_wamr.h.
 *
 * The signal comes between any two instructions, so what the handler finds may
 * be half done: a frame whose place on the stack is taken but not yet filled
 * in, or given back but still the current one. What a frame says is then what
 * was in its place before, which may be a module's data. Therefore:
 *
 * - Only what stays as it is while the thread runs a module is followed without
 *   a check: the exec_env, its instance, that one's module, and the bounds of
 *   the exec_env's stack.
 * - Frames are read within those bounds only, from the innermost outwards, and
 *   each has to lie below the one before it. So the walk ends, and reads no
 *   byte that is not the stack's.
 * - A frame's function is compared with the instance's table of functions, and
 *   not followed.
 *
 * What comes of a half-done frame is a wrong name in one look of thousands.
 *
 * The handler changes only the ring, calls nothing, and so leaves errno, locks
 * and memory as they are. The kernel blocks the signal meanwhile. The wake
 * signal may interrupt it, and does nothing then: the program counter is in
 * this file.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "aot_code.h"
#include "arena_wamr.h"
#include "iwasm/compilation/aot_stack_frame.h"
#include "wasm_interp.h"
#include "wasm_runtime.h"

#define FRAMES 256
/* Each look is taken before the next signal is sent, unless the machine is
   busy. */
#define LOOKS 32

struct look {
    uint32_t code_offset;
    uint32_t count;
    bool deeper;
    uint32_t func_indices[FRAMES];
};

/* Written by the handler, on one thread, and read by another one. `written` and
   `taken` count for ever; what is between them is the reader's, the rest the
   handler's. */
static struct look ring[LOOKS];
static uint32_t written, taken, lost;

/* The handler looks at no other thread than this, whoever gets the signal. */
static __thread bool looks;

/* Reads what the interrupted code is changing. */
#define READ(place) (*(__typeof__(place) volatile *)&(place))

/* Takes up a frame's function; returns false when there is no more room. */
static bool
add(struct look *look, uint32_t func_index)
{
    if (look->count == FRAMES) {
        look->deeper = true;
        return false;
    }
    look->func_indices[look->count++] = func_index;
    return true;
}

#if WASM_ENABLE_AOT != 0
static void
look_at_aot(const WASMExecEnv *env, const AOTModule *module, uintptr_t pc,
            struct look *look)
{
    uintptr_t bottom = (uintptr_t)env->wasm_stack.bottom;
    uintptr_t end = (uintptr_t)env->wasm_stack.top_boundary;
    uintptr_t top = (uintptr_t)READ(env->wasm_stack.top);

    if (is_in_code_of(module, pc))
        look->code_offset = (uint32_t)(pc - (uintptr_t)module->code);
    /* Code that was compiled without frames, or with another kind of them. */
    if (!(module->feature_flags & WASM_FEATURE_TINY_STACK_FRAME))
        return;
    if (top < bottom || top > end || (top - bottom) % sizeof(AOTTinyFrame) != 0)
        return;
    while (top > bottom) {
        top -= sizeof(AOTTinyFrame);
        if (!add(look, READ(((AOTTinyFrame *)top)->func_index)))
            return;
    }
}
#endif

static void
look_at_interpreter(const WASMExecEnv *env, struct look *look)
{
    const WASMModuleInstance *instance =
        (const WASMModuleInstance *)env->module_inst;
    uintptr_t functions = (uintptr_t)instance->e->functions;
    uintptr_t functions_size =
        (uintptr_t)instance->e->function_count * sizeof(WASMFunctionInstance);
    uintptr_t bottom = (uintptr_t)env->wasm_stack.bottom;
    uintptr_t end = (uintptr_t)env->wasm_stack.top_boundary;
    uintptr_t at = (uintptr_t)READ(env->cur_frame);

    while (at >= bottom && at < end && end - at >= sizeof(WASMInterpFrame)) {
        /* A frame begins at a multiple of 4, not of 8. */
        struct WASMInterpFrame *outer;
        struct WASMFunctionInstance *function;
        memcpy(&outer, (const char *)at + offsetof(WASMInterpFrame, prev_frame),
               sizeof(outer));
        memcpy(&function,
               (const char *)at + offsetof(WASMInterpFrame, function),
               sizeof(function));
        /* Without a function: where the host has called. */
        if (function) {
            uintptr_t offset = (uintptr_t)function - functions;
            if (offset >= functions_size
                || offset % sizeof(WASMFunctionInstance) != 0)
                return;
            if (!add(look, (uint32_t)(offset / sizeof(WASMFunctionInstance))))
                return;
        }
        if ((uintptr_t)outer >= at)
            return;
        at = (uintptr_t)outer;
    }
}

static void
on_look(int signo, siginfo_t *info, void *context)
{
    uint32_t at = written;
    struct look *look = &ring[at % LOOKS];
    WASMExecEnv *env;

    (void)signo;
    (void)info;
    if (!looks)
        return;
    if (at - __atomic_load_n(&taken, __ATOMIC_ACQUIRE) >= LOOKS) {
        __atomic_fetch_add(&lost, 1, __ATOMIC_RELAXED);
        return;
    }
    look->code_offset = UINT32_MAX;
    look->count = 0;
    look->deeper = false;
    env = wasm_runtime_get_exec_env_tls();
    if (env && env->module_inst) {
#if WASM_ENABLE_AOT != 0
        AOTModule *module = aot_module_of(env->module_inst);
        if (module)
            look_at_aot(env, module, program_counter(context), look);
#endif
        if (env->module_inst->module_type == Wasm_Module_Bytecode)
            look_at_interpreter(env, look);
    }
    __atomic_store_n(&written, at + 1, __ATOMIC_RELEASE);
}

bool
arena_profile_begin(int signo)
{
    /* System calls go on after it, as far as the kernel knows how. */
    struct sigaction action = { .sa_sigaction = on_look,
                                .sa_flags =
                                    SA_SIGINFO | SA_ONSTACK | SA_RESTART };
    sigset_t set;

    if (sigaction(signo, &action, NULL) != 0)
        return false;
    sigemptyset(&set);
    sigaddset(&set, signo);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    __atomic_store_n(&taken, written, __ATOMIC_RELEASE);
    __atomic_store_n(&lost, 0, __ATOMIC_RELAXED);
    looks = true;
    return true;
}

void
arena_profile_end(void)
{
    looks = false;
}

bool
arena_profile_take(uint32_t *code_offset, uint32_t *func_indices,
                   uint32_t capacity, uint32_t *count, bool *deeper)
{
    uint32_t at = taken;
    const struct look *look = &ring[at % LOOKS];

    if (at == __atomic_load_n(&written, __ATOMIC_ACQUIRE))
        return false;
    *code_offset = look->code_offset;
    *count = look->count < capacity ? look->count : capacity;
    *deeper = look->deeper || look->count > capacity;
    memcpy(func_indices, look->func_indices, *count * sizeof(uint32_t));
    __atomic_store_n(&taken, at + 1, __ATOMIC_RELEASE);
    return true;
}

uint32_t
arena_profile_lost(void)
{
    return __atomic_load_n(&lost, __ATOMIC_RELAXED);
}

uint32_t
arena_code_offsets(wasm_module_t module, uint32_t *offsets, uint32_t capacity)
{
#if WASM_ENABLE_AOT != 0
    if (module->module_type == Wasm_Module_AoT) {
        AOTModule *aot = (AOTModule *)module;
        uint32 end = aot->code_size;
        /* Behind the functions are jumps to the engine's. */
        if (!aot->is_indirect_mode && end >= aot_get_plt_table_size())
            end -= aot_get_plt_table_size();
        for (uint32 i = 0; i < aot->func_count && i < capacity; i++)
            offsets[i] = (uint32_t)((uintptr_t)aot->func_ptrs[i]
                                    - (uintptr_t)aot->code);
        if (aot->func_count < capacity)
            offsets[aot->func_count] = end;
        return aot->func_count + 1;
    }
#endif
    return 0;
}
