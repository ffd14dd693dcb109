//! Uploads, and how far they are.

use std::io::{self, IsTerminal as _, Read, Write as _};

use serde_json::Value;

use crate::cli::status::printable;

use super::server::{Client, RequestError};

/// What takes less is there before anybody has looked.
const LARGE: usize = 1 << 20;

/// Uploads a file to the store, and returns what the store says of it.
pub(super) fn upload(
    client: &Client,
    user: &str,
    name: &str,
    bytes: &[u8],
) -> Result<Value, RequestError> {
    let shown = bytes.len() >= LARGE && io::stderr().is_terminal();
    let mut body = Progress {
        name: printable(name),
        whole: bytes,
        sent: 0,
        percent: shown.then_some(None),
    };
    client.put(&["store", "users", user, name], bytes.len(), &mut body)
}

/// Reads what is to be sent, and tells stderr of each percent.
struct Progress<'a> {
    name: String,
    whole: &'a [u8],
    sent: usize,
    /// The last that was told. Outer `None` when nothing is to be.
    percent: Option<Option<usize>>,
}

impl Read for Progress<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut left = self.whole.get(self.sent..).unwrap_or_default();
        let count = left.read(buffer)?;
        self.sent += count;
        let percent = self.sent.saturating_mul(100) / self.whole.len().max(1);
        if let Some(told) = &mut self.percent
            && *told != Some(percent)
        {
            *told = Some(percent);
            let end = if percent == 100 { "\n" } else { "" };
            // Nobody misses it.
            let _ = write!(io::stderr(), "\ruploading {}: {percent}%{end}", self.name);
        }
        Ok(count)
    }
}
