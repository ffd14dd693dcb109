/* Where a signal has interrupted a thread, as far as it is a module's code. */
#ifndef ARENA_AOT_CODE_H
#define ARENA_AOT_CODE_H

#include <ucontext.h>

#include "aot_runtime.h"
#include "wasm_runtime_common.h"

static inline uintptr_t
program_counter(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
    return (uintptr_t)context->uc_mcontext.pc;
#else
#error "which register is the program counter?"
#endif
}

/* The module of an instance that is compiled code, else NULL. */
static inline AOTModule *
aot_module_of(const WASMModuleInstanceCommon *instance)
{
#if WASM_ENABLE_AOT != 0
    if (instance->module_type == Wasm_Module_AoT)
        return (AOTModule *)((const AOTModuleInstance *)instance)->module;
#endif
    return NULL;
}

static inline bool
is_in_code_of(const AOTModule *module, uintptr_t pc)
{
    return pc - (uintptr_t)module->code < module->code_size;
}

#endif
