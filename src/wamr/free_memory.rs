//! Memory that nobody uses any more.

use procfs::process::{MMPermissions, MMapPath, Process};

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

/// Unmaps the pages of the program's own code. What is needed again is mapped again from the page
/// cache, so this leaves what is in use: most of what a process has resident after its start is
/// code that only the start needed, and its neighbours.
pub fn release_unused_code() {
    let Ok(process) = Process::myself() else {
        return;
    };
    let (Ok(program), Ok(maps)) = (process.exe(), process.maps()) else {
        return;
    };
    let code = MMPermissions::READ | MMPermissions::EXECUTE | MMPermissions::PRIVATE;
    for map in maps {
        if map.perms != code || map.pathname != MMapPath::Path(program.clone()) {
            continue;
        }
        let (Ok(begin), Ok(end)) = (
            usize::try_from(map.address.0),
            usize::try_from(map.address.1),
        ) else {
            continue;
        };
        // SAFETY: a private mapping of a file that is not writable, so none of its pages differ
        // from the file, from which the next access brings them back.
        unsafe {
            libc::madvise(
                std::ptr::with_exposed_provenance_mut(begin),
                end - begin,
                libc::MADV_DONTNEED,
            );
        }
    }
}
