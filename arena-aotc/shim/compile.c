/*
 * One module through WAMR's loader and compiler, in memory.
 */
#include "aotc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "aot_compiler.h"
#include "aot_emit_aot_file.h"
#include "aot_llvm.h"
#include "wasm_export.h"

#include <llvm-c/Support.h>

/* WAMR calls its code models "size levels"; 3 is the small one, which is the fastest and what the
 * engine's loader is made for: it maps code where calls and constants are in reach. */
#define CODE_MODEL_SMALL 3

/* All loads and stores; the bits are listed in aot_create_comp_context. */
#define SEGUE_EVERYTHING 0x1F1F

/* Bytes of wasm code above which a function is not vectorized: LLVM's search for stores that belong
 * together takes time in proportion to the square of their number, minutes for one large function. */
#define MAX_VECTORIZED_CODE (16 * 1024)

/* The last line that WAMR printed: often the only reason it gives. */
static char last_message[256];

int
aotc_vprintf(const char *format, va_list arguments)
{
    char line[sizeof(last_message)];
    int length = vsnprintf(line, sizeof(line), format, arguments);
    line[strcspn(line, "\n")] = '\0';
    if (line[0] != '\0')
        memcpy(last_message, line, sizeof(last_message));
    return length;
}

static void
explain(char *error, size_t error_len)
{
    const char *reason = aot_get_last_error();
    if (!reason || !*reason)
        reason = last_message[0] ? last_message : "no reason given";
    /* WAMR puts this before some of its messages. */
    if (!strncmp(reason, "Error: ", 7))
        reason += 7;
    snprintf(error, error_len, "%s", reason);
    error[strcspn(error, "\n")] = '\0';
}

/*
 * What makes the code safe in the engine, which has guard pages behind every linear memory but not
 * below native stacks: memory accesses unchecked, stack use checked at each function's entry.
 */
static void
fill_options(AOTCompOption *to, const struct aotc_options *from,
             const char *stack_usage_file, char **custom_sections,
             uint32_t custom_sections_count)
{
    memset(to, 0, sizeof(*to));
    to->target_arch = (char *)from->arch;
    to->target_abi = (char *)"gnu";
    to->target_cpu = (char *)from->cpu;
    to->cpu_features = (char *)from->features;
    to->output_format = AOT_FORMAT_FILE;
    to->opt_level = from->opt_level;
    to->size_level = CODE_MODEL_SMALL;

    /* WAMR's pipeline for link-time optimization ends before the step in which loops are turned into
     * vectors and unrolled, since a linker would do that; LLVM's usual one has it. */
    to->disable_llvm_lto = true;

    to->bounds_checks = 0;
    to->stack_bounds_checks = 1;
    to->stack_usage_file = stack_usage_file;
    to->enable_aux_stack_check = true;

    to->enable_bulk_memory = true;
    to->enable_bulk_memory_opt = true;
    to->enable_ref_types = true;
    to->enable_call_indirect_overlong = true;
    to->enable_simd = from->simd;
    to->enable_thread_mgr = from->shared_memory;
    to->segue_flags = from->segue ? SEGUE_EVERYTHING : 0;

    to->custom_sections = custom_sections;
    to->custom_sections_count = custom_sections_count;
    /* Also where the runtime itself makes the frame. */
    to->call_stack_features.func_idx = true;
    if (from->call_stack) {
        /* One index is written at each function's entry. Code offsets would cost more and lie: a
         * trap found by the hardware does not bring them up to date. The check of their stack's
         * end must stay, since nothing else relates its size to that of the native stack. */
        to->aux_stack_frame_type = AOT_STACK_FRAME_TYPE_TINY;
        to->call_stack_features.frame_per_function = true;
        to->call_stack_features.bounds_checks = true;
    }
}

static void
add_attribute(AOTCompContext *context, LLVMValueRef function, const char *name)
{
    unsigned kind = LLVMGetEnumAttributeKindForName(name, strlen(name));
    LLVMAddAttributeAtIndex(
        function, LLVMAttributeFunctionIndex,
        LLVMCreateEnumAttribute(context->context, kind, 0));
}

/* What WAMR has no switch for, LLVM takes as attributes of each function. */
static void
tune_functions(AOTCompContext *context, bool optimize_size)
{
    for (uint32 i = 0; i < context->func_ctx_count; i++) {
        AOTFuncContext *function = context->func_ctxes[i];
        if (optimize_size)
            add_attribute(context, function->func, "optsize");
        if (function->aot_func->code_size > MAX_VECTORIZED_CODE)
            add_attribute(context, function->func, "noimplicitfloat");
    }
}

/* What LLVM has as options of its programs only, which are settings of the whole process. */
static void
tune_code(const struct aotc_options *options)
{
    const char *arguments[] = {
        "arena-aotc",
        /* A guest's `select` stays a conditional move: LLVM turns some into jumps, which in sorting
         * and searching cannot be foreseen. */
        "-x86-cmov-converter=false",
        /* What is jumped to, and not run into, begins at the start of a line of decoded code. For
         * loops around a switch it makes a third; code grows by a tenth. */
        "-align-all-nofallthru-blocks=5",
    };
    int count = sizeof(arguments) / sizeof(arguments[0]);

    if (strcmp(options->arch, "x86_64") != 0 || options->opt_level < 3)
        return;
    if (options->optimize_size)
        count--;
    LLVMParseCommandLineOptions(count, arguments, "");
}

bool
aotc_compile(uint8_t *wasm, uint32_t wasm_len,
             const struct aotc_options *options, uint8_t **output,
             uint32_t *output_len, char *error, size_t error_len)
{
    char load_error[128] = { 0 };
    char stack_usage_file[32];
    char *custom_sections[] = { (char *)"name" };
    RuntimeInitArgs init_args;
    AOTCompOption option;
    wasm_module_t module = NULL;
    AOTCompData *data = NULL;
    AOTCompContext *context = NULL;
    int stack_usage_fd;
    bool done = false;

    /* LLVM hands the stack use of each function over in a file, which need not be on a disk. */
    stack_usage_fd = memfd_create("stack-usage", MFD_CLOEXEC);
    if (stack_usage_fd < 0) {
        snprintf(error, error_len, "cannot create a file in memory");
        return false;
    }
    snprintf(stack_usage_file, sizeof(stack_usage_file), "/proc/self/fd/%d",
             stack_usage_fd);
    fill_options(&option, options, stack_usage_file, custom_sections,
                 options->names ? 1 : 0);

    /* WAMR would run what these name in LLVM's stead. */
    unsetenv("WAMRC_LLC_COMPILER");
    unsetenv("WAMRC_ASM_COMPILER");

    tune_code(options);

    memset(&init_args, 0, sizeof(init_args));
    init_args.mem_alloc_type = Alloc_With_System_Allocator;
    if (!wasm_runtime_full_init(&init_args)) {
        snprintf(error, error_len, "cannot start WAMR");
        close(stack_usage_fd);
        return false;
    }

    module = wasm_runtime_load(wasm, wasm_len, load_error, sizeof(load_error));
    if (!module) {
        snprintf(error, error_len, "%s", load_error);
        goto out;
    }
    if (((WASMModule *)module)->is_simd_used
        && !aot_check_simd_compatibility(options->arch, options->cpu)) {
        snprintf(error, error_len,
                 "it uses SIMD, which the processor %s does not have",
                 options->cpu);
        goto out;
    }
    data = aot_create_comp_data((WASMModule *)module, option.target_arch, false);
    if (!data) {
        explain(error, error_len);
        goto out;
    }
    context = aot_create_comp_context(data, &option);
    if (!context) {
        explain(error, error_len);
        goto out;
    }
    tune_functions(context, options->optimize_size);
    if (!aot_compile_wasm(context)) {
        explain(error, error_len);
        goto out;
    }
    *output = aot_emit_aot_file_buf(context, data, output_len);
    if (!*output) {
        explain(error, error_len);
        goto out;
    }
    done = true;

out:
    if (context)
        aot_destroy_comp_context(context);
    if (data)
        aot_destroy_comp_data(data);
    if (module)
        wasm_runtime_unload(module);
    close(stack_usage_fd);
    return done;
}

void
aotc_free(uint8_t *buffer)
{
    wasm_runtime_free(buffer);
}
