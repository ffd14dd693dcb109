//! The register by which AOT code finds its linear memory.

/// What AOT code on x86-64 has as the base of its linear memory, in the thread's GS register. WAMR
/// writes it whenever a call into an instance begins, and never puts it back: a host function that
/// calls another instance would return to code which then reaches the other one's memory.
#[must_use = "the base is put back when this is dropped"]
pub(super) struct MemoryBase {
    #[cfg(target_arch = "x86_64")]
    base: u64,
}

#[cfg(target_arch = "x86_64")]
mod register {
    use std::arch::asm;

    pub(super) fn read() -> u64 {
        let base;
        // SAFETY: reads a register. WAMR has written it with the counterpart of this instruction
        // when the call began that is being served, so processor and kernel allow both.
        unsafe { asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
        base
    }

    pub(super) fn write(base: u64) {
        // SAFETY: as above. Nothing but AOT code uses the register in a program for Linux, and the
        // value is one that it had on this thread.
        unsafe { asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags)) };
    }
}

impl MemoryBase {
    /// To be held while a host function runs.
    pub(super) fn keep() -> MemoryBase {
        MemoryBase {
            #[cfg(target_arch = "x86_64")]
            base: register::read(),
        }
    }
}

#[cfg(target_arch = "x86_64")]
impl Drop for MemoryBase {
    fn drop(&mut self) {
        // Writing takes longer, and is hardly ever needed.
        if register::read() != self.base {
            register::write(self.base);
        }
    }
}
