//! The descriptor table: which number stands for what, and with which rights.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::{Errno, Result};
use super::object::{Dir, File, Object};
use super::types::Rights;
use super::virtual_file::VirtualDir;

/// One descriptor. Calls work on a clone, so that the table is not locked while they wait,
/// and what they work on lives on when another thread of the guest closes the number.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) object: Arc<Object>,
    /// What may be done with the descriptor itself.
    pub(crate) base: Rights,
    /// What may be done with descriptors opened through it.
    pub(crate) inheriting: Rights,
    /// The name under which the guest finds a directory that was open from the start.
    pub(crate) preopen: Option<Arc<str>>,
    /// Below a directory that was preopened for reading only.
    pub(crate) read_only: bool,
}

impl Entry {
    /// # Errors
    /// `ENOTCAPABLE` when one of the rights is missing.
    pub(crate) fn require(&self, rights: Rights) -> Result<(), Errno> {
        if self.base.contains(rights) {
            Ok(())
        } else {
            Err(Errno::NotCapable)
        }
    }

    /// The host's file, for which the rights are needed.
    ///
    /// # Errors
    /// `EBADF` for a directory, `ESPIPE` for a virtual file, `ENOTCAPABLE` when a right is
    /// missing.
    pub(crate) fn file(&self, rights: Rights) -> Result<&File, Errno> {
        match &*self.object {
            Object::File(file) => self.require(rights).map(|()| file),
            Object::Virtual(_) => self.require(rights).and(Err(Errno::Spipe)),
            Object::Dir(_) | Object::VirtualDir(_) => Err(Errno::Badf),
        }
    }

    /// The host's directory, for which the rights are needed.
    ///
    /// # Errors
    /// `ENOTDIR` for a file, `EPERM` for a virtual directory, `ENOTCAPABLE` when a right is
    /// missing.
    pub(crate) fn dir(&self, rights: Rights) -> Result<&Dir, Errno> {
        match self.any_dir(rights)? {
            AnyDir::Host(dir) => Ok(dir),
            AnyDir::Virtual(_) => Err(Errno::Perm),
        }
    }

    /// The directory, for which the rights are needed.
    ///
    /// # Errors
    /// `ENOTDIR` for anything else, `ENOTCAPABLE` when a right is missing.
    pub(crate) fn any_dir(&self, rights: Rights) -> Result<AnyDir<'_>, Errno> {
        let dir = match &*self.object {
            Object::Dir(dir) => AnyDir::Host(dir),
            Object::VirtualDir(dir) => AnyDir::Virtual(dir),
            Object::File(_) | Object::Virtual(_) => return Err(Errno::NotDir),
        };
        self.require(rights).map(|()| dir)
    }
}

/// A directory of either kind.
#[derive(Clone, Copy, Debug)]
pub(crate) enum AnyDir<'a> {
    Host(&'a Dir),
    Virtual(&'a Arc<VirtualDir>),
}

/// The descriptors of one instance.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Mutex<Vec<Option<Entry>>>,
    limit: usize,
}

/// The number of the first descriptor that is not a standard stream. Lower ones are not given
/// out again when they are closed: guests take them for the streams.
const FIRST: usize = 3;

impl Table {
    /// An empty table for at most `limit` descriptors beside the standard streams.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            slots: Mutex::new(vec![None; FIRST]),
            limit: limit.saturating_add(FIRST),
        }
    }

    fn slots(&self) -> MutexGuard<'_, Vec<Option<Entry>>> {
        // Nothing panics while the lock is held; a table is usable in every state.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// # Errors
    /// `EBADF` when the number is not open.
    pub(crate) fn get(&self, fd: u32) -> Result<Entry, Errno> {
        self.slots()
            .get(index(fd))
            .cloned()
            .flatten()
            .ok_or(Errno::Badf)
    }

    /// Puts a standard stream in its place.
    pub(crate) fn set_stream(&self, fd: usize, entry: Entry) {
        if let Some(slot) = self.slots().get_mut(fd) {
            *slot = Some(entry);
        }
    }

    /// # Errors
    /// `EMFILE` when no number is left.
    pub(crate) fn check_room(&self) -> Result<(), Errno> {
        let slots = self.slots();
        if slots.len() < self.limit || slots.iter().skip(FIRST).any(Option::is_none) {
            Ok(())
        } else {
            Err(Errno::Mfile)
        }
    }

    /// Gives the lowest free number to the entry.
    ///
    /// # Errors
    /// `EMFILE` when no number is left.
    pub(crate) fn insert(&self, entry: Entry) -> Result<u32, Errno> {
        let mut slots = self.slots();
        let free = slots.iter().skip(FIRST).position(Option::is_none);
        let at = free.map_or(slots.len(), |free| free + FIRST);
        if at >= self.limit {
            return Err(Errno::Mfile);
        }
        if at == slots.len() {
            slots.push(None);
        }
        if let Some(slot) = slots.get_mut(at) {
            *slot = Some(entry);
        }
        u32::try_from(at).map_err(|_| Errno::Mfile)
    }

    /// Takes a number out of use. The caller drops the entry, and so closes the file, when the
    /// table is no longer locked.
    ///
    /// # Errors
    /// `EBADF` when the number is not open.
    pub(crate) fn remove(&self, fd: u32) -> Result<Entry, Errno> {
        self.slots()
            .get_mut(index(fd))
            .and_then(Option::take)
            .ok_or(Errno::Badf)
    }

    /// Gives the number `to`, which is open, to what `from` stands for; `from` is then closed.
    /// Returns what `to` stood for.
    ///
    /// # Errors
    /// `EBADF` when one of the numbers is not open; nothing has changed then.
    pub(crate) fn renumber(&self, from: u32, to: u32) -> Result<Option<Entry>, Errno> {
        let (from, to) = (index(from), index(to));
        let mut slots = self.slots();
        let is_open = |at: usize| slots.get(at).is_some_and(Option::is_some);
        if !is_open(from) || !is_open(to) {
            return Err(Errno::Badf);
        }
        if from == to {
            return Ok(None);
        }
        let moved = slots.get_mut(from).and_then(Option::take);
        Ok(slots
            .get_mut(to)
            .and_then(|slot| std::mem::replace(slot, moved)))
    }

    /// Takes rights away.
    ///
    /// # Errors
    /// `EBADF` when the number is not open, `ENOTCAPABLE` when a right would be added.
    pub(crate) fn set_rights(
        &self,
        fd: u32,
        base: Rights,
        inheriting: Rights,
    ) -> Result<(), Errno> {
        let mut slots = self.slots();
        let entry = slots
            .get_mut(index(fd))
            .and_then(Option::as_mut)
            .ok_or(Errno::Badf)?;
        if !entry.base.contains(base) || !entry.inheriting.contains(inheriting) {
            return Err(Errno::NotCapable);
        }
        entry.base = base;
        entry.inheriting = inheriting;
        Ok(())
    }
}

fn index(fd: u32) -> usize {
    usize::try_from(fd).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::types::FdFlags;
    use super::*;

    fn entry() -> Entry {
        let file = tempfile::tempfile().unwrap();
        Entry {
            object: Arc::new(Object::opened(file.into(), FdFlags::EMPTY).unwrap()),
            base: Rights::FILE,
            inheriting: Rights::EMPTY,
            preopen: None,
            read_only: false,
        }
    }

    #[test]
    fn the_lowest_free_number_above_the_streams() {
        let table = Table::new(8);
        table.set_stream(0, entry());
        assert_eq!(table.insert(entry()), Ok(3));
        assert_eq!(table.insert(entry()), Ok(4));
        table.remove(0).unwrap();
        table.remove(3).unwrap();
        assert_eq!(table.insert(entry()), Ok(3));
        assert_eq!(table.insert(entry()), Ok(5));
    }

    #[test]
    fn a_full_table() {
        let table = Table::new(2);
        table.insert(entry()).unwrap();
        assert!(table.check_room().is_ok());
        table.insert(entry()).unwrap();
        assert_eq!(table.check_room(), Err(Errno::Mfile));
        assert_eq!(table.insert(entry()), Err(Errno::Mfile));
        table.remove(3).unwrap();
        assert!(table.check_room().is_ok());
    }

    #[test]
    fn renumber_needs_both() {
        let table = Table::new(8);
        let (a, b) = (
            table.insert(entry()).unwrap(),
            table.insert(entry()).unwrap(),
        );
        let object = table.get(a).unwrap().object;
        assert!(table.renumber(a, a).unwrap().is_none());
        assert_eq!(table.renumber(a, 99).err(), Some(Errno::Badf));
        assert_eq!(table.renumber(u32::MAX, b).err(), Some(Errno::Badf));
        assert!(table.renumber(a, b).unwrap().is_some());
        assert!(Arc::ptr_eq(&table.get(b).unwrap().object, &object));
        assert_eq!(table.get(a).err(), Some(Errno::Badf));
    }

    #[test]
    fn rights_only_shrink() {
        let table = Table::new(8);
        let fd = table.insert(entry()).unwrap();
        table
            .set_rights(fd, Rights::FD_READ, Rights::EMPTY)
            .unwrap();
        let more = Rights::FD_READ | Rights::FD_WRITE;
        assert_eq!(
            table.set_rights(fd, more, Rights::EMPTY),
            Err(Errno::NotCapable)
        );
        assert_eq!(table.get(fd).unwrap().base, Rights::FD_READ);
    }
}
