//! Where the bytes of a module come from: the message, the node's directory, the store.

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;

use crate::trust::{SIGNATURE_LIMIT, Trust};

use super::app_dir::{self, FileError};
use super::store::{Store, StoreError};

/// Where a module's file is to be had.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// The create message has it.
    Inline(Bytes),
    /// In the directory of modules, or else in the store under the module's name.
    Named { name: String, filename: String },
}

/// The places that the settings name.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) app_dir: PathBuf,
    pub(super) store: Option<Store>,
    /// The largest file, in bytes.
    pub(super) limit: u64,
    /// Whether signatures are wanted.
    pub(super) trust: Arc<Trust>,
}

/// A module's file.
#[derive(Debug)]
pub(super) struct ModuleFile<'a> {
    pub(super) bytes: Cow<'a, [u8]>,
    /// What a file of the same name with the ending `.sig` has, where it is wanted.
    pub(super) signature: Option<Vec<u8>>,
}

/// Why there is no file.
#[derive(Debug, thiserror::Error)]
pub(super) enum SourceError {
    #[error("the module of {size} bytes is larger than the {limit} bytes that it may have")]
    TooLarge { size: usize, limit: u64 },
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("{0}; {1}")]
    Neither(Box<FileError>, Box<StoreError>),
}

impl Files {
    /// A module's file. May take as long as the store's time-out.
    pub(super) fn read<'a>(&self, source: &'a Source) -> Result<ModuleFile<'a>, SourceError> {
        match source {
            Source::Inline(bytes) if bytes.len() as u64 > self.limit => {
                Err(SourceError::TooLarge {
                    size: bytes.len(),
                    limit: self.limit,
                })
            }
            // It brings its signature with it.
            Source::Inline(bytes) => Ok(ModuleFile {
                bytes: Cow::Borrowed(bytes),
                signature: None,
            }),
            Source::Named { name, filename } => self.named(name, filename),
        }
    }

    fn named(&self, name: &str, filename: &str) -> Result<ModuleFile<'static>, SourceError> {
        let file = |bytes, signature| ModuleFile {
            bytes: Cow::Owned(bytes),
            signature,
        };
        let beside = format!("{filename}.sig");
        let missing = match app_dir::read(&self.app_dir, filename, self.limit) {
            Ok(bytes) if !self.trust.wants_signature(&bytes) => return Ok(file(bytes, None)),
            Ok(bytes) => {
                return match app_dir::read(&self.app_dir, &beside, SIGNATURE_LIMIT) {
                    Ok(signature) => Ok(file(bytes, Some(signature))),
                    Err(FileError::NotFound { .. }) => Ok(file(bytes, None)),
                    Err(error) => Err(error.into()),
                };
            }
            Err(missing @ FileError::NotFound { .. }) => missing,
            Err(error) => return Err(error.into()),
        };
        let Some(store) = &self.store else {
            return Err(missing.into());
        };
        let bytes = store
            .get(name, filename, self.limit)
            .map_err(|error| SourceError::Neither(Box::new(missing), Box::new(error)))?;
        if !self.trust.wants_signature(&bytes) {
            return Ok(file(bytes, None));
        }
        match store.get(name, &beside, SIGNATURE_LIMIT) {
            Ok(signature) => Ok(file(bytes, Some(signature))),
            Err(StoreError::NotFound(_)) => Ok(file(bytes, None)),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_the_message_or_the_directory() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.wasm"), "file").unwrap();
        let files = Files {
            app_dir: dir.path().to_owned(),
            store: None,
            limit: 10,
            trust: Arc::default(),
        };
        let named = |filename: &str| Source::Named {
            name: "me/prog".to_owned(),
            filename: filename.to_owned(),
        };
        assert_eq!(*files.read(&named("a.wasm")).unwrap().bytes, *b"file");
        let error = files.read(&named("b.wasm")).unwrap_err().to_string();
        assert!(error.contains("there is no file \"b.wasm\""), "{error}");
        let inline = Source::Inline(Bytes::from_static(b"0123456789"));
        assert_eq!(files.read(&inline).unwrap().bytes.len(), 10);
        let large = Source::Inline(Bytes::from_static(b"0123456789a"));
        assert!(matches!(
            files.read(&large),
            Err(SourceError::TooLarge {
                size: 11,
                limit: 10
            })
        ));
    }
}
