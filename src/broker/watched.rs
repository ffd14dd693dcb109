//! Something that is read from files, and read again when they have changed.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::{info, warn};

use super::error::BrokerError;

/// Which version of a file it is: a file that is replaced has another inode.
type Stamp = Option<(u64, u64, i64, i64)>;

type Read<T> = Box<dyn Fn() -> Result<T, BrokerError> + Send + Sync>;

/// What files say. Those that cannot be read any more, or say nonsense, change nothing: what they
/// said before stays.
pub(super) struct Watched<T> {
    files: Vec<PathBuf>,
    read: Read<T>,
    current: Mutex<(Vec<Stamp>, Arc<T>)>,
}

impl<T> Watched<T> {
    /// Reads the files for the first time.
    pub(super) fn new(
        files: Vec<PathBuf>,
        read: impl Fn() -> Result<T, BrokerError> + Send + Sync + 'static,
    ) -> Result<Watched<T>, BrokerError> {
        let stamps = files.iter().map(stamp).collect();
        let first = Arc::new(read()?);
        Ok(Watched {
            files,
            read: Box::new(read),
            current: Mutex::new((stamps, first)),
        })
    }

    /// What the files said when somebody last asked for it.
    pub(super) fn known(&self) -> Arc<T> {
        Arc::clone(&self.lock().1)
    }

    /// What the files say now.
    pub(super) fn get(&self) -> Arc<T> {
        let now: Vec<Stamp> = self.files.iter().map(stamp).collect();
        let mut current = self.lock();
        if current.0 != now {
            let names: Vec<_> = self.files.iter().map(|f| f.display().to_string()).collect();
            let names = names.join(", ");
            match (self.read)() {
                Ok(new) => {
                    info!("read again: {names}");
                    current.1 = Arc::new(new);
                }
                Err(error) => warn!("{error}\nWhat was there before holds on"),
            }
            // Also when it fails: it is said once.
            current.0 = now;
        }
        Arc::clone(&current.1)
    }

    fn lock(&self) -> MutexGuard<'_, (Vec<Stamp>, Arc<T>)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp(file: &PathBuf) -> Stamp {
    let data = fs::metadata(file).ok()?;
    Some((data.ino(), data.size(), data.mtime(), data.mtime_nsec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_are_seen_and_nonsense_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("number");
        fs::write(&file, "1").unwrap();
        let path = file.clone();
        let number = Watched::new(vec![file.clone()], move || {
            let text = fs::read_to_string(&path).map_err(|e| BrokerError::file(&path, e))?;
            text.parse::<u32>().map_err(|e| BrokerError::file(&path, e))
        })
        .unwrap();
        assert_eq!(*number.get(), 1);
        fs::write(&file, "22").unwrap();
        assert_eq!(*number.get(), 22);
        fs::write(&file, "nonsense").unwrap();
        assert_eq!(*number.get(), 22);
        fs::remove_file(&file).unwrap();
        assert_eq!(*number.get(), 22);
        fs::write(&file, "333").unwrap();
        assert_eq!(*number.get(), 333);
    }
}
