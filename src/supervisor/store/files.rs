//! The store's directory.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use cap_std::ambient_authority;
use cap_std::fs::{Dir, OpenOptions};
use uuid::Uuid;

use super::StoreError;
use super::names::FileName;

const OBJECTS: &str = "objects";
const USERS: &str = "users";
/// What files are called that are not complete yet. No name and no sha256 begins like that.
const UNFINISHED: &str = ".new-";

/// The directory, which nothing leads out of.
#[derive(Debug)]
pub(super) struct Files {
    path: PathBuf,
    objects: Dir,
    users: Dir,
}

impl Files {
    pub(super) fn open(path: &Path) -> Result<Files, StoreError> {
        let failed = |source| StoreError::Io {
            path: path.to_owned(),
            source,
        };
        std::fs::create_dir_all(path).map_err(failed)?;
        let dir = Dir::open_ambient_dir(path, ambient_authority()).map_err(failed)?;
        let inner = |name: &str| {
            dir.create_dir_all(name)?;
            dir.open_dir(name)
        };
        Ok(Files {
            path: path.to_owned(),
            objects: inner(OBJECTS).map_err(failed)?,
            users: inner(USERS).map_err(failed)?,
        })
    }

    fn failed(&self, folder: &str, name: &str) -> impl Fn(io::Error) -> StoreError + use<> {
        let path = self.path.join(folder).join(name);
        move |source| StoreError::Io {
            path: path.clone(),
            source,
        }
    }

    /// The sha256 and size of each object. What was left unfinished is removed.
    pub(super) fn objects(&self) -> Result<Vec<(String, u64)>, StoreError> {
        let failed = self.failed(OBJECTS, "");
        let mut objects = Vec::new();
        for entry in self.objects.entries().map_err(&failed)? {
            let entry = entry.map_err(&failed)?;
            let Ok(name) = entry.file_name().into_string() else {
                continue;
            };
            if name.starts_with(UNFINISHED) {
                self.objects.remove_file(&name).map_err(&failed)?;
            } else if is_sha256(&name) {
                let metadata = entry.metadata().map_err(&failed)?;
                if metadata.is_file() {
                    objects.push((name, metadata.len()));
                }
            }
        }
        Ok(objects)
    }

    /// All names, with what they stand for.
    pub(super) fn names(&self) -> Result<Vec<(FileName, String, SystemTime)>, StoreError> {
        let failed = self.failed(USERS, "");
        let mut names = Vec::new();
        for user in self.users.entries().map_err(&failed)? {
            let user = user.map_err(&failed)?;
            let (Ok(name), Ok(dir)) = (user.file_name().into_string(), user.open_dir()) else {
                continue;
            };
            for entry in dir.entries().map_err(&failed)? {
                let entry = entry.map_err(&failed)?;
                let Ok(flat) = entry.file_name().into_string() else {
                    continue;
                };
                if flat.starts_with(UNFINISHED) {
                    dir.remove_file(&flat).map_err(&failed)?;
                    continue;
                }
                let Some(file) = FileName::from_flat(&name, &flat) else {
                    continue;
                };
                let metadata = entry.metadata().map_err(&failed)?;
                let modified = metadata.modified().map_err(&failed)?.into_std();
                let mut sha256 = String::new();
                let file_of_name = entry.open().map_err(&failed)?;
                let read = file_of_name.take(65).read_to_string(&mut sha256);
                if read.is_ok() && is_sha256(&sha256) {
                    names.push((file, sha256, modified));
                }
            }
        }
        Ok(names)
    }

    pub(super) fn write_object(&self, sha256: &str, bytes: &[u8]) -> Result<(), StoreError> {
        write(&self.objects, sha256, bytes).map_err(self.failed(OBJECTS, sha256))
    }

    pub(super) fn read_object(&self, sha256: &str) -> Result<Vec<u8>, StoreError> {
        let bytes = self.objects.read(sha256);
        bytes.map_err(self.failed(OBJECTS, sha256))
    }

    pub(super) fn open_object(&self, sha256: &str) -> Result<File, StoreError> {
        let file = self.objects.open(sha256);
        file.map(cap_std::fs::File::into_std)
            .map_err(self.failed(OBJECTS, sha256))
    }

    pub(super) fn remove_object(&self, sha256: &str) -> Result<(), StoreError> {
        let removed = self.objects.remove_file(sha256);
        removed.map_err(self.failed(OBJECTS, sha256))
    }

    pub(super) fn write_name(&self, name: &FileName, sha256: &str) -> Result<(), StoreError> {
        let failed = self.failed(USERS, &name.to_string());
        self.users.create_dir_all(name.user()).map_err(&failed)?;
        let dir = self.users.open_dir(name.user()).map_err(&failed)?;
        write(&dir, &name.flat(), sha256.as_bytes()).map_err(failed)
    }

    pub(super) fn remove_name(&self, name: &FileName) -> Result<(), StoreError> {
        let failed = self.failed(USERS, &name.to_string());
        let dir = self.users.open_dir(name.user()).map_err(&failed)?;
        dir.remove_file(name.flat()).map_err(failed)?;
        // As long as others are in it, it stays.
        let _ = self.users.remove_dir(name.user());
        Ok(())
    }
}

/// Writes a file in one step: either all of it is there, or what was there before.
fn write(dir: &Dir, name: &str, bytes: &[u8]) -> io::Result<()> {
    let unfinished = format!("{UNFINISHED}{}", Uuid::new_v4().simple());
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    let written = dir.open_with(&unfinished, &options).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        dir.rename(&unfinished, dir, name)
    });
    if written.is_err() {
        // If it is there at all, and at the next start at the latest.
        let _ = dir.remove_file(&unfinished);
    }
    written
}

fn is_sha256(text: &str) -> bool {
    let digit = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 64 && text.bytes().all(digit)
}
