// LLVM's passes over a module, in place of WAMR's choice of them.
//
// WAMR looks for vectors before anything else is done, when there are none to be found. And it makes
// addresses in linear memory that LLVM cannot compare: with the GS register they are numbers made
// pointers. Here they become places in one object, and accesses of linear memory are told apart from
// those of the engine's own data, which never lie in it.

#include <initializer_list>
#include <utility>

#include <llvm/ADT/SmallVector.h>
#include <llvm/Analysis/TargetLibraryInfo.h>
#include <llvm/IR/Constants.h>
#include <llvm/IR/IRBuilder.h>
#include <llvm/IR/InstIterator.h>
#include <llvm/IR/Instructions.h>
#include <llvm/IR/MDBuilder.h>
#include <llvm/IR/Module.h>
#include <llvm/Passes/PassBuilder.h>
#include <llvm/Target/TargetMachine.h>
#include <llvm/Transforms/Utils/Mem2Reg.h>

#include "../aot/aot_runtime.h"
#include "aot_llvm.h"
#include "traps.h"

namespace {

// Linear memory as an object of which LLVM knows no more than that it stays in its place: while the
// passes run, a function that returns its start; afterwards, address 0 of its address space.
class LinearMemory
{
  public:
    explicit LinearMemory(llvm::Module &module)
      : module(module)
    {
        auto *pointer = llvm::PointerType::get(module.getContext(), GS);
        start = llvm::Function::Create(llvm::FunctionType::get(pointer, false),
                                       llvm::GlobalValue::ExternalLinkage, NAME,
                                       module);
        start->setDoesNotAccessMemory();
        start->setDoesNotThrow();
        start->setWillReturn();
        start->addFnAttr(llvm::Attribute::Speculatable);
    }

    // Makes addresses of numbers into offsets from the start. All are in bounds, since the engine
    // reserves the memory that a 32-bit address and a 32-bit offset can reach.
    void take_in()
    {
        for (llvm::Function &function : module)
            take_in(function);
    }

    // Undoes `take_in`, and leaves nothing that would have to be linked.
    void let_go()
    {
        // The passes remove it where nothing uses it.
        start = module.getFunction(NAME);
        if (!start)
            return;
        auto *zero = llvm::ConstantPointerNull::get(
            llvm::PointerType::get(module.getContext(), GS));
        while (!start->use_empty()) {
            auto *call = llvm::cast<llvm::CallInst>(start->user_back());
            // Nothing is in bounds of no object.
            for (llvm::User *user : call->users()) {
                if (auto *offset = llvm::dyn_cast<llvm::GetElementPtrInst>(user))
                    offset->setNoWrapFlags(llvm::GEPNoWrapFlags::none());
            }
            call->replaceAllUsesWith(zero);
            call->eraseFromParent();
        }
        start->eraseFromParent();
    }

  private:
    static constexpr const char *NAME = "linear_memory";

    void take_in(llvm::Function &function)
    {
        llvm::SmallVector<llvm::IntToPtrInst *, 64> variable;
        llvm::SmallVector<llvm::Use *, 16> constant;
        for (llvm::Instruction &instruction : llvm::instructions(function)) {
            if (auto *cast = llvm::dyn_cast<llvm::IntToPtrInst>(&instruction)) {
                if (is_in_linear_memory(cast->getType()))
                    variable.push_back(cast);
            }
            else if (!llvm::isa<llvm::PHINode>(instruction)) {
                for (llvm::Use &use : instruction.operands()) {
                    if (llvm::isa<llvm::ConstantExpr>(use)
                        && is_in_linear_memory(use->getType()))
                        constant.push_back(&use);
                }
            }
        }
        if (variable.empty() && constant.empty())
            return;

        llvm::IRBuilder<> builder(&*function.getEntryBlock().getFirstInsertionPt());
        llvm::Value *base = builder.CreateCall(start);
        for (llvm::IntToPtrInst *cast : variable) {
            builder.SetInsertPoint(cast);
            cast->replaceAllUsesWith(builder.CreateInBoundsGEP(
                builder.getInt8Ty(), base, cast->getOperand(0)));
            cast->eraseFromParent();
        }
        for (llvm::Use *use : constant) {
            builder.SetInsertPoint(llvm::cast<llvm::Instruction>(use->getUser()));
            auto *number = llvm::ConstantExpr::getPtrToInt(
                llvm::cast<llvm::Constant>(use->get()), builder.getInt64Ty());
            use->set(builder.CreateInBoundsGEP(builder.getInt8Ty(), base, number));
        }
    }

    llvm::Module &module;
    llvm::Function *start;
};

// Says of each load and store which of two kinds of memory it is of. Bulk operations and calls, which
// are of either, say nothing.
void
tell_apart(llvm::Module &module)
{
    llvm::MDBuilder builder(module.getContext());
    auto *root = builder.createTBAARoot("arena-aotc");
    const auto tag = [&](const char *name) {
        auto *type = builder.createTBAAScalarTypeNode(name, root);
        return builder.createTBAAStructTagNode(type, type, 0);
    };
    auto *linear = tag("linear memory"), *engine = tag("engine");
    for (llvm::Function &function : module) {
        for (llvm::Instruction &instruction : llvm::instructions(function)) {
            if (const auto *pointer = llvm::getLoadStorePointerOperand(&instruction)) {
                instruction.setMetadata(
                    llvm::LLVMContext::MD_tbaa,
                    is_in_linear_memory(pointer->getType()) ? linear : engine);
            }
        }
    }
}

llvm::OptimizationLevel
level(unsigned number)
{
    switch (number) {
        case 0:
            return llvm::OptimizationLevel::O0;
        case 1:
            return llvm::OptimizationLevel::O1;
        case 2:
            return llvm::OptimizationLevel::O2;
        default:
            return llvm::OptimizationLevel::O3;
    }
}

void
run_passes(llvm::Module &module, llvm::TargetMachine *machine,
           llvm::OptimizationLevel level)
{
    llvm::PipelineTuningOptions options;
    options.LoopVectorization = true;
    options.SLPVectorization = true;
    options.LoopUnrolling = true;
    llvm::PassBuilder builder(machine, options);

    llvm::LoopAnalysisManager loops;
    llvm::FunctionAnalysisManager functions;
    llvm::CGSCCAnalysisManager components;
    llvm::ModuleAnalysisManager modules;

    // No loop may become a call of these. By the GS register they could not reach linear memory. Without
    // it they could, but a module that is to stop is let go only from its own code, and must not have
    // gigabytes to fill before it comes back to that; and they need not write from the front, so that
    // other stores than the loop's were made before a trap.
    llvm::TargetLibraryInfoImpl library(machine->getTargetTriple());
    for (const llvm::LibFunc function :
         { llvm::LibFunc_memcpy, llvm::LibFunc_memmove, llvm::LibFunc_memset,
           llvm::LibFunc_memset_pattern4, llvm::LibFunc_memset_pattern8,
           llvm::LibFunc_memset_pattern16 })
        library.setUnavailable(function);
    functions.registerPass([&] { return llvm::TargetLibraryAnalysis(library); });

    builder.registerFunctionAnalyses(functions);
    builder.registerLoopAnalyses(loops);
    builder.registerModuleAnalyses(modules);
    builder.registerCGSCCAnalyses(components);
    builder.crossRegisterProxies(loops, functions, components, modules);

    const bool optimized = level != llvm::OptimizationLevel::O0;
    llvm::FunctionPassManager first;
    if (optimized)
        first.addPass(llvm::PromotePass());
    first.addPass(KeepTraps());
    llvm::ModulePassManager passes;
    passes.addPass(llvm::createModuleToFunctionPassAdaptor(std::move(first)));
    passes.addPass(optimized ? builder.buildPerModuleDefaultPipeline(level)
                             : builder.buildO0DefaultPipeline(level));
    passes.run(module, modules);
}

} // namespace

extern "C" void
aotc_optimize(AOTCompContext *context, LLVMModuleRef of)
{
    llvm::Module &module = *llvm::unwrap(of);
    // A call at a function's end stays a call, so that call stacks are whole.
    for (llvm::Function &function : module)
        function.addFnAttr("disable-tail-calls", "true");

    const bool by_gs = context->enable_segue_i32_load;
    auto *machine = reinterpret_cast<llvm::TargetMachine *>(context->target_machine);
    if (by_gs && context->opt_level > 0) {
        LinearMemory memory(module);
        memory.take_in();
        tell_apart(module);
        run_passes(module, machine, level(context->opt_level));
        memory.let_go();
    }
    else {
        run_passes(module, machine, level(context->opt_level));
    }
}
