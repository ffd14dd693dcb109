// Questions to LLVM about targets, which its C interface cannot answer.

#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>

#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <llvm-c/TargetMachine.h>
#include <llvm/MC/MCSubtargetInfo.h>
#include <llvm/MC/TargetRegistry.h>
#include <llvm/Support/ErrorHandling.h>

#include "aotc.h"

namespace {

// LLVM gives up: say so in one line, as every other failure does, and leave nothing behind.
void
fatal(void *, const char *reason, bool)
{
    std::fprintf(stderr, "arena-aotc: LLVM cannot compile this: %s\n", reason);
    std::_Exit(3);
}

std::unique_ptr<llvm::MCSubtargetInfo>
subtarget(const char *arch)
{
    const std::string triple = std::string(arch) + "-pc-linux-gnu";
    std::string error;
    const llvm::Target *target =
        llvm::TargetRegistry::lookupTarget(triple, error);
    if (!target)
        return nullptr;
    return std::unique_ptr<llvm::MCSubtargetInfo>(
        target->createMCSubtargetInfo(triple, "", ""));
}

} // namespace

extern "C" void
aotc_init(void)
{
    llvm::install_fatal_error_handler(fatal, nullptr);
    llvm::install_bad_alloc_error_handler(fatal, nullptr);

    LLVMInitializeX86TargetInfo();
    LLVMInitializeX86Target();
    LLVMInitializeX86TargetMC();
    LLVMInitializeX86AsmPrinter();

    LLVMInitializeAArch64TargetInfo();
    LLVMInitializeAArch64Target();
    LLVMInitializeAArch64TargetMC();
    LLVMInitializeAArch64AsmPrinter();
}

extern "C" bool
aotc_knows_cpu(const char *arch, const char *cpu)
{
    const auto info = subtarget(arch);
    return info && info->isCPUStringValid(cpu);
}

extern "C" bool
aotc_knows_feature(const char *arch, const char *feature)
{
    const auto info = subtarget(arch);
    if (!info)
        return false;
    for (const auto &known : info->getAllProcessorFeatures()) {
        if (llvm::StringRef(known.Key) == feature)
            return true;
    }
    return false;
}

extern "C" char *
aotc_host_cpu(void)
{
    return LLVMGetHostCPUName();
}

extern "C" char *
aotc_host_features(void)
{
    return LLVMGetHostCPUFeatures();
}

extern "C" void
aotc_free_string(char *string)
{
    LLVMDisposeMessage(string);
}
