//! What an instance gets of the host, and the state that is made of it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};

use super::object::{Dir, Object};
use super::table::{Entry, Table};
use super::types::Rights;
use super::virtual_file::{Access, OpenVirtual, VirtualDir, VirtualHandle};

/// Where a standard stream of an instance leads.
#[derive(Debug, Default)]
#[non_exhaustive]
pub enum Stream {
    /// To nowhere: nothing can be read, and what is written is dropped.
    #[default]
    Null,
    /// To this process's own stream.
    Inherit,
    /// To this descriptor. Its flags are left as they are.
    Fd(OwnedFd),
    /// To what is not the host's: an output that is written to it.
    Virtual(Box<dyn VirtualHandle>),
}

/// What an instance gets of the host: nothing but what is added here.
///
/// ```
/// use arena_runtime::wasi::{Stream, Wasi, WasiConfig};
///
/// let mut config = WasiConfig::new();
/// config.arg("hello.wasm").env("LANG", "C").stdout(Stream::Inherit);
/// config.preopen("/", "/data", true);
/// let wasi = Wasi::new(config)?;
/// # Ok::<(), arena_runtime::wasi::WasiError>(())
/// ```
#[derive(Debug)]
pub struct WasiConfig {
    args: Vec<String>,
    env: Vec<(String, String)>,
    preopens: Vec<Preopen>,
    streams: [Stream; 3],
    terminal_streams: bool,
    max_descriptors: usize,
}

#[derive(Debug)]
struct Preopen {
    guest: String,
    directory: Directory,
}

#[derive(Debug)]
enum Directory {
    Host { path: PathBuf, read_only: bool },
    Virtual(VirtualDir),
}

impl Default for WasiConfig {
    fn default() -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            preopens: Vec::new(),
            streams: [Stream::Null, Stream::Null, Stream::Null],
            terminal_streams: false,
            max_descriptors: 1024,
        }
    }
}

impl WasiConfig {
    /// No arguments, no environment, no directories, and streams that lead nowhere.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an argument. The first is the program's name.
    pub fn arg(&mut self, arg: impl Into<String>) -> &mut Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    pub fn args<S: Into<String>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of the environment, in place of one of that name.
    pub fn env(&mut self, name: impl Into<String>, value: impl Into<String>) -> &mut Self {
        let (name, value) = (name.into(), value.into());
        match self.env.iter_mut().find(|(known, _)| *known == name) {
            Some(variable) => variable.1 = value,
            None => self.env.push((name, value)),
        }
        self
    }

    /// Opens a directory of the host to the guest, under a name of the guest's. The first one
    /// is descriptor 3, and so on in the order of the calls. With `read_only` nothing below
    /// it can be changed through it.
    pub fn preopen(
        &mut self,
        host: impl Into<PathBuf>,
        guest: impl Into<String>,
        read_only: bool,
    ) -> &mut Self {
        self.preopens.push(Preopen {
            guest: guest.into(),
            directory: Directory::Host {
                path: host.into(),
                read_only,
            },
        });
        self
    }

    /// Opens a directory of virtual files to the guest. It takes its place in the order of all
    /// preopened directories.
    pub fn preopen_virtual(&mut self, guest: impl Into<String>, dir: VirtualDir) -> &mut Self {
        self.preopens.push(Preopen {
            guest: guest.into(),
            directory: Directory::Virtual(dir),
        });
        self
    }

    /// Sets the standard input.
    pub fn stdin(&mut self, stream: Stream) -> &mut Self {
        self.streams[0] = stream;
        self
    }

    /// Sets the standard output.
    pub fn stdout(&mut self, stream: Stream) -> &mut Self {
        self.streams[1] = stream;
        self
    }

    /// Sets the standard error output.
    pub fn stderr(&mut self, stream: Stream) -> &mut Self {
        self.streams[2] = stream;
        self
    }

    /// Shows all standard streams as terminals, whatever they are, so that the guest's libc
    /// writes line by line.
    pub fn terminal_streams(&mut self, yes: bool) -> &mut Self {
        self.terminal_streams = yes;
        self
    }

    /// How many descriptors the guest may have open beside the standard streams: 1024 unless
    /// set. Preopened directories are among them.
    pub fn max_descriptors(&mut self, limit: usize) -> &mut Self {
        self.max_descriptors = limit;
        self
    }
}

/// Why an instance's WASI state could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WasiError {
    /// A directory could not be opened.
    #[error("cannot open the directory {}: {source}", path.display())]
    Preopen {
        /// The path on the host.
        path: PathBuf,
        /// What the host says.
        source: io::Error,
    },
    /// A standard stream could not be used.
    #[error("cannot use the standard {name}: {source}")]
    Stream {
        /// `input`, `output` or `error`.
        name: &'static str,
        /// What the host says.
        source: io::Error,
    },
    /// An argument, a variable or a directory's name has a NUL in it, which ends strings in
    /// WASI, or a variable's name is empty or has an `=` in it.
    #[error("{0:?} cannot be passed to a module")]
    Text(String),
    /// More preopened directories than descriptors.
    #[error("more directories than the {0} descriptors that the module may have")]
    TooMany(usize),
}

/// The WASI state of one instance: arguments, environment and descriptors.
///
/// It belongs to the instance's context and lives as long as that; files that the guest left
/// open are closed when it is dropped. All its threads share it.
#[derive(Debug)]
pub struct Wasi {
    pub(crate) args: Vec<String>,
    /// As the guest sees it: `NAME=value`.
    pub(crate) env: Vec<String>,
    pub(crate) table: Table,
}

impl Wasi {
    /// Opens what the configuration names.
    ///
    /// # Errors
    /// When a directory or a stream cannot be opened, or a text cannot be passed on.
    pub fn new(config: WasiConfig) -> Result<Self, WasiError> {
        let table = Table::new(config.max_descriptors);
        for (fd, stream) in config.streams.into_iter().enumerate() {
            let entry = open_stream(stream, fd, config.terminal_streams).map_err(|source| {
                let name = ["input", "output", "error"].get(fd).unwrap_or(&"stream");
                WasiError::Stream { name, source }
            })?;
            table.set_stream(fd, entry);
        }
        for preopen in config.preopens {
            let guest = check_text(preopen.guest)?;
            let entry = match preopen.directory {
                Directory::Host { path, read_only } => open_preopen(&path, &guest, read_only)
                    .map_err(|source| WasiError::Preopen { path, source })?,
                Directory::Virtual(dir) => virtual_preopen(dir, &guest),
            };
            table
                .insert(entry)
                .map_err(|_| WasiError::TooMany(config.max_descriptors))?;
        }
        let env = config.env.into_iter().map(|(name, value)| {
            if name.is_empty() || name.contains('=') {
                return Err(WasiError::Text(name));
            }
            check_text(format!("{name}={value}"))
        });
        Ok(Self {
            args: config
                .args
                .into_iter()
                .map(check_text)
                .collect::<Result<_, _>>()?,
            env: env.collect::<Result<_, _>>()?,
            table,
        })
    }
}

impl AsRef<Wasi> for Wasi {
    fn as_ref(&self) -> &Wasi {
        self
    }
}

fn check_text(text: String) -> Result<String, WasiError> {
    if text.contains('\0') {
        Err(WasiError::Text(text))
    } else {
        Ok(text)
    }
}

fn open_stream(stream: Stream, number: usize, as_terminal: bool) -> io::Result<Entry> {
    let is_input = number == 0;
    let fd = match stream {
        Stream::Null => std::fs::OpenOptions::new()
            .read(true)
            .write(true)
            .open("/dev/null")?
            .into(),
        Stream::Inherit => match number {
            0 => io::stdin().as_fd().try_clone_to_owned()?,
            1 => io::stdout().as_fd().try_clone_to_owned()?,
            _ => io::stderr().as_fd().try_clone_to_owned()?,
        },
        Stream::Fd(fd) => fd,
        Stream::Virtual(handle) => return Ok(virtual_stream(handle, is_input)),
    };
    let object = Object::stream(fd, as_terminal)?;
    let other_direction = if is_input {
        Rights::WRITES_DATA
    } else {
        Rights::FD_READ
    };
    let applicable = object.applicable();
    let base = match &object {
        // A socket goes both ways.
        Object::File(_) if applicable.contains(Rights::SOCK_SHUTDOWN) => applicable,
        Object::File(_) => applicable & !other_direction,
        // A directory as a stream is of no use, and not a way into it.
        _ => Rights::FD_FILESTAT_GET,
    };
    let inheriting = if base.contains(Rights::SOCK_ACCEPT) {
        Rights::SOCKET
    } else {
        Rights::EMPTY
    };
    Ok(Entry {
        object: Arc::new(object),
        base,
        inheriting,
        preopen: None,
        read_only: false,
    })
}

fn virtual_stream(handle: Box<dyn VirtualHandle>, is_input: bool) -> Entry {
    let access = if is_input {
        Access::READ
    } else {
        Access::WRITE
    };
    let object = Object::Virtual(OpenVirtual::new(handle, access));
    Entry {
        base: object.applicable(),
        inheriting: Rights::EMPTY,
        object: Arc::new(object),
        preopen: None,
        read_only: false,
    }
}

fn open_preopen(path: &Path, guest: &str, read_only: bool) -> io::Result<Entry> {
    let object = Object::Dir(open_dir(path)?);
    let allowed = if read_only {
        !Rights::WRITES
    } else {
        Rights::ALL
    };
    Ok(Entry {
        base: object.applicable() & allowed,
        inheriting: allowed,
        object: Arc::new(object),
        preopen: Some(guest.into()),
        read_only,
    })
}

fn virtual_preopen(dir: VirtualDir, guest: &str) -> Entry {
    let object = Object::VirtualDir(Arc::new(dir));
    Entry {
        base: object.applicable(),
        inheriting: Rights::ALL,
        object: Arc::new(object),
        preopen: Some(guest.into()),
        read_only: false,
    }
}

/// A directory that must not be listed may still be a way to what is in it.
fn open_dir(path: &Path) -> io::Result<Dir> {
    let flags = OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags | OFlags::RDONLY, Mode::empty()) {
        Ok(fd) => Ok(Dir::new(fd, true)),
        Err(rustix::io::Errno::ACCESS) => Ok(Dir::new(
            rustix::fs::open(path, flags | OFlags::PATH, Mode::empty())?,
            false,
        )),
        Err(err) => Err(err.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::types::FileType;
    use super::*;

    #[test]
    fn nothing_by_default() {
        let wasi = Wasi::new(WasiConfig::new()).unwrap();
        assert!(wasi.args.is_empty() && wasi.env.is_empty());
        let stdin = wasi.table.get(0).unwrap();
        assert!(stdin.base.contains(Rights::FD_READ));
        assert!(!stdin.base.intersects(Rights::WRITES_DATA));
        let stdout = wasi.table.get(1).unwrap();
        assert_eq!(stdout.object.filetype(), FileType::CharacterDevice);
        assert!(!stdout.base.contains(Rights::FD_READ));
        assert!(wasi.table.get(3).is_err());
    }

    #[test]
    fn preopens_in_order_and_read_only() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = WasiConfig::new();
        config
            .preopen(dir.path(), "/a", false)
            .preopen(dir.path(), "/b", true);
        let wasi = Wasi::new(config).unwrap();
        let (a, b) = (wasi.table.get(3).unwrap(), wasi.table.get(4).unwrap());
        assert_eq!(a.preopen.as_deref(), Some("/a"));
        assert_eq!(a.base, Rights::DIRECTORY);
        assert_eq!(b.preopen.as_deref(), Some("/b"));
        assert!(!b.base.intersects(Rights::WRITES));
        assert!(!b.inheriting.intersects(Rights::WRITES));
    }

    #[test]
    fn what_cannot_be_opened_is_named() {
        let mut config = WasiConfig::new();
        config.preopen("/no/such/place", "/", false);
        let message = Wasi::new(config).unwrap_err().to_string();
        assert!(message.contains("/no/such/place"), "{message}");
    }

    #[test]
    fn texts_that_c_cannot_hold() {
        for (name, value) in [("A\0", "b"), ("A", "b\0"), ("", "b"), ("A=", "b")] {
            let mut config = WasiConfig::new();
            config.env(name, value);
            assert!(
                matches!(Wasi::new(config), Err(WasiError::Text(_))),
                "{name:?}"
            );
        }
        let mut config = WasiConfig::new();
        config.arg("a\0b");
        assert!(matches!(Wasi::new(config), Err(WasiError::Text(_))));
    }

    #[test]
    fn a_variable_is_set_once() {
        let mut config = WasiConfig::new();
        config.env("A", "1").env("B", "2").env("A", "3");
        assert_eq!(Wasi::new(config).unwrap().env, ["A=3", "B=2"]);
    }
}
