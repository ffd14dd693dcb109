//! Module files from a store, kept on disk: so that a start needs no download, and works while
//! the store is away.
//!
//! An entry is two files, named by the hash of the URL: the file itself, and what is known of
//! it. Both are written beside their place and moved into it, so that neither a crash nor a full
//! disk nor another process leaves half a one; what does not have the hash that it should have
//! is not used. The least recently used go first when the bound is passed.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A folder of downloaded files, bounded in bytes. Several processes may share one.
#[derive(Clone, Debug)]
pub(super) struct Cache {
    dir: PathBuf,
    limit: u64,
}

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Known {
    /// Where it is from.
    pub(super) url: String,
    /// What the store calls this version of it.
    pub(super) etag: Option<String>,
    /// Of the contents, hexadecimal.
    sha256: String,
    /// In bytes.
    size: u64,
}

/// A file that is in the cache.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) known: Known,
    pub(super) bytes: Vec<u8>,
}

impl Cache {
    /// A cache in `dir`, which is made when something is put into it.
    pub(super) fn new(dir: PathBuf, limit: u64) -> Cache {
        Cache { dir, limit }
    }

    /// The file from this URL, if it is here and as it was when it came. A damaged one is
    /// removed.
    pub(super) fn get(&self, url: &str) -> Option<Entry> {
        let (about, contents) = self.paths(url);
        let known: Known = serde_json::from_slice(&fs::read(&about).ok()?).ok()?;
        let whole = known.url == url && known.size <= self.limit;
        let bytes = whole
            .then(|| read(&contents, known.size))
            .and_then(Result::ok)
            .filter(|bytes| hash(bytes) == known.sha256);
        let Some(bytes) = bytes else {
            self.remove(&about, &contents);
            return None;
        };
        // The time of the last use, which decides what goes first.
        if let Ok(file) = File::options().append(true).open(&about) {
            let _ = file.set_modified(SystemTime::now());
        }
        Some(Entry { known, bytes })
    }

    /// Keeps a file.
    ///
    /// # Errors
    /// When it cannot be written, on a full disk for example; nothing of it is left then.
    pub(super) fn put(&self, url: &str, etag: Option<String>, bytes: &[u8]) -> io::Result<()> {
        let size = bytes.len() as u64;
        if size > self.limit {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)?;
        self.make_room(size);
        let (about, contents) = self.paths(url);
        let known = Known {
            url: url.to_owned(),
            etag,
            sha256: hash(bytes),
            size,
        };
        // The contents first: they are found by what is known of them.
        self.write(&contents, bytes)?;
        self.write(&about, &serde_json::to_vec(&known)?)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = tempfile::Builder::new()
            .prefix("part-")
            .tempfile_in(&self.dir)?;
        file.write_all(bytes)?;
        file.persist(path)?;
        Ok(())
    }

    fn remove(&self, about: &Path, contents: &Path) {
        // Another process may have done it already.
        let _ = fs::remove_file(about);
        let _ = fs::remove_file(contents);
    }

    fn paths(&self, url: &str) -> (PathBuf, PathBuf) {
        let name = hash(url.as_bytes());
        (
            self.dir.join(format!("{name}.json")),
            self.dir.join(format!("{name}.file")),
        )
    }

    /// Removes the least recently used entries until `size` bytes more fit.
    fn make_room(&self, size: u64) {
        let mut entries: Vec<_> = self.entries().collect();
        entries.sort_by_key(|(used, ..)| *used);
        let mut total: u64 = entries.iter().map(|(_, size, ..)| size).sum();
        for (_, entry, about, contents) in entries {
            if total.saturating_add(size) <= self.limit {
                break;
            }
            self.remove(&about, &contents);
            total = total.saturating_sub(entry);
        }
    }

    /// Last use, size and paths of each entry. A half that has lost its other one counts too.
    fn entries(&self) -> impl Iterator<Item = (SystemTime, u64, PathBuf, PathBuf)> {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        files.filter_map(|file| {
            let path = file.path();
            let metadata = file.metadata().ok()?;
            if path.extension()? != "file" {
                return None;
            }
            let about = path.with_extension("json");
            let used = fs::metadata(&about).and_then(|about| about.modified());
            let used = used.unwrap_or(SystemTime::UNIX_EPOCH);
            Some((used, metadata.len(), about, path))
        })
    }
}

fn read(path: &Path, size: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(size + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// SHA-256, hexadecimal.
pub(super) fn hash(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const URL: &str = "https://store.example/users/me/a.wasm";

    fn cache(limit: u64) -> (tempfile::TempDir, Cache) {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::new(dir.path().join("modules"), limit);
        (dir, cache)
    }

    #[test]
    fn keeps_files() {
        let (_dir, cache) = cache(1000);
        assert!(cache.get(URL).is_none());
        cache.put(URL, Some("\"1\"".to_owned()), b"module").unwrap();
        let entry = cache.get(URL).unwrap();
        assert_eq!(entry.bytes, b"module");
        assert_eq!(entry.known.etag.as_deref(), Some("\"1\""));
        cache.put(URL, None, b"newer").unwrap();
        assert_eq!(cache.get(URL).unwrap().bytes, b"newer");
        assert!(cache.get("https://store.example/other").is_none());
    }

    #[test]
    fn what_is_damaged_is_not_used() {
        let (_dir, cache) = cache(1000);
        let (about, contents) = cache.paths(URL);
        for damage in [&b"modulf"[..], b"mod", b"module and more", b""] {
            cache.put(URL, None, b"module").unwrap();
            fs::write(&contents, damage).unwrap();
            assert!(cache.get(URL).is_none());
            assert!(!contents.exists() && !about.exists());
        }
        cache.put(URL, None, b"module").unwrap();
        fs::write(&about, b"{").unwrap();
        assert!(cache.get(URL).is_none());
    }

    #[test]
    fn the_least_recently_used_goes_first() {
        let (_dir, cache) = cache(30);
        let urls = ["u:1", "u:2", "u:3"];
        for (age, url) in urls.iter().enumerate() {
            cache.put(url, None, &[0; 10]).unwrap();
            let about = File::options()
                .append(true)
                .open(cache.paths(url).0)
                .unwrap();
            let time = SystemTime::now() - Duration::from_secs(100 - age as u64);
            about.set_modified(time).unwrap();
        }
        assert!(cache.get("u:1").is_some());
        cache.put("u:4", None, &[0; 10]).unwrap();
        assert!(cache.get("u:1").is_some() && cache.get("u:2").is_none());
        // One that is larger than the bound is not kept, and drives nothing out.
        cache.put("u:5", None, &[0; 31]).unwrap();
        assert!(cache.get("u:5").is_none() && cache.get("u:4").is_some());
    }

    #[test]
    fn a_place_that_cannot_be_written_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "").unwrap();
        let cache = Cache::new(dir.path().join("file"), 1000);
        assert!(cache.put(URL, None, b"module").is_err());
        assert!(cache.get(URL).is_none());
    }
}
