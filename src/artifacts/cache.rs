//! Artifacts on disk.

use std::fs::{self, DirBuilder, File, Metadata, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use tracing::warn;

use super::key::Key;
use super::sealed::{self, About, Secret};

/// A folder of artifacts, bounded in bytes; what was not used for longest goes first. Several
/// processes may share one: each file is written beside its place and moved into it.
#[derive(Clone, Debug)]
pub struct Cache {
    dir: PathBuf,
    limit: u64,
}

/// The right to make an artifact. Where two have it after all, both make the same.
#[derive(Debug)]
pub struct Claim {
    /// Locked, for as long as it is open.
    _file: File,
    path: PathBuf,
}

impl Drop for Claim {
    fn drop(&mut self) {
        // One that stays is no harm.
        let _ = fs::remove_file(&self.path);
    }
}

/// Why an artifact is not kept.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// Native code from such a folder could be anybody's.
    #[error("others can write to {}: chmod go-w it", .0.display())]
    Shared(PathBuf),
    /// As with [`CacheError::Shared`].
    #[error("{} belongs to another user", .0.display())]
    NotOurs(PathBuf),
    /// It cannot be read or written.
    #[error("cannot use {}: {why}", .dir.display())]
    Io {
        /// The cache's folder.
        dir: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
}

/// An artifact, as `arena cache list` tells of it.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Its key, hexadecimal.
    pub key: String,
    /// The file's size in bytes.
    pub bytes: u64,
    /// When it was used last.
    pub used: SystemTime,
    /// What it says of itself; `None` where the file is damaged.
    pub about: Option<About>,
}

impl Listed {
    /// Whether it says that the module cannot be compiled.
    #[must_use]
    pub fn refused(&self) -> bool {
        self.about
            .as_ref()
            .is_some_and(|about| about.code_bytes == 0)
    }

    /// Whether it says that the module's code is larger than the cache may be.
    #[must_use]
    pub fn too_large(&self) -> bool {
        self.about
            .as_ref()
            .is_some_and(|about| about.code_bytes > self.bytes)
    }
}

/// What artifacts' files end in.
const SUFFIX: &str = "arenaot";
const SECRET: &str = "secret";
/// Of files that are being written, and of claims.
const PART: &str = "part-";
const LOCK: &str = "lock";
/// More than any artifact has.
const MAX_FILE: u64 = 1 << 30;
/// No cache is smaller: it could not even keep that a module's code is too large for it.
const MIN_LIMIT: u64 = 8 << 10;
/// What was left behind longer ago than this, by a process that was killed, nobody comes back to.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

impl Cache {
    /// A cache in `dir`, which is made when something is put into it, of at most `limit` bytes.
    #[must_use]
    pub fn new(dir: impl Into<PathBuf>, limit: u64) -> Cache {
        Cache {
            dir: dir.into(),
            limit,
        }
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Whether code can be kept here; the folder is made for that.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.limit >= MIN_LIMIT && self.make_dir().is_ok()
    }

    /// Whether there is a file for this key; whether it can be used is seen when it is read.
    #[must_use]
    pub fn has(&self, key: &Key) -> bool {
        self.path(key).exists()
    }

    /// The code for this key, if it is here and was put here by this user; none, an empty one, where
    /// that is known not to exist, or to be larger than the bound. What is damaged or foreign is
    /// removed.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<Vec<u8>> {
        self.get_if(key, |_| true)
    }

    /// The same if it is `wanted`; else it is removed.
    pub(super) fn get_if(&self, key: &Key, wanted: impl FnOnce(&About) -> bool) -> Option<Vec<u8>> {
        self.check_dir().ok()?;
        let path = self.path(key);
        let file = self.read(&path)?;
        // The time of the last use, which decides what goes first.
        let _ = open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        // What it says of itself is believed once it is opened. What was too large may not be now.
        let size = file.len() as u64;
        let wanted = sealed::about(&file).is_some_and(|about| {
            let fits = self.fits(size.saturating_add(about.code_bytes));
            wanted(&about) && (size > about.code_bytes || !fits)
        });
        let code = self
            .secret()
            .and_then(|secret| sealed::open(&secret, key, file))
            .filter(|_| wanted);
        if code.is_none() {
            // Another process may have done it already.
            let _ = fs::remove_file(&path);
        }
        code
    }

    /// Keeps the code for a key. Of what is larger than the bound it is kept that it is, so that it
    /// is not made again at each start, and no error.
    ///
    /// # Errors
    /// When the folder is not this user's alone, or cannot be written to; nothing is left then.
    pub fn put(&self, key: &Key, code: &[u8], about: &About) -> Result<(), CacheError> {
        self.make_dir()?;
        let write = || {
            let secret = self.secret_or_new()?;
            let mut file = sealed::seal(&secret, key, code, about)?;
            if !self.fits(file.len() as u64) {
                warn!(
                    "the native code of {} has {} bytes, more than engine.cache_size allows: it is not kept",
                    about.name,
                    code.len()
                );
                let about = About {
                    code_bytes: code.len() as u64,
                    ..about.clone()
                };
                file = sealed::seal(&secret, key, &[], &about)?;
            }
            let size = file.len() as u64;
            if self.fits(size) {
                self.sweep(ABANDONED);
                self.make_room(size);
                self.write(&file)?.persist(self.path(key))?;
            }
            Ok(())
        };
        write().map_err(|why| self.failed(why))
    }

    /// Has this process make the code for a key, until the claim is dropped. `None` when another
    /// one is at it.
    ///
    /// # Errors
    /// As [`Cache::put`].
    pub fn claim(&self, key: &Key) -> Result<Option<Claim>, CacheError> {
        self.make_dir()?;
        let path = self.dir.join(format!("{key}.{LOCK}"));
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW)
            .open(&path)
            .map_err(|why| self.failed(why))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(Claim { _file: file, path })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(why)) => Err(self.failed(why)),
        }
    }

    /// All artifacts, the last used first.
    ///
    /// # Errors
    /// When the folder cannot be read. One that is not there is empty.
    pub fn list(&self) -> Result<Vec<Listed>, CacheError> {
        let mut listed: Vec<Listed> = self
            .files()?
            .into_iter()
            .map(|(path, metadata)| Listed {
                key: path
                    .file_stem()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned(),
                bytes: metadata.len(),
                used: used(&metadata),
                about: self.read(&path).and_then(|file| sealed::about(&file)),
            })
            .collect();
        listed.sort_by_key(|artifact| std::cmp::Reverse(artifact.used));
        Ok(listed)
    }

    /// Removes all artifacts, and what was left behind of others. Returns how many artifacts there
    /// were, and their bytes.
    ///
    /// # Errors
    /// When the folder cannot be read, or one cannot be removed.
    pub fn clear(&self) -> Result<(usize, u64), CacheError> {
        let (mut count, mut bytes) = (0, 0);
        for (path, metadata) in self.files()? {
            match fs::remove_file(&path) {
                Err(why) if why.kind() != io::ErrorKind::NotFound => return Err(self.failed(why)),
                _ => {}
            }
            count += 1;
            bytes += metadata.len();
        }
        self.sweep(Duration::ZERO);
        Ok((count, bytes))
    }

    fn fits(&self, size: u64) -> bool {
        size <= self.limit.min(MAX_FILE)
    }

    /// Removes what processes that were killed have left behind, older than `age`. One that is
    /// writing just now would have to make its artifact again.
    fn sweep(&self, age: Duration) {
        let Ok(entries) = fs::read_dir(&self.dir) else {
            return;
        };
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name());
            let is_part = name.as_encoded_bytes().starts_with(PART.as_bytes());
            let is_lock = path.extension().is_some_and(|suffix| suffix == LOCK);
            let is_old = entry.metadata().is_ok_and(|metadata| {
                let passed = used(&metadata).elapsed().unwrap_or_default();
                metadata.is_file() && passed >= age
            });
            // A claim that is locked is somebody's.
            let is_free = || open(&path).is_ok_and(|file| file.try_lock().is_ok());
            if is_old && (is_part || is_lock && is_free()) {
                let _ = fs::remove_file(&path);
            }
        }
    }

    fn path(&self, key: &Key) -> PathBuf {
        self.dir.join(format!("{key}.{SUFFIX}"))
    }

    fn failed(&self, why: io::Error) -> CacheError {
        CacheError::Io {
            dir: self.dir.clone(),
            why,
        }
    }

    fn make_dir(&self) -> Result<(), CacheError> {
        // Of what is above it the system's usual rights hold.
        if let Some(above) = self.dir.parent() {
            fs::create_dir_all(above).map_err(|why| self.failed(why))?;
        }
        match DirBuilder::new().mode(0o700).create(&self.dir) {
            Err(why) if why.kind() != io::ErrorKind::AlreadyExists => return Err(self.failed(why)),
            _ => {}
        }
        self.check_dir()
    }

    fn check_dir(&self) -> Result<(), CacheError> {
        let metadata = fs::metadata(&self.dir).map_err(|why| self.failed(why))?;
        if !is_ours(&metadata) {
            return Err(CacheError::NotOurs(self.dir.clone()));
        }
        if metadata.permissions().mode() & 0o022 != 0 {
            return Err(CacheError::Shared(self.dir.clone()));
        }
        Ok(())
    }

    /// A regular file of this user's, whole.
    fn read(&self, path: &Path) -> Option<Vec<u8>> {
        let file = open(path).ok()?;
        let metadata = file.metadata().ok()?;
        let size = metadata.len();
        if !metadata.is_file() || !is_ours(&metadata) || size > MAX_FILE {
            return None;
        }
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(usize::try_from(size).ok()?).ok()?;
        file.take(size).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    fn write(&self, contents: &[u8]) -> io::Result<tempfile::NamedTempFile> {
        // Only the user can read and write it: so `tempfile` makes them.
        let mut file = tempfile::Builder::new()
            .prefix(PART)
            .tempfile_in(&self.dir)?;
        file.write_all(contents)?;
        Ok(file)
    }

    fn secret(&self) -> Option<Secret> {
        let bytes = self.read(&self.dir.join(SECRET))?;
        Some(Secret::new(bytes.as_slice().try_into().ok()?))
    }

    /// What proves artifacts; a new one makes all that are there foreign.
    fn secret_or_new(&self) -> io::Result<Secret> {
        if let Some(secret) = self.secret() {
            return Ok(secret);
        }
        let path = self.dir.join(SECRET);
        // One that cannot be used is in the way of a new one.
        if fs::symlink_metadata(&path).is_ok_and(|found| found.len() != Secret::LENGTH as u64) {
            fs::remove_file(&path)?;
        }
        let mut bytes = [0; Secret::LENGTH];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        match self.write(&bytes)?.persist_noclobber(&path) {
            // Another process was faster, and its secret is the one.
            Err(error) if error.error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(error.error);
            }
            _ => {}
        }
        self.secret()
            .ok_or_else(|| io::Error::other("its secret cannot be read"))
    }

    /// Removes what was not used for longest until `size` bytes more fit.
    fn make_room(&self, size: u64) {
        let Ok(mut files) = self.files() else {
            return;
        };
        files.sort_by_key(|(_, metadata)| used(metadata));
        let mut total: u64 = files.iter().map(|(_, metadata)| metadata.len()).sum();
        for (path, metadata) in files {
            if total.saturating_add(size) <= self.limit {
                break;
            }
            let _ = fs::remove_file(path);
            total = total.saturating_sub(metadata.len());
        }
    }

    /// The artifacts' files.
    fn files(&self) -> Result<Vec<(PathBuf, Metadata)>, CacheError> {
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(why) if why.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(why) => return Err(self.failed(why)),
        };
        let files = entries.flatten().filter_map(|entry| {
            let path = entry.path();
            (path.extension()? == SUFFIX).then_some(())?;
            let metadata = entry.metadata().ok()?;
            (!metadata.is_dir()).then_some((path, metadata))
        });
        Ok(files.collect())
    }
}

/// Links are not followed: the file that is checked is the one that has the name.
fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
    OpenOptions::new().read(true).custom_flags(flags).open(path)
}

fn is_ours(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

fn used(metadata: &Metadata) -> SystemTime {
    metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH)
}

#[cfg(test)]
mod tests;
