//! Memory that nobody uses any more.

/// Gives memory that was freed back to the system. The allocator keeps it otherwise, since it may
/// be asked for again; after many modules have come and gone that is most of what a process has.
///
/// It takes some milliseconds for a large heap, in which other threads may have to wait when they
/// allocate.
pub fn release_free_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: it takes no pointer, and the allocator locks what it changes.
    unsafe {
        libc::malloc_trim(0);
    }
}
