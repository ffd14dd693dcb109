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
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::symlink;
    use std::thread;
    use std::time::Duration;

    use super::super::key::Target;
    use super::*;

    fn cache(limit: u64) -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().join("above/compiled"), limit);
        (dir, cache)
    }

    fn key(module: &str) -> Key {
        Key::new(module.as_bytes(), &Target::host("native"))
    }

    fn about(name: &str) -> About {
        About::new(name, b"wasm", b"code", &Target::host("native"), 0.5)
    }

    #[test]
    fn keeps_code() {
        let (_dir, cache) = cache(10_000);
        assert_eq!(cache.get(&key("a")), None);
        assert!(cache.list().unwrap().is_empty());
        cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
        assert_eq!(cache.get(&key("a")).as_deref(), Some(&b"code"[..]));
        assert!(cache.has(&key("a")) && !cache.has(&key("b")));
        // Another process, or this one at its next start.
        let again = Cache::new(cache.dir(), 10_000);
        again.put(&key("b"), b"more", &about("b.wasm")).unwrap();
        assert_eq!(again.get(&key("a")).as_deref(), Some(&b"code"[..]));
        let names = |cache: &Cache| -> Vec<String> {
            let listed = cache.list().unwrap().into_iter();
            listed.map(|one| one.about.unwrap().name).collect()
        };
        assert_eq!(names(&cache).len(), 2);
        assert_eq!(cache.clear().unwrap().0, 2);
        assert_eq!(cache.get(&key("a")), None);
        assert_eq!(names(&cache).len(), 0);
    }

    #[test]
    fn what_is_damaged_or_foreign_is_removed() {
        let (_dir, cache) = cache(10_000);
        let path = cache.path(&key("a"));
        let (_other_dir, other) = self::cache(10_000);
        other.put(&key("a"), b"evil", &about("a.wasm")).unwrap();
        let foreign = fs::read(other.path(&key("a"))).unwrap();
        cache.put(&key("b"), b"good", &about("b.wasm")).unwrap();
        let anothers = fs::read(cache.path(&key("b"))).unwrap();
        for contents in [&foreign[..], &anothers, b"", b"code", b"\0aot\x05\0\0\0"] {
            cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
            fs::write(&path, contents).unwrap();
            assert_eq!(cache.get(&key("a")), None);
            assert!(!path.exists());
        }
        assert!(cache.get(&key("b")).is_some());
    }

    #[test]
    fn a_lost_secret_makes_all_foreign() {
        for damage in [None, Some(&b"short"[..]), Some(&[0; 64][..])] {
            let (_dir, cache) = cache(10_000);
            cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
            let secret = cache.dir().join(SECRET);
            fs::remove_file(&secret).unwrap();
            if let Some(damage) = damage {
                fs::write(&secret, damage).unwrap();
            }
            assert_eq!(cache.get(&key("a")), None);
            cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
            assert!(cache.get(&key("a")).is_some());
        }
    }

    #[test]
    fn a_folder_that_others_can_write_to_is_not_used() {
        let (_dir, cache) = cache(10_000);
        cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
        let mode = |mode| fs::set_permissions(cache.dir(), Permissions::from_mode(mode)).unwrap();
        for shared in [0o770, 0o702] {
            mode(shared);
            assert_eq!(cache.get(&key("a")), None);
            let error = cache.put(&key("b"), b"", &about("b")).unwrap_err();
            assert!(matches!(error, CacheError::Shared(_)), "{error}");
        }
        mode(0o755);
        assert!(cache.get(&key("a")).is_some());
    }

    #[test]
    fn links_and_devices_are_not_read() {
        let (_dir, cache) = cache(10_000);
        cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
        let path = cache.path(&key("a"));
        let elsewhere = cache.dir().join("elsewhere");
        fs::rename(&path, &elsewhere).unwrap();
        symlink(&elsewhere, &path).unwrap();
        assert_eq!(cache.get(&key("a")), None);
        fs::remove_file(&path).unwrap();
        symlink("/dev/zero", &path).unwrap();
        assert_eq!(cache.get(&key("a")), None);
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let (_dir, cache) = cache(0);
        let size = sealed::seal(&Secret::new(&[0; 32]), &key("1"), &[0; 100], &about("1"));
        let size = size.unwrap().len() as u64;
        let cache = Cache::new(cache.dir(), 3 * size);
        for (age, name) in ["1", "2", "3"].iter().enumerate() {
            cache.put(&key(name), &[0; 100], &about(name)).unwrap();
            let time = SystemTime::now() - Duration::from_secs(100 - age as u64);
            let file = File::open(cache.path(&key(name))).unwrap();
            file.set_modified(time).unwrap();
        }
        assert!(cache.get(&key("1")).is_some());
        // To look at them is not to use them.
        assert_eq!(cache.list().unwrap().len(), 3);
        cache.put(&key("4"), &[0; 100], &about("4")).unwrap();
        assert!(cache.has(&key("1")) && !cache.has(&key("2")) && cache.has(&key("3")));
    }

    #[test]
    fn what_is_too_large_is_known_to_be() {
        let (_dir, cache) = cache(1000);
        cache.put(&key("a"), b"code", &about("a")).unwrap();
        cache.put(&key("b"), &[0; 5000], &about("b")).unwrap();
        assert_eq!(cache.get(&key("b")).as_deref(), Some(&b""[..]));
        assert!(cache.has(&key("a")), "it drives nothing out");
        let listed = cache.list().unwrap();
        let large = listed.iter().find(|one| one.too_large()).unwrap();
        assert!(large.key == key("b").to_string() && !large.refused());
        // It may fit later.
        let larger = Cache::new(cache.dir(), 10_000);
        assert_eq!(larger.get(&key("b")), None);
        assert!(!larger.has(&key("b")));
        let none = Cache::new(cache.dir(), 0);
        none.put(&key("c"), b"code", &about("c")).unwrap();
        assert!(!none.has(&key("c")) && !none.is_usable());
    }

    #[test]
    fn what_is_not_wanted_is_removed() {
        let (_dir, cache) = cache(10_000);
        cache
            .put(&key("a"), b"code", &about("a").by("old"))
            .unwrap();
        let by = |compiler: &str| cache.get_if(&key("a"), |about| about.compiler == compiler);
        assert_eq!(by("old").as_deref(), Some(&b"code"[..]));
        assert_eq!(by("new"), None);
        assert!(!cache.has(&key("a")));
    }

    #[test]
    fn what_was_left_behind_is_removed() {
        let (_dir, cache) = cache(10_000);
        let claim = cache.claim(&key("a")).unwrap().unwrap();
        let left = |name: &str| {
            fs::write(cache.dir().join(name), "left").unwrap();
            let file = File::open(cache.dir().join(name)).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        };
        let names = || fs::read_dir(cache.dir()).unwrap().count();
        left("part-old");
        left("b.lock");
        left(&format!("{}.lock", key("a")));
        fs::write(cache.dir().join("part-new"), "").unwrap();
        cache.put(&key("b"), b"code", &about("b")).unwrap();
        // The secret, the code, the claim that is held, and the new part.
        assert_eq!(names(), 4);
        fs::create_dir(cache.dir().join("dir.arenaot")).unwrap();
        assert_eq!(cache.clear().unwrap().0, 1);
        assert_eq!(names(), 3, "the secret, the claim and the directory");
        drop(claim);
        cache.clear().unwrap();
        assert_eq!(names(), 2);
    }

    #[test]
    fn one_at_a_time_makes_code() {
        let (_dir, cache) = cache(10_000);
        let claim = cache.claim(&key("a")).unwrap().unwrap();
        assert!(cache.claim(&key("a")).unwrap().is_none());
        assert!(cache.claim(&key("b")).unwrap().is_some());
        drop(claim);
        assert!(cache.claim(&key("a")).unwrap().is_some());
        assert_eq!(fs::read_dir(cache.dir()).unwrap().count(), 0);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let cache = Cache::new(dir.path().join("file/compiled"), 1000);
        let error = cache.put(&key("a"), b"code", &about("a")).unwrap_err();
        assert!(matches!(error, CacheError::Io { .. }), "{error}");
        assert_eq!(cache.get(&key("a")), None);
        assert!(!cache.is_usable());
    }

    #[test]
    fn several_write_and_read_at_once() {
        let (_dir, cache) = cache(100_000);
        thread::scope(|scope| {
            for worker in 0..4 {
                let cache = &cache;
                scope.spawn(move || {
                    for round in 0..50 {
                        let name = (round % 5).to_string();
                        cache
                            .put(&key(&name), name.as_bytes(), &about(&name))
                            .unwrap();
                        if let Some(code) = cache.get(&key(&name)) {
                            assert_eq!(code, name.as_bytes(), "{worker}");
                        }
                    }
                });
            }
        });
        for name in ["0", "1", "2", "3", "4"] {
            assert_eq!(cache.get(&key(name)).as_deref(), Some(name.as_bytes()));
        }
    }
}
