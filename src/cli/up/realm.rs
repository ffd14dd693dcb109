//! Starts and ends the parts of a realm.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use tracing::warn;
use uuid::Uuid;

use crate::broker::{Addresses, Broker, BrokerConfig, BrokerError};
use crate::cli::check;
use crate::cli::status::{Failure, Status};
use crate::config::{Effective, Origin, Settings};
use crate::runtime;
use crate::supervisor::{
    HttpConfig, HttpError, HttpServer, JournalError, RuntimeState, ServerError, Supervisor,
    SupervisorConfig, SupervisorError,
};

use super::node::RunningNode;

/// How long supervisor and broker may take to end, each.
const END: Duration = Duration::from_secs(5);
/// How long the supervisor may take to the broker, which is there.
const CONNECT: Duration = Duration::from_secs(5);

/// A realm that runs. The fields are in the order in which they are to be stopped.
pub(super) struct Realm {
    node: RunningNode,
    http: HttpServer,
    supervisor: Supervisor,
    broker: Broker,
    /// From when on the runtime is to be heard of: the registry remembers others.
    since: SystemTime,
}

fn cannot_start(why: impl ToString) -> Failure {
    Failure::new(Status::CannotStart, why.to_string())
}

impl Realm {
    /// Starts the parts, one after the other. What was started is stopped if the next one cannot
    /// be.
    pub(super) fn start(effective: Effective) -> Result<Realm, Failure> {
        let broker = start_broker(&effective)?;
        let default_http = is_default(&effective, "supervisor.listen");
        let mut settings = effective.settings;
        let url = own_url(broker.addresses()).ok_or_else(|| {
            let why = "the broker has to listen for MQTT over TCP or WebSocket: --mqtt ADDRESS";
            Failure::new(Status::Usage, why)
        })?;
        reach(&mut settings, &url)?;
        // Before anything is begun that would have to be ended.
        let http = HttpConfig::new(&settings)
            .map_err(|e| check::cannot_start(&settings.files(), true, &e.to_string()))?;
        let supervisor = start_supervisor(&settings)?;
        let http = start_http(http, &supervisor, settings.supervisor.listen, default_http);
        let http = http.inspect_err(|_| {
            supervisor.stop(END);
        })?;
        // So that modules can be asked for by the names of their files there.
        if settings.store.url.is_none() {
            settings.store.url = format!("http://{}/store", http.local_addr()).parse().ok();
        }
        // A registration that nobody hears is made again, but later.
        let deadline = Instant::now() + CONNECT;
        while !supervisor.stats().link.connected && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(1));
        }
        let since = SystemTime::now();
        match RunningNode::start(settings) {
            Ok(node) => Ok(Realm {
                node,
                http,
                supervisor,
                broker,
                since,
            }),
            Err(failure) => {
                supervisor.stop(END);
                Err(failure)
            }
        }
    }

    pub(super) fn supervisor(&self) -> &Supervisor {
        &self.supervisor
    }

    pub(super) fn node(&self) -> &RunningNode {
        &self.node
    }

    pub(super) fn addresses(&self) -> Addresses {
        self.broker.addresses()
    }

    /// Where the HTTP API is.
    pub(super) fn http(&self) -> SocketAddr {
        self.http.local_addr()
    }

    /// Which parts go on.
    pub(super) fn pulses(&self) -> Vec<(&'static str, bool)> {
        vec![
            ("the broker", self.broker.pulse()),
            ("the supervisor or its MQTT link", self.supervisor.pulse()),
            ("the HTTP API", self.http.pulse()),
            self.node.pulse(),
        ]
    }

    /// Whether the supervisor knows the runtime, and the runtime that.
    pub(super) fn is_ready(&self) -> bool {
        let runtime = self.supervisor.runtime(self.node.uuid);
        runtime.is_some_and(|runtime| {
            runtime.state == RuntimeState::Alive && runtime.last_seen >= self.since
        }) && self.node.is_registered()
    }

    /// Ends all: modules get signal 3 and their grace time, the runtime leaves, the supervisor
    /// writes that down, and then nobody is left at the broker.
    pub(super) fn stop(self) {
        self.node.stop();
        drop(self.http);
        if !self.supervisor.stop(END) {
            warn!("the supervisor does not end in order");
        }
        if !self.broker.stop(END) {
            warn!("some connections to the broker did not end in time");
        }
    }
}

fn is_default(effective: &Effective, key: &str) -> bool {
    effective.origin(key) == Some(&Origin::Default)
}

/// Starts the broker: on the ports of the settings, or on any that are free where they are only
/// the usual ones and taken.
fn start_broker(effective: &Effective) -> Result<Broker, Failure> {
    let mut config = BrokerConfig::from(&effective.settings.mqtt_server);
    loop {
        let (address, error) = match Broker::start(config.clone()) {
            Ok(broker) => return Ok(broker),
            Err(BrokerError::Bind { address, error }) => (address, error),
            Err(error) => {
                let (of_settings, files) = (error.is_of_settings(), effective.settings.files());
                return Err(check::cannot_start(&files, of_settings, &error.to_string()));
            }
        };
        let in_use = error.kind() == io::ErrorKind::AddrInUse && address.port() != 0;
        let free = Some(SocketAddr::new(address.ip(), 0));
        if in_use && config.listen == Some(address) && is_default(effective, "mqtt_server.listen") {
            config.listen = free;
        } else if in_use && config.ws == Some(address) && is_default(effective, "mqtt_server.ws") {
            config.ws = free;
        } else {
            return Err(cannot_start(BrokerError::Bind { address, error }));
        }
    }
}

/// Starts the API, in the same way.
fn start_http(
    config: HttpConfig,
    supervisor: &Supervisor,
    listen: SocketAddr,
    is_default: bool,
) -> Result<HttpServer, Failure> {
    let first = HttpServer::start(config.clone(), supervisor.clone());
    let taken = matches!(&first, Err(HttpError::Server(ServerError::Bind { error, .. }))
        if error.kind() == io::ErrorKind::AddrInUse);
    if taken && is_default {
        let free = config.with_address(SocketAddr::new(listen.ip(), 0));
        return free
            .and_then(|config| HttpServer::start(config, supervisor.clone()))
            .map_err(cannot_start);
    }
    first.map_err(cannot_start)
}

/// How the other parts reach the broker.
fn own_url(addresses: Addresses) -> Option<String> {
    let of = |scheme, address| Some(format!("{scheme}://{}", reachable(address?)));
    of("mqtt", addresses.tcp).or_else(|| of("ws", addresses.ws))
}

/// An address on this host: those that are all of the host's are none to connect to.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    address
}

/// Has supervisor and runtime use this broker.
fn reach(settings: &mut Settings, url: &str) -> Result<(), Failure> {
    settings.broker.url = url.parse().map_err(cannot_start)?;
    // What the settings say is of another broker, but for the user of one with passwords.
    settings.broker.ca = None;
    settings.broker.cert = None;
    settings.broker.key = None;
    if settings.mqtt_server.password_file.is_none() {
        settings.broker.user = None;
        settings.broker.password = None;
        settings.broker.password_file = None;
        settings.broker.token_file = None;
    }
    Ok(())
}

fn start_supervisor(settings: &Settings) -> Result<Supervisor, Failure> {
    let id = format!("arena-arts-{}", Uuid::new_v4().simple());
    let link = runtime::link(&settings.broker, id)
        .map_err(|e| check::cannot_start(&settings.files(), true, &e.to_string()))?;
    Supervisor::start(SupervisorConfig::new(settings, link)).map_err(|error| match error {
        SupervisorError::Journal(JournalError::InUse(dir)) => {
            cannot_start(super::settings::in_use(&dir))
        }
        other => {
            let of_settings = other.is_of_settings();
            check::cannot_start(&settings.files(), of_settings, &other.to_string())
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_way_to_the_broker() {
        let at = |text: &str| Some(text.parse().unwrap());
        let none = Addresses::default();
        assert_eq!(own_url(none), None);
        for (tcp, ws, url) in [
            (
                at("127.0.0.1:1883"),
                at("127.0.0.1:9001"),
                "mqtt://127.0.0.1:1883",
            ),
            (at("0.0.0.0:1884"), None, "mqtt://127.0.0.1:1884"),
            (at("[::]:1884"), None, "mqtt://[::1]:1884"),
            (None, at("0.0.0.0:9001"), "ws://127.0.0.1:9001"),
        ] {
            assert_eq!(own_url(Addresses { tcp, ws, ..none }).as_deref(), Some(url));
        }
    }
}
