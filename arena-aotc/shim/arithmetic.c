/*
 * Floating-point arithmetic that LLVM can optimize.
 *
 * WAMR asks for arithmetic whose exceptions and rounding can be observed, which WebAssembly has not
 * got, and which LLVM neither vectorizes, hoists nor merges. Here it becomes ordinary arithmetic. But
 * LLVM takes x * 1, x / 1, x + -0 and their like for x, which would leave a signalling NaN as it is,
 * where WebAssembly makes it quiet. So those stay as WAMR has them.
 */
#include <llvm-c/Core.h>

#include <stdarg.h>
#include <string.h>

#include "aotc.h"
#include "aot_llvm.h"

#define CONSTRAINED "llvm.experimental.constrained."

static bool
is_constant(LLVMValueRef value, double one, double other)
{
    LLVMBool inexact;
    double number;

    /* Others, as undefined ones, are none that WAMR makes. */
    if (!LLVMIsAConstantFP(value))
        return false;
    number = LLVMConstRealGetDouble(value, &inexact);
    return number == one || number == other;
}

/* Zeros are equal whatever their sign. */
static bool
is_zero(LLVMValueRef value)
{
    return is_constant(value, 0.0, 0.0);
}

static bool
is_unit(LLVMValueRef value)
{
    return is_constant(value, 1.0, -1.0);
}

static LLVMValueRef
build(LLVMBuilderRef builder, const char *name, LLVMValueRef left, LLVMValueRef right)
{
    if (!strncmp(name, "fadd.", 5) && !is_zero(left) && !is_zero(right))
        return LLVMBuildFAdd(builder, left, right, "fadd");
    if (!strncmp(name, "fsub.", 5) && !is_zero(left) && !is_zero(right))
        return LLVMBuildFSub(builder, left, right, "fsub");
    if (!strncmp(name, "fmul.", 5) && !is_unit(left) && !is_unit(right))
        return LLVMBuildFMul(builder, left, right, "fmul");
    if (!strncmp(name, "fdiv.", 5) && !is_unit(right))
        return LLVMBuildFDiv(builder, left, right, "fdiv");
    return NULL;
}

LLVMValueRef
aotc_call_llvm_intrinsic_v(const AOTCompContext *context, const AOTFuncContext *function,
                           const char *name, LLVMTypeRef result, LLVMTypeRef *parameters,
                           int parameter_count, va_list arguments)
{
    /* With the mode of rounding and that of exceptions. */
    const int of_two_operands = 4;
    LLVMValueRef built = NULL;
    va_list copy;

    if (!strncmp(name, CONSTRAINED, strlen(CONSTRAINED)) && parameter_count == of_two_operands) {
        LLVMValueRef left, right;

        va_copy(copy, arguments);
        left = va_arg(copy, LLVMValueRef);
        right = va_arg(copy, LLVMValueRef);
        va_end(copy);
        built = build(context->builder, name + strlen(CONSTRAINED), left, right);
    }
    if (built)
        return built;
    return aot_call_llvm_intrinsic_v(context, function, name, result, parameters,
                                     parameter_count, arguments);
}
