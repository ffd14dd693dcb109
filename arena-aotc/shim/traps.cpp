#include "traps.h"

#include <llvm/ADT/PostOrderIterator.h>
#include <llvm/ADT/SmallPtrSet.h>
#include <llvm/ADT/SmallVector.h>
#include <llvm/Analysis/DemandedBits.h>
#include <llvm/Analysis/InstructionSimplify.h>
#include <llvm/Analysis/IteratedDominanceFrontier.h>
#include <llvm/Analysis/PostDominators.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/Type.h>

bool
is_in_linear_memory(const llvm::Type *type)
{
    return type->isPointerTy() && type->getPointerAddressSpace() == GS;
}

namespace {

// Loads of the engine's own data cannot trap. Without the GS register they are told by the name that
// WAMR gives to addresses in linear memory.
bool
can_trap(const llvm::LoadInst &load)
{
    const llvm::Value *address = load.getPointerOperand();
    return load.isSimple()
           && (is_in_linear_memory(address->getType())
               || address->getName().starts_with("maddr"));
}

// Whether two values are computed in the same way. WAMR computes an address anew for each access.
bool
is_same(const llvm::Value *one, const llvm::Value *other, unsigned depth = 8)
{
    if (one == other)
        return true;
    const auto *left = llvm::dyn_cast<llvm::Instruction>(one);
    const auto *right = llvm::dyn_cast<llvm::Instruction>(other);
    if (depth == 0 || !left || !right || left->mayHaveSideEffects()
        || llvm::isa<llvm::PHINode>(left) || !left->isSameOperationAs(right))
        return false;
    for (unsigned i = 0; i < left->getNumOperands(); i++) {
        if (!is_same(left->getOperand(i), right->getOperand(i), depth - 1))
            return false;
    }
    return true;
}

// Whether what is stored has been loaded from there, so that the store changes nothing, as far as
// LLVM may find out.
bool
is_put_back(const llvm::StoreInst &store)
{
    const llvm::Value *value = store.getValueOperand();
    if (const auto *cast = llvm::dyn_cast<llvm::BitCastInst>(value))
        value = cast->getOperand(0);
    const auto *load = llvm::dyn_cast<llvm::LoadInst>(value);
    return load && is_same(load->getPointerOperand(), store.getPointerOperand());
}

// What a function needs: its effects, and all that they depend on, the ways to them included.
class Needed
{
  public:
    Needed(llvm::Function &function, llvm::PostDominatorTree &dominators)
    {
        for (llvm::Instruction &instruction : llvm::instructions(function)) {
            if (instruction.mayHaveSideEffects()
                || (instruction.isTerminator() && instruction.getNumSuccessors() == 0))
                take(instruction);
        }
        do {
            while (!waiting.empty())
                take_operands(*waiting.pop_back_val());
            take_ways(dominators);
        } while (!waiting.empty());
    }

    bool has(const llvm::Instruction &instruction) const
    {
        return taken.contains(&instruction);
    }

  private:
    void take(llvm::Instruction &instruction)
    {
        if (!taken.insert(&instruction).second)
            return;
        waiting.push_back(&instruction);
        reached.insert(instruction.getParent());
    }

    void take_operands(llvm::Instruction &instruction)
    {
        const auto *store = llvm::dyn_cast<llvm::StoreInst>(&instruction);
        const bool put_back = store && is_put_back(*store);
        for (llvm::Use &use : instruction.operands()) {
            auto *operand = llvm::dyn_cast<llvm::Instruction>(use);
            const bool is_value =
                store && use.getOperandNo() != llvm::StoreInst::getPointerOperandIndex();
            if (operand && !(put_back && is_value))
                take(*operand);
        }
        // Which value it has depends on the way.
        if (const auto *phi = llvm::dyn_cast<llvm::PHINode>(&instruction)) {
            for (llvm::BasicBlock *from : phi->blocks())
                take(*from->getTerminator());
        }
    }

    // Branches that decide whether a block with something needed is reached.
    void take_ways(llvm::PostDominatorTree &dominators)
    {
        llvm::SmallVector<llvm::BasicBlock *, 32> deciding;
        llvm::ReverseIDFCalculator frontier(dominators);
        frontier.setDefiningBlocks(reached);
        frontier.calculate(deciding);
        for (llvm::BasicBlock *block : deciding)
            take(*block->getTerminator());
    }

    llvm::SmallPtrSet<const llvm::Instruction *, 32> taken;
    llvm::SmallVector<llvm::Instruction *, 64> waiting;
    llvm::SmallPtrSet<llvm::BasicBlock *, 32> reached;
};

// Has nothing depend on what it does not need, as on the operands of x * 0.
void
simplify(llvm::Function &function)
{
    const llvm::SimplifyQuery query(function.getDataLayout());
    for (llvm::BasicBlock *block :
         llvm::ReversePostOrderTraversal<llvm::Function *>(&function)) {
        for (llvm::Instruction &instruction : *block) {
            if (instruction.use_empty() || instruction.mayHaveSideEffects())
                continue;
            llvm::Value *simple = llvm::simplifyInstruction(&instruction, query);
            if (simple && simple != &instruction)
                instruction.replaceAllUsesWith(simple);
        }
    }
}

} // namespace

llvm::PreservedAnalyses
KeepTraps::run(llvm::Function &function, llvm::FunctionAnalysisManager &analyses)
{
    simplify(function);

    const Needed needed(function,
                        analyses.getResult<llvm::PostDominatorTreeAnalysis>(function));
    auto &bits = analyses.getResult<llvm::DemandedBitsAnalysis>(function);
    llvm::SmallVector<llvm::LoadInst *, 16> unneeded;
    for (llvm::Instruction &instruction : llvm::instructions(function)) {
        auto *load = llvm::dyn_cast<llvm::LoadInst>(&instruction);
        if (!load || !can_trap(*load))
            continue;
        // A value can also be needed for bits that it does not have.
        const bool no_bits =
            load->getType()->isIntOrIntVectorTy()
            && (bits.isInstructionDead(load) || bits.getDemandedBits(load).isZero());
        if (no_bits || !needed.has(*load))
            unneeded.push_back(load);
    }
    for (llvm::LoadInst *load : unneeded)
        load->setVolatile(true);
    return llvm::PreservedAnalyses::none();
}
