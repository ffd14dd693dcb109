/*
 * WAMR's lib_wasi_threads_wrapper.c with another way to make the instance of a
 * new thread.
 *
 * The module's start function runs in it, on the environment of the thread
 * that starts the new one. Upstream leaves that thread's frames in place: a
 * trap then walks functions of one instance with the table of another. And a
 * start function that starts threads itself runs again in each, until the
 * stack is full.
 */
#include "platform_common.h"

#if WASM_ENABLE_LIB_WASI_THREADS != 0

#include "wasm_runtime_common.h"

static WASMModuleInstanceCommon *
instantiate_for_thread(WASMModuleCommon *module,
                       WASMModuleInstanceCommon *parent, WASMExecEnv *env,
                       const struct InstantiationArgs2 *args, char *error_buf,
                       uint32 error_buf_size)
{
    static __thread bool instantiating;
    struct WASMInterpFrame *frame = env->cur_frame;
    WASMModuleInstanceCommon *instance;

    if (instantiating)
        return NULL;
    instantiating = true;
    env->cur_frame = NULL;
    instance = wasm_runtime_instantiate_internal(module, parent, env, args,
                                                 error_buf, error_buf_size);
    env->cur_frame = frame;
    instantiating = false;
    return instance;
}

#define wasm_runtime_instantiate_internal instantiate_for_thread
#include "iwasm/libraries/lib-wasi-threads/lib_wasi_threads_wrapper.c"

#endif /* WASM_ENABLE_LIB_WASI_THREADS */
