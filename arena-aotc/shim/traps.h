// Accesses of linear memory that must be made although nothing comes of them.

#ifndef ARENA_AOTC_TRAPS_H
#define ARENA_AOTC_TRAPS_H

#include <llvm/IR/PassManager.h>

namespace llvm {
class Type;
}

// Where addresses are relative to the GS register.
constexpr unsigned GS = 256;

bool
is_in_linear_memory(const llvm::Type *type);

// To WebAssembly a load that is out of bounds traps; to LLVM it is only a value, and one that nothing
// needs is left out. This pass makes such loads volatile, and no others. It comes first, since those
// that follow leave out what they find, but after variables have become values: until then all that is
// put into a variable looks needed.
class KeepTraps : public llvm::PassInfoMixin<KeepTraps>
{
  public:
    llvm::PreservedAnalyses run(llvm::Function &function,
                                llvm::FunctionAnalysisManager &analyses);
    // Also where nothing is to be optimized.
    static bool isRequired() { return true; }
};

#endif
