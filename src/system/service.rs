//! The service manager (systemd) that has started this process, if it wants to hear of it.
//!
//! What it wants is in the environment: the address of a datagram socket, and how often it has to
//! hear that the service goes on. The socket is made once, so that telling takes no right to make
//! sockets later.

use std::ffi::{OsStr, OsString};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;
use std::{fmt, io};

use tracing::{debug, warn};

/// How long the service manager may take to take a message, should it have very many.
const PATIENCE: Duration = Duration::from_secs(1);

/// Where to tell how the service is.
pub(crate) struct ServiceManager {
    socket: UnixDatagram,
    address: SocketAddr,
    watchdog: Option<Duration>,
}

impl ServiceManager {
    /// That of this process; none if it was not started as a service that tells.
    pub(crate) fn of_process() -> Option<ServiceManager> {
        let variable = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let address = variable("NOTIFY_SOCKET")?;
        let watchdog = watchdog(
            variable("WATCHDOG_USEC"),
            variable("WATCHDOG_PID"),
            std::process::id(),
        );
        ServiceManager::at(&address, watchdog)
            .inspect_err(
                |error| warn!(?address, %error, "cannot tell the service manager anything"),
            )
            .ok()
    }

    fn at(address: &OsStr, watchdog: Option<Duration>) -> io::Result<ServiceManager> {
        let address = match address.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            [b'/', ..] => SocketAddr::from_pathname(address)?,
            _ => return Err(io::ErrorKind::Unsupported.into()),
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_write_timeout(Some(PATIENCE))?;
        Ok(ServiceManager {
            socket,
            address,
            watchdog,
        })
    }

    /// Within which time it has to hear `WATCHDOG=1`, again and again; `None` if it does not wait
    /// for that.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Tells assignments, one a line, as sd_notify(3) describes them.
    pub(crate) fn tell(&self, state: &str) {
        match self.socket.send_to_addr(state.as_bytes(), &self.address) {
            Ok(_) => debug!(state, "the service manager is told"),
            Err(error) => warn!(state, %error, "cannot tell the service manager"),
        }
    }

    /// Tells in words how the service is.
    pub(crate) fn tell_status(&self, status: &str) {
        self.tell(&format!("STATUS={}", one_line(status)));
    }

    /// Tells that the service does its work from now on.
    pub(crate) fn tell_ready(&self, status: &str) {
        self.tell(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// Tells that the service ends, and how long that may take.
    pub(crate) fn tell_stopping(&self, within: Duration) {
        let within = within.as_micros();
        self.tell(&format!(
            "STOPPING=1\nSTATUS=ending\nEXTEND_TIMEOUT_USEC={within}"
        ));
    }

    /// Tells that all is well.
    pub(crate) fn feed_watchdog(&self) {
        self.tell("WATCHDOG=1");
    }
}

impl fmt::Debug for ServiceManager {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServiceManager")
            .field("watchdog", &self.watchdog)
            .finish_non_exhaustive()
    }
}

/// A line break would begin another assignment.
fn one_line(text: &str) -> String {
    text.replace(|c: char| c.is_control(), " ")
}

/// The watchdog's time, if it is meant for this process and not for one that has started it.
fn watchdog(time: Option<OsString>, pid: Option<OsString>, own: u32) -> Option<Duration> {
    let number = |text: OsString| text.to_str()?.parse::<u64>().ok();
    if pid.is_some_and(|pid| number(pid) != Some(own.into())) {
        return None;
    }
    let micros = number(time?).filter(|micros| *micros > 0)?;
    Some(Duration::from_micros(micros))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn receive(socket: &UnixDatagram) -> String {
        let mut buffer = [0; 512];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    }

    #[test]
    fn a_socket_in_a_directory() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager::at(path.as_os_str(), None).unwrap();
        manager.tell_ready("two\nlines");
        assert_eq!(receive(&socket), "READY=1\nSTATUS=two lines");
        manager.tell_stopping(Duration::from_secs(2));
        assert_eq!(
            receive(&socket),
            "STOPPING=1\nSTATUS=ending\nEXTEND_TIMEOUT_USEC=2000000"
        );
        // One that goes away, and comes back, is told all the same.
        drop(socket);
        manager.feed_watchdog();
        std::fs::remove_file(&path).unwrap();
        let socket = UnixDatagram::bind(&path).unwrap();
        manager.feed_watchdog();
        assert_eq!(receive(&socket), "WATCHDOG=1");
    }

    #[test]
    fn a_socket_with_a_name() {
        let name = format!("arena-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let socket = UnixDatagram::bind_addr(&address).unwrap();
        let manager = ServiceManager::at(OsStr::new(&format!("@{name}")), None).unwrap();
        manager.tell_status("here");
        assert_eq!(receive(&socket), "STATUS=here");
    }

    #[test]
    fn what_is_no_address() {
        let long = format!("/{}", "x".repeat(200));
        for address in ["notify", "vsock:2:1", &long] {
            ServiceManager::at(OsStr::new(address), None).unwrap_err();
        }
    }

    #[test]
    fn the_watchdog_of_this_process() {
        let text = |text: &str| Some(OsString::from(text));
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(text("1000000"), None, 7), second);
        assert_eq!(watchdog(text("1000000"), text("7"), 7), second);
        for (time, pid) in [
            (None, None),
            (text("0"), None),
            (text("-1"), None),
            (text("soon"), None),
            (text("1000000"), text("8")),
            (text("1000000"), text("?")),
        ] {
            assert_eq!(watchdog(time, pid, 7), None);
        }
    }
}
