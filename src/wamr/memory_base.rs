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
    use std::sync::atomic::{AtomicBool, Ordering};

    use wamr_sys as sys;

    /// The bit by which the kernel says that programs may use the instructions for it.
    const FSGSBASE: libc::c_ulong = 1 << 1;

    /// Whether the kernel has to be asked, since the instructions would end the process.
    static BY_KERNEL: AtomicBool = AtomicBool::new(false);

    pub(super) fn choose() {
        // SAFETY: reads what the kernel has left at the program's start.
        let says = unsafe { libc::getauxval(libc::AT_HWCAP2) };
        let by_kernel = says & FSGSBASE == 0;
        BY_KERNEL.store(by_kernel, Ordering::Relaxed);
        // SAFETY: sets a variable that is read by threads that run modules, and there is none: the
        // caller is about to initialise WAMR.
        unsafe { sys::arena_use_kernel_for_memory_base(by_kernel) };
    }

    pub(super) fn read() -> u64 {
        if BY_KERNEL.load(Ordering::Relaxed) {
            // SAFETY: reads a variable of this thread.
            return unsafe { sys::arena_memory_base() };
        }
        let base;
        // SAFETY: reads a register; processor and kernel allow it.
        unsafe { asm!("rdgsbase {}", out(reg) base, options(nomem, nostack, preserves_flags)) };
        base
    }

    pub(super) fn write(base: u64) {
        if BY_KERNEL.load(Ordering::Relaxed) {
            // SAFETY: as below.
            unsafe { sys::arena_set_memory_base(base) };
            return;
        }
        // SAFETY: as above. Nothing but AOT code uses the register in a program for Linux, and the
        // value is one that it had on this thread.
        unsafe { asm!("wrgsbase {}", in(reg) base, options(nostack, preserves_flags)) };
    }
}

/// Finds out how the register is read and written here. To be called before WAMR is initialised.
pub(super) fn choose() {
    #[cfg(target_arch = "x86_64")]
    register::choose();
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
