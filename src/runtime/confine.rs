//! What a node needs of the machine, from its settings: the rest is given up.

use std::env;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use tracing::warn;

use crate::artifacts::Compiler;
use crate::config::{EngineMode, SandboxLevel, Settings};
use crate::pubsub::BrokerUrl;
use crate::sandbox::{self, Capabilities, Held, Needs, SandboxError};

use super::groups;

/// Gives up what a node with these settings does not need, for this thread and all that it starts:
/// to be called before there are others. Directories that the node keeps are made,
/// and it goes into control groups if the settings want bounds that take them. `None` when the
/// settings want no sandbox.
///
/// # Errors
/// With `strict` when something cannot be had here, or when the system refuses what it has.
pub fn confine(settings: &Settings) -> Result<Option<&'static Held>, SandboxError> {
    let level = settings.security.sandbox;
    let group = groups::settle(&settings.limits);
    if level == SandboxLevel::Off {
        return Ok(None);
    }
    for dir in [&settings.runtime.state_dir, &settings.store.cache_dir] {
        // Whoever uses it says what is wrong with it.
        let _ = std::fs::create_dir_all(dir);
    }
    let granted = settings.dirs.values().map(|dir| &dir.host);
    for dir in granted.chain([&settings.runtime.app_dir]) {
        let made_later = dir.starts_with(&settings.runtime.state_dir);
        if !dir.exists() && !made_later {
            warn!(
                "{} is not there, and could not be used later, because of the sandbox; make it and start again",
                dir.display()
            );
        }
    }
    for warning in holes(settings) {
        warn!("{warning}");
    }
    let mut needs = needs(settings);
    needs.write.extend(group);
    sandbox::apply(level, &needs)
}

/// What of the settings takes away what the sandbox is for, or what cannot come to anything in it.
fn holes(settings: &Settings) -> Vec<String> {
    let dirs = [
        ("runtime.app_dir", &settings.runtime.app_dir),
        ("runtime.state_dir", &settings.runtime.state_dir),
        ("store.cache_dir", &settings.store.cache_dir),
    ];
    let granted = settings.dirs.values().map(|dir| ("dirs", &dir.host));
    let is_root = |dir: &Path| dir.canonicalize().is_ok_and(|dir| dir.parent().is_none());
    let mut holes: Vec<String> = dirs
        .into_iter()
        .chain(granted)
        .filter(|(_, dir)| is_root(dir))
        .map(|(key, _)| format!("{key} is /: the sandbox keeps no file from the runtime"))
        .collect();
    let fetched = settings.store.url.is_some() && settings.engine.trusted_key.is_some();
    if settings.security.sandbox == SandboxLevel::Strict
        && settings.engine.mode == EngineMode::Aot
        && !fetched
    {
        holes.push(
            "engine.mode is \"aot\", and with the strict sandbox nothing is compiled here: only modules \
             run that are compiled already; a supervisor's code takes store.url and engine.trusted_key"
                .to_owned(),
        );
    }
    holes
}

fn needs(settings: &Settings) -> Needs {
    let strict = settings.security.sandbox == SandboxLevel::Strict;
    let network = Network::of(settings);
    let mut needs = Needs {
        read: READ.map(PathBuf::from).to_vec(),
        write: vec![
            settings.runtime.state_dir.clone(),
            settings.store.cache_dir.clone(),
            "/dev/null".into(),
        ],
        resolver: network.names,
        connect: network.ports,
        bind: settings
            .runtime
            .http
            .iter()
            .map(|http| http.port())
            .collect(),
        capabilities: if strict {
            Capabilities::Few
        } else {
            Capabilities::Files
        },
        ..Needs::default()
    };
    needs.read.push(settings.runtime.app_dir.clone());
    for dir in settings.dirs.values() {
        let dirs = if dir.read_only {
            &mut needs.read
        } else {
            &mut needs.write
        };
        dirs.push(dir.host.clone());
    }
    let broker = &settings.broker;
    let named = [
        &broker.ca,
        &broker.cert,
        &broker.key,
        &broker.password_file,
        &broker.token_file,
    ];
    needs.read.extend(settings.security.trusted_keys.clone());
    for file in named.into_iter().flatten() {
        needs.read.extend(replaceable(file));
    }
    if network.certificates {
        needs.read.extend(CERTIFICATES.map(PathBuf::from));
        for variable in ["SSL_CERT_FILE", "SSL_CERT_DIR"] {
            needs.read.extend(paths_in(variable));
        }
    }
    if network.named {
        needs.read.extend(RESOLVER.map(PathBuf::from));
        needs.read.extend(resolver_dir(network.names && !strict));
    }
    if network.names {
        // Some ways to find a host are libraries.
        needs.read.extend(LIBRARIES.map(PathBuf::from));
    }
    let compiles = settings.engine.mode != EngineMode::Interpreter && !strict;
    if compiles && let Some(compiler) = Compiler::find(settings.engine.compiler.as_deref()) {
        needs.execute.push(compiler.program().to_owned());
        needs.execute.extend(LOADERS.map(PathBuf::from));
        needs.read.extend(LIBRARIES.map(PathBuf::from));
        needs.read.extend(paths_in("LD_LIBRARY_PATH"));
    }
    // What a panic's call stack gets its names from.
    needs.read.extend(env::current_exe());
    if let Some(socket) = env::var_os("NOTIFY_SOCKET") {
        needs.datagrams = true;
        needs.abstract_sockets = socket.as_encoded_bytes().starts_with(b"@");
    }
    needs
}

/// What the monitor reads, and what libraries need.
const READ: [&str; 4] = ["/proc", "/sys", "/dev/urandom", "/dev/random"];

/// The system's certificates: lists, and what is linked to from them.
const CERTIFICATES: [&str; 10] = [
    "/etc/ssl/certs",
    "/etc/ssl/cert.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/ca-trust/extracted",
    "/etc/ca-certificates/extracted",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/var/lib/ca-certificates",
];

/// How hosts are found by their names.
const RESOLVER: [&str; 6] = [
    "/etc/hosts",
    "/etc/resolv.conf",
    "/etc/nsswitch.conf",
    "/etc/host.conf",
    "/etc/gai.conf",
    "/etc/services",
];

const LIBRARIES: [&str; 6] = [
    "/lib",
    "/lib64",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local/lib",
    "/etc/ld.so.cache",
];

/// What the kernel starts a program with that has shared libraries.
const LOADERS: [&str; 4] = [
    "/lib64/ld-linux-x86-64.so.2",
    "/lib/ld-linux-aarch64.so.1",
    "/lib/ld-musl-x86_64.so.1",
    "/lib/ld-musl-aarch64.so.1",
];

fn paths_in(variable: &str) -> Vec<PathBuf> {
    let value = env::var_os(variable).unwrap_or_default();
    env::split_paths(&value)
        .filter(|path| path.is_absolute())
        .collect()
}

/// A file that others renew by putting a new one in its place. Landlock knows files, not names, so
/// that the new one can be read only if its directory can; unless others have theirs there, too.
///
/// It may also be renewed by links: Kubernetes mounts `token` as a link to `..data/token`, and `..data`
/// as one to a directory that is another one after each renewal. The new one is below the directory
/// that the settings name, or, where they name such a link, beside what it refers to now.
fn replaceable(file: &Path) -> Vec<PathBuf> {
    let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    let named = file.parent().unwrap_or(file);
    let mut dirs = vec![real(named)];
    if named.is_symlink() {
        dirs.extend(named.parent().map(real));
    }
    let file = real(file);
    dirs.extend(file.parent().map(Path::to_owned));
    let mut read = vec![file];
    read.extend(dirs.into_iter().filter(|dir| !is_shared(dir)));
    // What is below another one needs no rule of its own.
    let all = read.clone();
    read.retain(|path| {
        !path
            .ancestors()
            .skip(1)
            .any(|dir| all.iter().any(|other| other == dir))
    });
    read.sort_unstable();
    read.dedup();
    read
}

/// Whether it is a directory like `/etc` or `/var/lib`, or somebody's home.
fn is_shared(dir: &Path) -> bool {
    let home = env::var_os("HOME").is_some_and(|home| dir == Path::new(&home));
    let depth = dir.components().count();
    let of_many = ["/home", "/usr", "/var"]
        .iter()
        .any(|top| dir.starts_with(top));
    home || depth <= 2 || (depth == 3 && of_many)
}

/// The directory of `resolv.conf`, which is renewed when the network changes. `shared`: also where
/// that is `/etc`, since no name could be found any more otherwise.
fn resolver_dir(shared: bool) -> Option<PathBuf> {
    let file = Path::new("/etc/resolv.conf");
    // It may come, or what it refers to, when there is a network.
    let file = file.canonicalize().unwrap_or_else(|_| {
        let link = file.read_link();
        Path::new("/etc").join(link.unwrap_or_else(|_| "resolv.conf".into()))
    });
    let dir = file.ancestors().skip(1).find(|dir| dir.is_dir())?;
    let is_root = dir.parent().is_none();
    (!is_root && (shared || !is_shared(dir))).then(|| dir.to_owned())
}

/// What it takes to reach the broker and the store.
#[derive(Debug, Default, PartialEq, Eq)]
struct Network {
    ports: Vec<u16>,
    /// One of them has a name, which may be `localhost`.
    named: bool,
    /// One has a name that others than this host know.
    names: bool,
    /// The system's certificates are needed.
    certificates: bool,
}

/// Names of hosts are looked up by TCP when an answer is large.
const DNS: u16 = 53;

impl Network {
    fn of(settings: &Settings) -> Network {
        let mut network = Network::default();
        // One that is wrong is told when the link is set up.
        if let Ok(broker) = settings.broker.url.as_str().parse::<BrokerUrl>() {
            network.add(broker.host(), broker.port());
            network.certificates = broker.transport().is_secure() && settings.broker.ca.is_none();
        }
        if let Some(store) = &settings.store.url {
            let host = store.host_str().unwrap_or_default();
            let port = store.port_or_known_default().unwrap_or_default();
            network.add(host.trim_matches(['[', ']']), port);
            network.certificates |= store.scheme() == "https";
            if port == 80 {
                // Where it may send us to.
                network.add(host, 443);
                network.certificates = true;
            }
            if let Some(proxy) = ureq::Proxy::try_from_env() {
                network.add(proxy.host(), proxy.port());
            }
        }
        if network.names {
            network.ports.push(DNS);
        }
        network.ports.sort_unstable();
        network.ports.dedup();
        network
    }

    fn add(&mut self, host: &str, port: u16) {
        let address = host.parse::<IpAddr>().is_ok();
        self.named |= !address;
        self.names |= !address && host != "localhost";
        self.ports.push(port);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(sets: &[(&str, &str)]) -> Settings {
        use crate::config::{FlagValues, Surroundings, load};
        let mut flags = FlagValues::default();
        for (key, value) in sets {
            flags.add("--set", key, value);
        }
        load(&flags, &Surroundings::default()).unwrap().settings
    }

    #[test]
    fn the_network_is_that_of_broker_and_store() {
        for (sets, ports, named, names, certificates) in [
            (&[][..], &[1883][..], true, false, false),
            (
                &[("broker.url", "mqtt://10.0.0.1:99")],
                &[99],
                false,
                false,
                false,
            ),
            (
                &[("broker.url", "mqtts://[::1]")],
                &[8883],
                false,
                false,
                true,
            ),
            (
                &[("broker.url", "mqtts://[::1]"), ("broker.ca", "/ca.pem")],
                &[8883],
                false,
                false,
                false,
            ),
            (
                &[("broker.url", "wss://broker.example")],
                &[53, 443],
                true,
                true,
                true,
            ),
            (
                &[
                    ("broker.url", "10.0.0.1"),
                    ("store.url", "http://10.0.0.2:8000/store"),
                ],
                &[1883, 8000],
                false,
                false,
                false,
            ),
            (
                &[
                    ("broker.url", "10.0.0.1"),
                    ("store.url", "http://10.0.0.2/store"),
                ],
                &[80, 443, 1883],
                false,
                false,
                true,
            ),
        ] {
            let expected = Network {
                ports: ports.to_vec(),
                named,
                names,
                certificates,
            };
            assert_eq!(Network::of(&settings(sets)), expected, "{sets:?}");
        }
    }

    #[test]
    fn a_renewed_file_is_found_where_its_directory_is_its_own() {
        for (file, read) in [
            ("/etc/nowhere/token", "/etc/nowhere"),
            ("/nowhere.pem", "/nowhere.pem"),
            ("/home/nobody-here/token", "/home/nobody-here/token"),
            ("/home/nobody-here/arena/token", "/home/nobody-here/arena"),
            ("/var/nowhere/token", "/var/nowhere/token"),
            ("/var/nowhere/arena/token", "/var/nowhere/arena"),
        ] {
            assert_eq!(replaceable(Path::new(file)), [Path::new(read)]);
        }
    }

    #[test]
    fn a_file_that_is_renewed_by_a_link_is_found() {
        use std::os::unix::fs::symlink;

        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().canonicalize().unwrap();
        let mount = dir.join("mount");
        std::fs::create_dir_all(mount.join("..1")).unwrap();
        std::fs::write(mount.join("..1/token"), "1").unwrap();
        symlink("..1", mount.join("..data")).unwrap();
        symlink("..data/token", mount.join("token")).unwrap();
        for named in ["mount/token", "mount/..data/token"] {
            assert_eq!(
                replaceable(&dir.join(named)),
                std::slice::from_ref(&mount),
                "{named}"
            );
        }
        // Somewhere else altogether: where it is, and where the link is.
        symlink(mount.join("..1"), dir.join("elsewhere")).unwrap();
        std::fs::create_dir(dir.join("own")).unwrap();
        symlink(mount.join("..1/token"), dir.join("own/token")).unwrap();
        let read = replaceable(&dir.join("own/token"));
        assert_eq!(read, [mount.join("..1"), dir.join("own")]);
    }

    #[test]
    fn settings_that_leave_little_of_it() {
        let none: [String; 0] = [];
        assert_eq!(holes(&settings(&[])), none);
        let root = holes(&settings(&[("runtime.app_dir", "/usr/..")]));
        assert!(root[0].starts_with("runtime.app_dir is /:"), "{root:?}");
        let mut sets = vec![("security.sandbox", "strict"), ("engine.mode", "aot")];
        let nothing_compiles = holes(&settings(&sets));
        assert!(
            nothing_compiles[0].contains("store.url"),
            "{nothing_compiles:?}"
        );
        sets.push(("store.url", "http://10.0.0.1/store"));
        sets.push((
            "engine.trusted_key",
            "q1M5Kpz2g3mWbTd1rN0Yy2Qb9u3vXo8cJ5s6hEwLk0A=",
        ));
        assert_eq!(holes(&settings(&sets)), none);
    }

    #[test]
    fn directories_by_what_modules_may_do_there() {
        let mut settings = settings(&[("security.sandbox", "strict"), ("runtime.http", "[::]:80")]);
        for (path, read_only) in [("/r", true), ("/w", false)] {
            let host = path.into();
            let dir = crate::config::GrantedDir { host, read_only };
            settings.dirs.insert(path.to_owned(), dir);
        }
        let needs = needs(&settings);
        assert!(needs.read.contains(&"/r".into()) && !needs.write.contains(&"/r".into()));
        assert!(needs.write.contains(&"/w".into()));
        assert_eq!(needs.bind, [80]);
        // Nothing is executed, and names other than localhost are not looked up.
        assert!(needs.execute.is_empty());
        assert!(!needs.resolver);
    }
}
