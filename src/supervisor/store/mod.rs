//! The module store: files that were uploaded, by their sha256 and by names.
//!
//! A file is checked before it is kept: it is WebAssembly that the runtimes of this project can
//! load. It is kept once, as `objects/<sha256>`; a name `<user>/<filename>` is a small file
//! `users/<user>/<filename>` that holds the sha256, with `/` in the filename written as `%2F`. All
//! of it is opened below one directory, which no name and no link leads out of.

mod files;
mod names;

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use sha2::{Digest as _, Sha256};

use crate::wamr::{LoadError, ModuleInfo, ModuleKind};

use files::Files;
pub use names::{FileName, NameError};

/// Why the store does not do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The name cannot be.
    #[error(transparent)]
    Name(#[from] NameError),
    /// There is nothing of that name.
    #[error("there is no file {0}")]
    NotFound(String),
    /// The file is larger than files may be.
    #[error("the file has {size} bytes, more than the limit of {limit}")]
    TooLarge {
        /// Its bytes.
        size: u64,
        /// The limit.
        limit: u64,
    },
    /// It is no module that runtimes can load.
    #[error("the file is not a module that can be run: {0}")]
    NotAModule(#[from] LoadError),
    /// It is compiled already, which nobody can check.
    #[error("the file is native code (AOT), which cannot be checked; upload the WebAssembly")]
    NativeCode,
    /// All files together would be larger than the store may be.
    #[error("the store is full: it may have {limit} bytes")]
    Full {
        /// The limit.
        limit: u64,
    },
    /// There would be more names than there may be.
    #[error("the store has {limit} names already")]
    TooManyNames {
        /// The limit.
        limit: usize,
    },
    /// A file or directory of the store cannot be used.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// What cannot be used.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// A file of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredFile {
    /// Whose it is, and what it is called.
    pub name: FileName,
    /// The sha256 of its bytes, in hexadecimal digits.
    pub sha256: String,
    /// Its bytes.
    pub size: u64,
    /// When it got this name.
    pub modified: SystemTime,
}

/// How many names there may be.
const MAX_NAMES: usize = 100_000;

/// The store. Handles are cheap to clone and may be used on any thread.
#[derive(Clone, Debug)]
pub struct ModuleStore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    files: Files,
    upload_limit: u64,
    size_limit: u64,
    index: Mutex<Index>,
}

/// What is in the directory.
#[derive(Debug, Default)]
struct Index {
    names: BTreeMap<FileName, StoredFile>,
    objects: HashMap<String, Object>,
    size: u64,
}

#[derive(Debug)]
struct Object {
    size: u64,
    names: usize,
}

impl Index {
    fn add(&mut self, file: StoredFile) {
        if let Some(object) = self.objects.get_mut(&file.sha256) {
            object.names += 1;
        }
        self.names.insert(file.name.clone(), file);
    }

    /// Takes a name out; the object, if that was its last one.
    fn remove(&mut self, name: &FileName) -> Option<String> {
        let file = self.names.remove(name)?;
        let object = self.objects.get_mut(&file.sha256)?;
        object.names = object.names.saturating_sub(1);
        if object.names > 0 {
            return None;
        }
        self.size -= object.size;
        self.objects.remove(&file.sha256);
        Some(file.sha256)
    }
}

impl ModuleStore {
    /// Opens the store in a directory, which is made if it is not there. What nobody has a name
    /// for is removed.
    ///
    /// # Errors
    /// When the directory cannot be used.
    pub fn open(dir: &Path, upload_limit: u64, size_limit: u64) -> Result<ModuleStore, StoreError> {
        let files = Files::open(dir)?;
        let mut index = Index::default();
        for (sha256, size) in files.objects()? {
            index.size += size;
            index.objects.insert(sha256, Object { size, names: 0 });
        }
        for (name, sha256, modified) in files.names()? {
            if let Some(object) = index.objects.get(&sha256) {
                let size = object.size;
                index.add(StoredFile {
                    name,
                    sha256,
                    size,
                    modified,
                });
            }
        }
        index.objects.retain(|sha256, object| {
            let named = object.names > 0;
            if !named && files.remove_object(sha256).is_ok() {
                index.size -= object.size;
            }
            named
        });
        Ok(ModuleStore {
            inner: Arc::new(Inner {
                files,
                upload_limit,
                size_limit,
                index: Mutex::new(index),
            }),
        })
    }

    fn index(&self) -> MutexGuard<'_, Index> {
        // What is in the directory and what is in the index change together, or not at all.
        self.inner
            .index
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The most bytes that a file may have.
    #[must_use]
    pub fn upload_limit(&self) -> u64 {
        self.inner.upload_limit
    }

    /// Keeps a file under a name. A file that had the name before loses it.
    ///
    /// # Errors
    /// When the file is no module, too large, or there is no room; then nothing has changed.
    pub fn put(&self, name: &FileName, bytes: &[u8]) -> Result<StoredFile, StoreError> {
        let size = bytes.len() as u64;
        if size > self.inner.upload_limit {
            let limit = self.inner.upload_limit;
            return Err(StoreError::TooLarge { size, limit });
        }
        match ModuleKind::of(bytes)? {
            ModuleKind::Wasm => ModuleInfo::of_wasm(bytes)?,
            ModuleKind::Aot => return Err(StoreError::NativeCode),
        };
        let sha256 = hex(&Sha256::digest(bytes));
        // Held while the files change: others wait for one small write.
        let mut index = self.index();
        let is_new = !index.objects.contains_key(&sha256);
        if is_new && index.size.saturating_add(size) > self.inner.size_limit {
            let limit = self.inner.size_limit;
            return Err(StoreError::Full { limit });
        }
        if index.names.len() >= MAX_NAMES && !index.names.contains_key(name) {
            return Err(StoreError::TooManyNames { limit: MAX_NAMES });
        }
        if is_new {
            self.inner.files.write_object(&sha256, bytes)?;
        }
        if let Err(error) = self.inner.files.write_name(name, &sha256) {
            if is_new {
                // It is removed at the next start at the latest.
                let _ = self.inner.files.remove_object(&sha256);
            }
            return Err(error);
        }
        if is_new {
            let object = Object { size, names: 0 };
            index.objects.insert(sha256.clone(), object);
            index.size += size;
        }
        let file = StoredFile {
            name: name.clone(),
            sha256,
            size,
            modified: SystemTime::now(),
        };
        let same = index
            .names
            .get(name)
            .is_some_and(|f| f.sha256 == file.sha256);
        if same {
            index.names.insert(name.clone(), file.clone());
        } else {
            if let Some(gone) = index.remove(name) {
                let _ = self.inner.files.remove_object(&gone);
            }
            index.add(file.clone());
        }
        Ok(file)
    }

    /// What is known of a file.
    #[must_use]
    pub fn find(&self, name: &FileName) -> Option<StoredFile> {
        self.index().names.get(name).cloned()
    }

    /// A file and its bytes.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be read.
    pub fn get(&self, name: &FileName) -> Result<(StoredFile, Vec<u8>), StoreError> {
        // Under the lock, so that nobody removes it meanwhile.
        let index = self.index();
        let file = index.names.get(name).cloned();
        let file = file.ok_or_else(|| StoreError::NotFound(name.to_string()))?;
        let bytes = self.inner.files.read_object(&file.sha256)?;
        Ok((file, bytes))
    }

    /// A file, opened. It can be read when it is removed meanwhile.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be opened.
    pub fn open_file(&self, name: &FileName) -> Result<(StoredFile, File), StoreError> {
        let index = self.index();
        let file = index.names.get(name).cloned();
        let file = file.ok_or_else(|| StoreError::NotFound(name.to_string()))?;
        let opened = self.inner.files.open_object(&file.sha256)?;
        Ok((file, opened))
    }

    /// The bytes with this sha256, in small hexadecimal digits.
    ///
    /// # Errors
    /// When there are none, or they cannot be read.
    pub fn by_sha256(&self, sha256: &str) -> Result<Vec<u8>, StoreError> {
        let index = self.index();
        if !index.objects.contains_key(sha256) {
            let sha256: String = sha256.chars().take(64).collect();
            return Err(StoreError::NotFound(format!("with the sha256 {sha256:?}")));
        }
        self.inner.files.read_object(sha256)
    }

    /// Removes a file. Others with the same bytes stay.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be removed.
    pub fn remove(&self, name: &FileName) -> Result<(), StoreError> {
        let mut index = self.index();
        if !index.names.contains_key(name) {
            return Err(StoreError::NotFound(name.to_string()));
        }
        self.inner.files.remove_name(name)?;
        if let Some(gone) = index.remove(name) {
            // It is removed at the next start at the latest.
            let _ = self.inner.files.remove_object(&gone);
        }
        Ok(())
    }

    /// All files, ordered by user and name.
    #[must_use]
    pub fn list(&self) -> Vec<StoredFile> {
        self.index().names.values().cloned().collect()
    }

    /// The bytes of all files. Those that have several names count once.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.index().size
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests;
