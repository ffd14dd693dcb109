/* Process set-up, instances, traps and stopping: see arena_wamr.h. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>

#include "aot_code.h"
#include "arena_wamr.h"
#include "bh_vector.h"
#include "thread_manager.h"
#include "wasm_runtime_common.h"

void
os_set_signal_number_for_blocking_op(int signo);

/* Takes what WAMR prints: warnings, and a call stack for each trap. All of it
   reaches the caller as an error or a trap as well. */
int
arena_wamr_vprintf(const char *format, va_list arguments)
{
    (void)format;
    (void)arguments;
    return 0;
}

static int wake_signal;

static bool
is_in_aot_code(WASMExecEnv *env, uintptr_t pc)
{
    AOTModule *module = aot_module_of(env->module_inst);
    return module && is_in_code_of(module, pc);
}

/* Interrupts a system call by its mere existence, and leaves AOT code of a
   module that is to stop.
   Leaving by longjmp is what WAMR's own fault handler does in the same place,
   and sound for the same reason: while the program counter is in the module's
   code, this thread is within no function of WAMR, of the C library or of the
   host that was called after the jump buffer on top was set, so none holds a
   lock or is half done. Anywhere else, nothing happens, and the sender tries
   again. */
static void
on_wake(int signo, siginfo_t *info, void *context)
{
    int saved_errno = errno;
    WASMExecEnv *env = wasm_runtime_get_exec_env_tls();
    (void)info;

    if (env && arena_is_stopping(env) && env->jmpbuf_stack_top
        && is_in_aot_code(env, program_counter(context))) {
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, signo);
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
        os_longjmp(env->jmpbuf_stack_top->jmpbuf, 1);
    }
    errno = saved_errno;
}

bool
arena_wamr_init(int signo)
{
    RuntimeInitArgs args = {
        .mem_alloc_type = Alloc_With_System_Allocator,
        .running_mode = Mode_Interp,
        .max_thread_num = 64,
    };
    /* No SA_RESTART: a system call that is woken has to return. */
    struct sigaction action = { .sa_sigaction = on_wake,
                                .sa_flags = SA_SIGINFO | SA_ONSTACK };

    os_set_signal_number_for_blocking_op(signo);
    wasm_runtime_set_log_level(WASM_LOG_LEVEL_FATAL);
    if (!wasm_runtime_full_init(&args))
        return false;
    /* In place of the empty handler that WAMR has just installed. */
    wake_signal = signo;
    if (sigaction(signo, &action, NULL) != 0) {
        wasm_runtime_destroy();
        return false;
    }
    return true;
}

wasm_exec_env_t
arena_swap_thread_exec_env(wasm_exec_env_t env)
{
    wasm_exec_env_t previous = wasm_runtime_get_exec_env_tls();
    wasm_runtime_set_exec_env_tls(env);
    return previous;
}

/* A memory that a module cannot grow has one page, of the size that it needs. */
#define WHOLE_PAGES(memory)                                                    \
    (((uint64_t)(memory).init_page_count * (memory).num_bytes_per_page         \
      + DEFAULT_NUM_BYTES_PER_PAGE - 1)                                        \
     / DEFAULT_NUM_BYTES_PER_PAGE)

uint64_t
arena_module_initial_pages(wasm_module_t module)
{
    uint64_t pages = 0;
#if WASM_ENABLE_AOT != 0
    if (module->module_type == Wasm_Module_AoT) {
        AOTModule *aot = (AOTModule *)module;
        for (uint32 i = 0; i < aot->import_memory_count; i++)
            pages += WHOLE_PAGES(aot->import_memories[i].mem_type);
        for (uint32 i = 0; i < aot->memory_count; i++)
            pages += WHOLE_PAGES(aot->memories[i]);
        return pages;
    }
#endif
    if (module->module_type == Wasm_Module_Bytecode) {
        WASMModule *wasm = (WASMModule *)module;
        for (uint32 i = 0; i < wasm->import_memory_count; i++)
            pages += WHOLE_PAGES(wasm->import_memories[i].u.memory.mem_type);
        for (uint32 i = 0; i < wasm->memory_count; i++)
            pages += WHOLE_PAGES(wasm->memories[i]);
        return pages;
    }
    return UINT64_MAX;
}

bool
arena_call(wasm_exec_env_t env, wasm_function_inst_t function, uint32_t argc,
           uint32_t argv[])
{
#if WASM_ENABLE_AOT != 0
    AOTFunctionInstance *aot = (AOTFunctionInstance *)function;
    if (env->module_inst->module_type == Wasm_Module_AoT && aot->is_import_func
        && aot->u.func_import->call_conv_raw) {
        AOTImportFunc *import = aot->u.func_import;
        wasm_exec_env_set_thread_info(env);
        return wasm_runtime_invoke_native_raw(
            env, import->func_ptr_linked, import->func_type, NULL,
            import->attachment, argv, argc, argv);
    }
#endif
    return wasm_runtime_call_wasm(env, function, argc, argv);
}

uint32_t
arena_function_count(wasm_module_t module)
{
#if WASM_ENABLE_AOT != 0
    if (module->module_type == Wasm_Module_AoT) {
        AOTModule *aot = (AOTModule *)module;
        return aot->import_func_count + aot->func_count;
    }
#endif
    WASMModule *wasm = (WASMModule *)module;
    return wasm->import_function_count + wasm->function_count;
}

static uint32_t
copy_frames(const Vector *frames, uint32_t *func_indices, uint32_t capacity)
{
    uint32_t count = (uint32_t)bh_vector_size(frames);
    for (uint32_t i = 0; i < count && i < capacity; i++) {
        WASMCApiFrame frame;
        if (!bh_vector_get(frames, i, &frame))
            return i;
        func_indices[i] = frame.func_index;
    }
    return count;
}

uint32_t
arena_trap_frames(wasm_module_inst_t instance, uint32_t *func_indices,
                  uint32_t capacity)
{
    /* Both kinds of instance have this field in the same place. */
    Vector *frames = ((WASMModuleInstance *)instance)->frames;
    uint32_t count =
        frames ? copy_frames(frames, func_indices, capacity) : 0;
    if (count == 0) {
        /* The trap may be another thread's. */
        wasm_exec_env_t env = wasm_clusters_search_exec_env(
            (WASMModuleInstanceCommon *)instance);
        if (env)
            count = copy_frames(&wasm_exec_env_get_cluster(env)->exception_frames,
                                func_indices, capacity);
    }
    return count;
}

/* wasm_runtime_terminate is not used: it walks the frames of a thread that
   runs on, and sleeps with the cluster's lock while a thread blocks. */
static void
stop_thread(WASMExecEnv *env, pthread_t thread)
{
    WASMModuleInstance *instance = (WASMModuleInstance *)env->module_inst;

    exception_lock(instance);
    if (instance->cur_exception[0] == '\0')
        snprintf(instance->cur_exception, sizeof(instance->cur_exception),
                 "Exception: terminated by user");
    exception_unlock(instance);
    WASM_SUSPEND_FLAGS_FETCH_OR(env->suspend_flags,
                                WASM_SUSPEND_FLAG_TERMINATE);
    if (thread
        && ((WASM_SUSPEND_FLAGS_GET(env->suspend_flags)
             & WASM_SUSPEND_FLAG_BLOCKING)
            || env->module_inst->module_type == Wasm_Module_AoT))
        pthread_kill(thread, wake_signal);
}

uint32_t
arena_stop(wasm_exec_env_t env, uint64_t thread)
{
    WASMCluster *cluster = wasm_exec_env_get_cluster(env);
    uint32_t others = 0;

    os_mutex_lock(&cluster->lock);
    cluster->has_exception = true;
    for (WASMExecEnv *e = bh_list_first_elem(&cluster->exec_env_list); e;
         e = bh_list_elem_next(e)) {
        /* A thread that the module has started takes its exec_env from the
           list before it ends; who runs in the first one, only the caller
           knows. */
        stop_thread(e, e == env ? (pthread_t)thread : e->handle);
        others += e != env;
    }
    os_mutex_unlock(&cluster->lock);
    return others;
}

bool
arena_is_stopping(wasm_exec_env_t env)
{
    return (WASM_SUSPEND_FLAGS_GET(env->suspend_flags)
            & WASM_SUSPEND_FLAG_TERMINATE)
           != 0;
}

bool
arena_begin_blocking(wasm_exec_env_t env)
{
    /* In this order: arena_stop sets TERMINATE, then looks for BLOCKING. */
    WASM_SUSPEND_FLAGS_FETCH_OR(env->suspend_flags,
                                WASM_SUSPEND_FLAG_BLOCKING);
    if (arena_is_stopping(env)) {
        arena_end_blocking(env);
        return false;
    }
    return true;
}

bool
arena_is_blocking(wasm_exec_env_t env)
{
    return (WASM_SUSPEND_FLAGS_GET(env->suspend_flags)
            & WASM_SUSPEND_FLAG_BLOCKING)
           != 0;
}

void
arena_end_blocking(wasm_exec_env_t env)
{
    WASM_SUSPEND_FLAGS_FETCH_AND(env->suspend_flags,
                                 ~WASM_SUSPEND_FLAG_BLOCKING);
}

static const char *const run_by_wamr[] = { "__wasm_call_ctors",
                                           "__post_instantiate" };

static void
hide(char **name)
{
    /* Not UTF-8, so that no export has this name and nobody asks for it. */
    static char hidden[] = "\xff";
    for (size_t i = 0; i < sizeof(run_by_wamr) / sizeof(run_by_wamr[0]); i++)
        if (strcmp(*name, run_by_wamr[i]) == 0)
            *name = hidden;
}

void
arena_hide_constructors(wasm_module_t module)
{
#if WASM_ENABLE_AOT != 0
    if (module->module_type == Wasm_Module_AoT) {
        AOTModule *aot = (AOTModule *)module;
        for (uint32 i = 0; i < aot->export_count; i++)
            hide(&aot->exports[i].name);
        return;
    }
#endif
    WASMModule *wasm = (WASMModule *)module;
    for (uint32 i = 0; i < wasm->export_count; i++)
        hide(&wasm->exports[i].name);
}
