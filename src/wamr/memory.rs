//! Checked access to a guest's linear memory.

use std::io;
use std::marker::PhantomData;
use std::os::fd::{AsRawFd, BorrowedFd};

use wamr_sys as sys;

/// The linear memory of an instance.
///
/// Every access is checked against the memory's size at that moment; memory
/// can grow between two accesses, but never shrink or move. With guest threads
/// other code may write at the same time: what is read are then bytes of one
/// moment or another, no more is promised.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    instance: sys::wasm_module_inst_t,
    _alive: PhantomData<&'a ()>,
}

/// An access outside of linear memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{length} bytes at {at:#x} are outside of the module's memory of {size} bytes")]
pub struct OutOfBounds {
    /// Where the access begins.
    pub at: u32,
    /// Its length in bytes.
    pub length: u64,
    /// The memory's size in bytes.
    pub size: u64,
}

/// At most this many ranges are transferred by one call, as by the system.
const MAX_RANGES: usize = 1024;

macro_rules! integers {
    ($($read:ident, $write:ident: $type:ty;)*) => {$(
        #[doc = concat!("Reads a little-endian `", stringify!($type), "`.")]
        ///
        /// # Errors
        /// When it is not within the memory.
        pub fn $read(&self, at: u32) -> Result<$type, OutOfBounds> {
            let mut bytes = [0; size_of::<$type>()];
            self.read(at, &mut bytes)?;
            Ok(<$type>::from_le_bytes(bytes))
        }

        #[doc = concat!("Writes a little-endian `", stringify!($type), "`.")]
        ///
        /// # Errors
        /// When it is not within the memory.
        pub fn $write(&self, at: u32, value: $type) -> Result<(), OutOfBounds> {
            self.write(at, &value.to_le_bytes())
        }
    )*};
}

impl<'a> Memory<'a> {
    /// The memory of `instance`, which the caller keeps alive for `'a`.
    pub(super) fn of(instance: sys::wasm_module_inst_t) -> Memory<'a> {
        Memory {
            instance,
            _alive: PhantomData,
        }
    }

    /// The size in bytes; 0 for a module without memory.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.region().1
    }

    /// The first byte and the size.
    fn region(&self) -> (*mut u8, u64) {
        // SAFETY: the instance is alive for 'a, and so is its memory.
        unsafe {
            let memory = sys::wasm_runtime_get_default_memory(self.instance);
            if memory.is_null() {
                return (std::ptr::null_mut(), 0);
            }
            // The size is read once: pages are added at the end only.
            let pages = sys::wasm_memory_get_cur_page_count(memory);
            let size = pages.saturating_mul(sys::wasm_memory_get_bytes_per_page(memory));
            (sys::wasm_memory_get_base_address(memory).cast(), size)
        }
    }

    /// The place of `length` bytes at `at`, which are all within the memory.
    fn place(&self, at: u32, length: u64) -> Result<*mut u8, OutOfBounds> {
        let (base, size) = self.region();
        let end = u64::from(at).checked_add(length);
        if base.is_null() && length > 0 || end.is_none_or(|end| end > size) {
            return Err(OutOfBounds { at, length, size });
        }
        Ok(base.wrapping_add(at as usize))
    }

    /// Whether `length` bytes at `at` are within the memory.
    ///
    /// # Errors
    /// When they are not.
    pub fn check(&self, at: u32, length: u32) -> Result<(), OutOfBounds> {
        self.place(at, length.into()).map(|_| ())
    }

    /// Reads the bytes at `at` into all of `into`.
    ///
    /// # Errors
    /// When they are not all within the memory; nothing is read then.
    pub fn read(&self, at: u32, into: &mut [u8]) -> Result<(), OutOfBounds> {
        let from = self.place(at, into.len() as u64)?;
        // SAFETY: `place` has checked the range, which stays mapped for 'a,
        // and host memory does not overlap guest memory. The copy is C's:
        // guest threads may write to the range meanwhile.
        unsafe { libc::memcpy(into.as_mut_ptr().cast(), from.cast(), into.len()) };
        Ok(())
    }

    /// Writes `bytes` at `at`.
    ///
    /// # Errors
    /// When they are not all within the memory; nothing is written then.
    pub fn write(&self, at: u32, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let to = self.place(at, bytes.len() as u64)?;
        // SAFETY: as in `read`, with the directions exchanged.
        unsafe { libc::memcpy(to.cast(), bytes.as_ptr().cast(), bytes.len()) };
        Ok(())
    }

    /// Reads `length` bytes at `at`. Nothing is allocated for a range that is
    /// not within the memory.
    ///
    /// # Errors
    /// When they are not all within the memory.
    pub fn read_vec(&self, at: u32, length: u32) -> Result<Vec<u8>, OutOfBounds> {
        self.check(at, length)?;
        let mut bytes = vec![0; length as usize];
        self.read(at, &mut bytes)?;
        Ok(bytes)
    }

    integers! {
        read_u8, write_u8: u8;
        read_u16, write_u16: u16;
        read_u32, write_u32: u32;
        read_u64, write_u64: u64;
    }

    /// Reads from a descriptor straight into guest memory: `readv(2)`, or
    /// `preadv(2)` with an offset in bytes. `ranges` are addresses and lengths;
    /// those after the first 1024 are not used.
    ///
    /// # Errors
    /// The outer error when a range is not within the memory (nothing is read
    /// then), the inner one when the system call fails.
    pub fn read_from(
        &self,
        fd: BorrowedFd<'_>,
        ranges: &[(u32, u32)],
        offset: Option<u64>,
    ) -> Result<io::Result<usize>, OutOfBounds> {
        let (vectors, count) = self.vectors(ranges)?;
        let fd = fd.as_raw_fd();
        // SAFETY: the vectors' ranges are within guest memory, which stays
        // mapped for 'a; the kernel may write anything there.
        Ok(result(unsafe {
            match offset {
                None => libc::readv(fd, vectors.as_ptr(), count),
                Some(offset) => match i64::try_from(offset) {
                    Ok(offset) => libc::preadv(fd, vectors.as_ptr(), count, offset),
                    Err(_) => return Ok(Err(io::Error::from_raw_os_error(libc::EINVAL))),
                },
            }
        }))
    }

    /// Writes to a descriptor straight from guest memory: `writev(2)`, or
    /// `pwritev(2)` with an offset in bytes. `ranges` are addresses and
    /// lengths; those after the first 1024 are not used.
    ///
    /// # Errors
    /// The outer error when a range is not within the memory (nothing is
    /// written then), the inner one when the system call fails.
    pub fn write_to(
        &self,
        fd: BorrowedFd<'_>,
        ranges: &[(u32, u32)],
        offset: Option<u64>,
    ) -> Result<io::Result<usize>, OutOfBounds> {
        let (vectors, count) = self.vectors(ranges)?;
        let fd = fd.as_raw_fd();
        // SAFETY: the vectors' ranges are within guest memory, which stays
        // mapped for 'a.
        Ok(result(unsafe {
            match offset {
                None => libc::writev(fd, vectors.as_ptr(), count),
                Some(offset) => match i64::try_from(offset) {
                    Ok(offset) => libc::pwritev(fd, vectors.as_ptr(), count, offset),
                    Err(_) => return Ok(Err(io::Error::from_raw_os_error(libc::EINVAL))),
                },
            }
        }))
    }

    fn vectors(&self, ranges: &[(u32, u32)]) -> Result<(Vec<libc::iovec>, i32), OutOfBounds> {
        let vectors = ranges
            .iter()
            .take(MAX_RANGES)
            .map(|&(at, length)| {
                Ok(libc::iovec {
                    iov_base: self.place(at, length.into())?.cast(),
                    iov_len: length as usize,
                })
            })
            .collect::<Result<Vec<_>, _>>()?;
        let count = i32::try_from(vectors.len()).unwrap_or(i32::MAX);
        Ok((vectors, count))
    }
}

fn result(returned: isize) -> io::Result<usize> {
    usize::try_from(returned).map_err(|_| io::Error::last_os_error())
}
