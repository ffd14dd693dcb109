/*
 * WAMR's wasm_exec_env.c with two changes.
 *
 * An exec_env holds the operand stack, up to megabytes, of which most modules
 * use a few kilobytes. Upstream clears it with memset, which makes all of it
 * resident; here it comes from calloc, whose large blocks are fresh pages.
 *
 * The code that runs during instantiation (start function, _initialize) does
 * so in an exec_env that upstream creates and destroys on the way. The hook
 * lets a stop reach it.
 */
#include <stdlib.h>
#include <string.h>

#include "thread_manager.h"
#include "wasm_runtime_common.h"
#include "arena_wamr.h"

static __thread struct {
    arena_exec_env_hook call;
    void *context;
} hook;

void
arena_swap_exec_env_hook(arena_exec_env_hook *call, void **context)
{
    arena_exec_env_hook previous_call = hook.call;
    void *previous_context = hook.context;
    hook.call = *call;
    hook.context = *context;
    *call = previous_call;
    *context = previous_context;
}

/* Memory for an exec_env: all zero. Freed by wasm_runtime_free, which is
   free() with the system allocator that arena_wamr_init sets. */
static void *
zeroed(unsigned int size)
{
    return calloc(1, size);
}

/* Skips the clearing of what `zeroed` returned; used once, for exec_env. */
#define memset(block, byte, size) ((void)0)
#define wasm_runtime_malloc(size) zeroed(size)
#define wasm_exec_env_create upstream_exec_env_create
#define wasm_exec_env_destroy upstream_exec_env_destroy
#include "iwasm/common/wasm_exec_env.c"
#undef memset
#undef wasm_runtime_malloc
#undef wasm_exec_env_create
#undef wasm_exec_env_destroy

WASMExecEnv *
wasm_exec_env_create(struct WASMModuleInstanceCommon *instance,
                     uint32 stack_size)
{
    WASMExecEnv *env = upstream_exec_env_create(instance, stack_size);
    if (env && hook.call)
        hook.call(hook.context, env, true);
    return env;
}

void
wasm_exec_env_destroy(WASMExecEnv *env)
{
    if (hook.call) {
        /* Upstream waits for the threads that the start function has started,
           which a stop must reach meanwhile. */
        wasm_cluster_wait_for_all_except_self(wasm_exec_env_get_cluster(env),
                                              env);
        hook.call(hook.context, env, false);
    }
    upstream_exec_env_destroy(env);
}
