//! The settings of a realm in one process: what differs from those of its parts.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::status::{Failure, Status};
use crate::config::{self, Effective, FlagValues, LogLevel, Origin, Surroundings};

use super::Args;

/// Where the broker takes MQTT over WebSocket, if that is free.
const WEB_SOCKET: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9001);

/// The supervisor is in this process: whoever asks it again soon does not disturb anybody.
const REGISTER_RETRY: Duration = Duration::from_millis(250);

/// The directory of everything.
pub(super) fn data_dir(args: &Args) -> Result<PathBuf, Failure> {
    let around = Surroundings::of_process();
    let dir = args.data.as_ref().map(|dir| around.dir.join(dir));
    dir.or_else(|| config::data_dir(&around)).ok_or_else(|| {
        let why = "there is no home directory to keep the realm in; say where: --data DIR";
        Failure::new(Status::Usage, why)
    })
}

/// What is said of a directory that has another user.
pub(super) fn in_use(dir: &Path) -> String {
    let dir = dir.parent().unwrap_or(dir).display();
    format!("another realm uses {dir}; give this one its own: --data DIR")
}

/// The settings, with all directories in `data`.
pub(super) fn load(args: &Args, data: &Path) -> Result<Effective, Failure> {
    let mut base = FlagValues::default();
    // Settings of a runtime or a supervisor on this host are not for this one.
    for (key, dir) in [
        ("runtime.state_dir", "runtime"),
        ("runtime.app_dir", "modules"),
        ("store.cache_dir", "cache"),
        ("supervisor.data_dir", "supervisor"),
    ] {
        let path = data.join(dir);
        let Some(path) = path.to_str() else {
            let why = format!("{}: the name is not UTF-8", data.display());
            return Err(Failure::new(Status::Usage, why));
        };
        base.add("--data", key, path);
    }
    for (flag, key, value) in [
        ("--join", "broker.url", &args.join),
        ("--mqtt", "mqtt_server.listen", &args.mqtt),
        ("--ws", "mqtt_server.ws", &args.ws),
        ("--http", "supervisor.listen", &args.http),
    ] {
        if let Some(value) = value {
            base.add(flag, key, value);
        }
    }
    let mut effective = args.flags.load_over(base)?;
    let is_default = |key: &str| effective.origin(key) == Some(&Origin::Default);
    let (level, ws, retry) = (
        is_default("log.level"),
        is_default("mqtt_server.ws"),
        is_default("runtime.register_retry") && args.join.is_none(),
    );
    let settings = &mut effective.settings;
    if level {
        settings.log.level = if args.verbose {
            LogLevel::Info
        } else {
            LogLevel::Warn
        };
    }
    if ws {
        settings.mqtt_server.ws = Some(WEB_SOCKET);
    }
    if retry {
        settings.runtime.register_retry = REGISTER_RETRY;
    }
    Ok(effective)
}
