//! A certificate authority in a directory, for a realm of one's own.

use std::fs::{self, DirBuilder};
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, date_time_ymd,
};
use rustls::RootCertStore;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};

use crate::config::{Exposed, exposed};

use super::{private_file, validity};

const DAY: Duration = Duration::from_secs(24 * 3600);
/// Ten years.
const AUTHORITY_DAYS: u32 = 3653;
/// Clocks of devices may be behind: a Raspberry Pi has none that runs without power.
const EARLIER: Duration = DAY;
const CERTIFICATE: &str = "ca.pem";
const KEY: &str = "ca.key";
const SERVER: &str = "server";

/// What is to be issued.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The names and addresses of the server; empty for no server's certificate.
    pub server: Vec<String>,
    /// The clients' names.
    pub clients: Vec<String>,
    /// How long certificates are valid, in days.
    pub days: u32,
}

/// A certificate and its key, as files in PEM format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issued {
    /// The client's name; of a server all of its names.
    pub names: Vec<String>,
    /// The certificate.
    pub cert: PathBuf,
    /// Its key, which only the user can read.
    pub key: PathBuf,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificates {
    /// The authority's certificate.
    pub ca: PathBuf,
    /// Whether the authority is new.
    pub is_new: bool,
    /// The server's.
    pub server: Option<Issued>,
    /// One for each client.
    pub clients: Vec<Issued>,
    /// How long they are valid, in days: as was asked for, or as long as the authority is.
    pub days: u32,
}

/// Why nothing is issued.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IssueError {
    /// It is kept, whoever uses it.
    #[error("{} is there already: keys are not overwritten", .0.display())]
    Exists(PathBuf),
    /// One of the two files of the authority is missing.
    #[error("{} is there, but {} is not: both make the authority", .there.display(), .missing.display())]
    Half {
        /// The file that is there.
        there: PathBuf,
        /// The file that is missing.
        missing: PathBuf,
    },
    /// The files are from something else.
    #[error("{} and {} are no authority that was made here: take another directory", .cert.display(), .key.display())]
    Foreign {
        /// The certificate.
        cert: PathBuf,
        /// The key.
        key: PathBuf,
    },
    /// Nobody believes what it issues.
    #[error("the authority in {} has expired: make another one, in another directory", .0.display())]
    Expired(PathBuf),
    /// A name that files cannot have, or that ours have.
    #[error(
        "\"{0}\" cannot be a client's name: it has letters, digits, \".\", \"_\" and \"-\", begins with a letter or digit, and is not \"ca\" or \"server\""
    )]
    ClientName(String),
    /// A client was asked for twice.
    #[error("the client \"{0}\" is named twice")]
    Twice(String),
    /// What is no name of a host and no address.
    #[error("\"{0}\" is no name of a host and no IP address")]
    ServerName(String),
    /// A file cannot be read or written.
    #[error("cannot use {}: {why}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        why: io::Error,
    },
    /// Whoever can read the authority's key can make clients.
    #[error("others can read {}: chmod go-rwx it", .0.display())]
    Shared(PathBuf),
    /// Others could put another authority in its place, or its owner is another.
    #[error("{} is no key of an authority: {why}", .path.display())]
    Exposed {
        /// The key's file.
        path: PathBuf,
        /// What lets them.
        why: Exposed,
    },
    /// The library refuses.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
}

/// A certificate authority in a directory: `ca.pem` and `ca.key`.
pub struct Authority {
    dir: PathBuf,
    issuer: Issuer<'static, KeyPair>,
    /// Until when it is valid, after 1970.
    until: Duration,
    /// Its certificate, where it is not written yet.
    new: Option<(String, String)>,
}

impl Authority {
    /// The authority in `dir`; a new one where there is none, which nothing is written of before
    /// something is issued.
    ///
    /// # Errors
    /// When there is half of one, or one that was not made here, or others can read its key.
    pub fn open_or_new(dir: &Path) -> Result<Authority, IssueError> {
        let (cert, key) = (dir.join(CERTIFICATE), dir.join(KEY));
        match (read(&cert)?, read(&key)?) {
            (None, None) => Authority::new(dir, AUTHORITY_DAYS),
            (Some(cert_pem), Some(key_pem)) => {
                private(&key)?;
                Authority::open(dir, &cert_pem, &key_pem)?.ok_or(IssueError::Foreign { cert, key })
            }
            (Some(_), None) => Err(IssueError::Half {
                there: cert,
                missing: key,
            }),
            (None, Some(_)) => Err(IssueError::Half {
                there: key,
                missing: cert,
            }),
        }
    }

    fn new(dir: &Path, days: u32) -> Result<Authority, IssueError> {
        let key = KeyPair::generate()?;
        let params = params(&key, days);
        let cert = params.self_signed(&key)?.pem();
        let key_pem = key.serialize_pem();
        Ok(Authority {
            dir: dir.to_owned(),
            issuer: Issuer::new(params, key),
            until: since_1970() + DAY * days,
            new: Some((cert, key_pem)),
        })
    }

    /// `None` when its name is not the one that we give to that key.
    fn open(dir: &Path, cert: &str, key: &str) -> Result<Option<Authority>, IssueError> {
        let Ok(key) = KeyPair::from_pem(key) else {
            return Ok(None);
        };
        let params = params(&key, AUTHORITY_DAYS);
        let ours = params.self_signed(&key)?;
        let Ok(theirs) = CertificateDer::from_pem_slice(cert.as_bytes()) else {
            return Ok(None);
        };
        let Some(until) = validity::not_after(&theirs) else {
            return Ok(None);
        };
        let same = anchor(theirs) == anchor(ours.der().clone());
        Ok(same.then(|| Authority {
            dir: dir.to_owned(),
            issuer: Issuer::new(params, key),
            until,
            new: None,
        }))
    }

    /// Whether there was none before.
    #[must_use]
    pub fn is_new(&self) -> bool {
        self.new.is_some()
    }

    /// Issues what is asked for: all of it, or nothing. Nothing that it issues outlives the authority:
    /// it would be refused then, and does not say why.
    ///
    /// # Errors
    /// When a name cannot be used, a file is there already or cannot be written, or the authority has
    /// less than a day left.
    pub fn issue(self, request: &Request) -> Result<Certificates, IssueError> {
        let left = self.until.saturating_sub(since_1970()).as_secs() / DAY.as_secs();
        let days = request.days.min(u32::try_from(left).unwrap_or(u32::MAX));
        if days == 0 {
            return Err(IssueError::Expired(self.dir));
        }
        let mut files = Vec::new();
        let is_new = self.new.is_some();
        let ca = self.dir.join(CERTIFICATE);
        if let Some((cert, key)) = &self.new {
            files.push((ca.clone(), cert.clone(), false));
            files.push((self.dir.join(KEY), key.clone(), true));
        }
        let mut add = |name: &str, names: Vec<String>, purpose| -> Result<Issued, IssueError> {
            let (cert, key) = self.certificate(&names, purpose, days)?;
            let issued = Issued {
                names,
                cert: self.dir.join(format!("{name}.pem")),
                key: self.dir.join(format!("{name}.key")),
            };
            files.push((issued.cert.clone(), cert, false));
            files.push((issued.key.clone(), key, true));
            Ok(issued)
        };
        let names = server_names(&request.server)?;
        let server = (!names.is_empty())
            .then(|| add(SERVER, names, ExtendedKeyUsagePurpose::ServerAuth))
            .transpose()?;
        let mut clients: Vec<Issued> = Vec::new();
        for name in &request.clients {
            check_client(name)?;
            let names = vec![name.clone()];
            if clients.iter().any(|client| client.names == names) {
                return Err(IssueError::Twice(name.clone()));
            }
            clients.push(add(name, names, ExtendedKeyUsagePurpose::ClientAuth)?);
        }
        self.write(&files)?;
        Ok(Certificates {
            ca,
            is_new,
            server,
            clients,
            days,
        })
    }

    /// A certificate and its key. The first name is the subject's.
    fn certificate(
        &self,
        names: &[String],
        purpose: ExtendedKeyUsagePurpose,
        days: u32,
    ) -> Result<(String, String), IssueError> {
        let alternatives = match purpose {
            ExtendedKeyUsagePurpose::ServerAuth => names,
            // A client's name is no host's.
            _ => &[],
        };
        let mut params = CertificateParams::new(alternatives)?;
        let name = names.first().map_or("", String::as_str);
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![purpose];
        params.use_authority_key_identifier_extension = true;
        valid(&mut params, days);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok((certificate.pem(), key.serialize_pem()))
    }

    /// Writes the files, with whether they are secret.
    fn write(&self, files: &[(PathBuf, String, bool)]) -> Result<(), IssueError> {
        if let Some((path, ..)) = files
            .iter()
            .find(|(path, ..)| path.symlink_metadata().is_ok())
        {
            return Err(IssueError::Exists(path.clone()));
        }
        let failed = |path: &Path, why: io::Error| match why.kind() {
            io::ErrorKind::AlreadyExists => IssueError::Exists(path.to_owned()),
            _ => IssueError::File {
                path: path.to_owned(),
                why,
            },
        };
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.dir)
            .map_err(|e| failed(&self.dir, e))?;
        let mut written: Vec<&Path> = Vec::new();
        for (path, text, secret) in files {
            let done = if *secret {
                private_file::write_new(path, text)
            } else {
                private_file::write_new_public(path, text)
            };
            if let Err(error) = done {
                for path in written {
                    // What stays is refused the next time, by name.
                    let _ = fs::remove_file(path);
                }
                return Err(failed(path, error));
            }
            written.push(path);
        }
        Ok(())
    }
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// The authority's own certificate. Its name is made of its key, so that no two have the same, and
/// so that the key alone gives the issuer's name back.
fn params(key: &KeyPair, days: u32) -> CertificateParams {
    use sha2::{Digest as _, Sha256};

    let digest = Sha256::digest(key.subject_public_key_info());
    let short: String = digest
        .iter()
        .take(4)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, format!("ARENA realm CA {short}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    valid(&mut params, days);
    params
}

fn since_1970() -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default()
}

fn valid(params: &mut CertificateParams, days: u32) {
    let now = date_time_ymd(1970, 1, 1) + since_1970();
    params.not_before = now - EARLIER;
    params.not_after = now + DAY * days;
}

/// The name and the key of an authority, as verifiers see them.
fn anchor(cert: CertificateDer<'static>) -> Option<(Vec<u8>, Vec<u8>)> {
    let mut roots = RootCertStore::empty();
    roots.add(cert).ok()?;
    let anchor = roots.roots.first()?;
    Some((
        anchor.subject.to_vec(),
        anchor.subject_public_key_info.to_vec(),
    ))
}

/// `None` when there is no such file.
fn read(path: &Path) -> Result<Option<String>, IssueError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(why) => Err(IssueError::File {
            path: path.to_owned(),
            why,
        }),
    }
}

/// Whether the key is the user's alone.
fn private(key: &Path) -> Result<(), IssueError> {
    let path = key.to_owned();
    let shared = fs::metadata(key).is_ok_and(|file| file.mode() & private_file::OF_OTHERS != 0);
    match exposed(key) {
        _ if shared => Err(IssueError::Shared(path)),
        Some(why) => Err(IssueError::Exposed { path, why }),
        None => Ok(()),
    }
}

/// The name becomes that of files, and brokers take it for a user's.
fn check_client(name: &str) -> Result<(), IssueError> {
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let usable = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.len() <= 64
        && name.chars().all(good)
        && !matches!(name, "ca" | SERVER);
    if usable {
        Ok(())
    } else {
        Err(IssueError::ClientName(name.to_owned()))
    }
}

/// Names of hosts and IP addresses, each once.
///
/// # Errors
/// When one is neither.
pub fn server_names(names: &[String]) -> Result<Vec<String>, IssueError> {
    let mut all: Vec<String> = Vec::new();
    for name in names {
        let usable = name.parse::<IpAddr>().is_ok() || ServerName::try_from(name.as_str()).is_ok();
        if !usable {
            return Err(IssueError::ServerName(name.clone()));
        }
        if !all.contains(name) {
            all.push(name.clone());
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn request(server: &[&str], clients: &[&str]) -> Request {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Request {
            server: owned(server),
            clients: owned(clients),
            days: 30,
        }
    }

    fn issue(dir: &Path, server: &[&str], clients: &[&str]) -> Result<Certificates, IssueError> {
        Authority::open_or_new(dir)?.issue(&request(server, clients))
    }

    fn files(dir: &Path) -> Vec<String> {
        let Ok(entries) = fs::read_dir(dir) else {
            return Vec::new();
        };
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn clients_are_added_and_keys_kept() {
        let dir = tempfile::tempdir().unwrap();
        let dir = &dir.path().join("certs");
        let made = issue(dir, &["broker.local", "127.0.0.1"], &["node1"]).unwrap();
        assert!(made.is_new);
        assert_eq!(made.server.unwrap().names, ["broker.local", "127.0.0.1"]);
        let all = [
            "ca.key",
            "ca.pem",
            "node1.key",
            "node1.pem",
            "server.key",
            "server.pem",
        ];
        assert_eq!(files(dir), all);
        for name in all {
            let mode = fs::metadata(dir.join(name)).unwrap().permissions().mode();
            let expected = if name.ends_with(".key") { 0o600 } else { 0o644 };
            assert_eq!(mode & 0o777, expected, "{name}");
        }
        let ca = fs::read(dir.join("ca.pem")).unwrap();
        let added = issue(dir, &[], &["node2"]).unwrap();
        assert!(!added.is_new && added.server.is_none());
        assert_eq!(fs::read(dir.join("ca.pem")).unwrap(), ca);

        // All of it, or nothing.
        let error = issue(dir, &[], &["node3", "node1"]).unwrap_err();
        assert!(matches!(error, IssueError::Exists(path) if path.ends_with("node1.pem")));
        let error = issue(dir, &["other.local"], &["node3"]).unwrap_err();
        assert!(matches!(error, IssueError::Exists(path) if path.ends_with("server.pem")));
        assert!(!dir.join("node3.key").exists());
    }

    #[test]
    fn names_that_cannot_be() {
        let dir = tempfile::tempdir().unwrap();
        let dir = &dir.path().join("certs");
        for name in [
            "", "../x", "a/b", "ca", "server", ".x", "-x", "a b", "ü", "a\nb",
        ] {
            let error = issue(dir, &[], &[name]).unwrap_err();
            assert!(matches!(error, IssueError::ClientName(_)), "{name}");
        }
        for name in ["", "a b", "x..y", "1.2.3.4.5/", "*\n"] {
            let error = issue(dir, &[name], &[]).unwrap_err();
            assert!(matches!(error, IssueError::ServerName(_)), "{name}");
        }
        let error = issue(dir, &[], &["a", "a"]).unwrap_err();
        assert!(matches!(error, IssueError::Twice(_)));
        assert!(files(dir).is_empty(), "nothing is left behind");
    }

    #[test]
    fn nothing_outlives_its_authority() {
        let until = |path: &Path| {
            let pem = fs::read(path).unwrap();
            validity::not_after(&CertificateDer::from_pem_slice(&pem).unwrap()).unwrap()
        };
        let dir = tempfile::tempdir().unwrap();
        // Rather more than twenty days, and than none.
        let short = Authority::new(dir.path(), 21).unwrap();
        assert_eq!(short.issue(&request(&["a.b"], &["a"])).unwrap().days, 20);
        let ca = until(&dir.path().join("ca.pem"));
        let added = issue(dir.path(), &[], &["b"]).unwrap();
        assert_eq!(added.days, 20);
        for name in ["server.pem", "a.pem", "b.pem"] {
            let leaf = until(&dir.path().join(name));
            assert!(leaf <= ca && leaf > since_1970() + DAY * 19, "{name}");
        }
        let dir = tempfile::tempdir().unwrap();
        let over = Authority::new(dir.path(), 0).unwrap();
        let error = over.issue(&request(&[], &["a"])).unwrap_err();
        assert!(matches!(error, IssueError::Expired(_)), "{error}");
        let long = issue(dir.path(), &[], &["a"]).unwrap();
        assert_eq!(long.days, 30);
        let ten_years = Request {
            days: 3650,
            ..request(&[], &["b"])
        };
        let authority = Authority::open_or_new(dir.path()).unwrap();
        assert_eq!(authority.issue(&ten_years).unwrap().days, 3650);
    }

    #[test]
    fn a_key_that_others_can_read_issues_nothing() {
        use std::fs::Permissions;
        use std::os::unix::fs::PermissionsExt as _;

        let dir = tempfile::tempdir().unwrap();
        issue(dir.path(), &[], &["a"]).unwrap();
        let key = dir.path().join("ca.key");
        fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
        let error = issue(dir.path(), &[], &["b"]).unwrap_err();
        assert!(matches!(error, IssueError::Shared(_)), "{error}");
        fs::set_permissions(&key, Permissions::from_mode(0o600)).unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
        let error = issue(dir.path(), &[], &["b"]).unwrap_err();
        assert!(matches!(error, IssueError::Exposed { .. }), "{error}");
        assert_eq!(files(dir.path()), ["a.key", "a.pem", "ca.key", "ca.pem"]);
    }

    #[test]
    fn half_an_authority_or_anothers_is_not_used() {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        issue(one.path(), &[], &["a"]).unwrap();
        issue(other.path(), &[], &["a"]).unwrap();
        let ca = one.path().join("ca.pem");
        fs::copy(other.path().join("ca.pem"), &ca).unwrap();
        let error = issue(one.path(), &[], &["b"]).unwrap_err();
        assert!(matches!(error, IssueError::Foreign { .. }), "{error}");
        fs::write(&ca, "nonsense").unwrap();
        let error = issue(one.path(), &[], &["b"]).unwrap_err();
        assert!(matches!(error, IssueError::Foreign { .. }), "{error}");
        fs::remove_file(&ca).unwrap();
        let error = issue(one.path(), &[], &["b"]).unwrap_err();
        assert!(matches!(error, IssueError::Half { .. }), "{error}");
    }
}
