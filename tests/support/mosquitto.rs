//! A real Mosquitto on a free loopback port, with its own configuration in its own directory,
//! and a plain client to look at it from outside.
//!
//! For use by several test programs: `#[path = "../support/mosquitto.rs"] mod mosquitto;`
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, unbounded};
use rumqttc::{Client, Event, MqttOptions, Packet, QoS};

/// How long anything may take that is awaited. Only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// How a broker is set up.
#[derive(Clone, Default)]
pub(crate) struct Setup {
    /// Users and passwords; without any, everybody is let in.
    pub(crate) users: Vec<(String, String)>,
    /// Certificate, key, and what clients' certificates are checked against.
    pub(crate) tls: Option<(PathBuf, PathBuf, Option<PathBuf>)>,
    /// Keep sessions over a graceful stop.
    pub(crate) persistent: bool,
    /// More lines for the configuration file.
    pub(crate) more: String,
}

/// A broker, which is killed when it is dropped.
pub(crate) struct Broker {
    child: Option<Child>,
    port: u16,
    dir: tempfile::TempDir,
    setup: Setup,
}

impl Broker {
    pub(crate) fn start() -> Broker {
        Broker::with(Setup::default())
    }

    pub(crate) fn with(setup: Setup) -> Broker {
        // Somebody may take the port between our look and Mosquitto's.
        for _ in 0..20 {
            let mut broker = Broker::absent(setup.clone());
            if broker.try_restart() {
                return broker;
            }
        }
        panic!("Mosquitto does not start");
    }

    /// A broker that is not started yet.
    pub(crate) fn absent(setup: Setup) -> Broker {
        let broker = Broker {
            child: None,
            port: free_port(),
            dir: tempfile::tempdir().expect("a directory can be made"),
            setup,
        };
        broker.configure();
        broker
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.setup.tls.is_some() {
            "mqtts"
        } else {
            "mqtt"
        };
        let host = if self.setup.tls.is_some() {
            "localhost"
        } else {
            "127.0.0.1"
        };
        format!("{scheme}://{host}:{}", self.port)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn configure(&self) {
        let mut text = format!("listener {} 127.0.0.1\n", self.port);
        // It would become another user, who cannot read the directory.
        text += "user root\nlog_dest none\nset_tcp_nodelay true\nmax_queued_messages 0\n";
        if let Some((cert, key, client_ca)) = &self.setup.tls {
            writeln!(
                text,
                "certfile {}\nkeyfile {}",
                cert.display(),
                key.display()
            )
            .unwrap();
            if let Some(ca) = client_ca {
                writeln!(text, "cafile {}\nrequire_certificate true", ca.display()).unwrap();
            }
        }
        if self.setup.persistent {
            writeln!(
                text,
                "persistence true\npersistence_location {}/",
                self.dir.path().display()
            )
            .unwrap();
        }
        if self.setup.users.is_empty() {
            text += "allow_anonymous true\n";
        } else {
            writeln!(text, "password_file {}", self.file("users").display()).unwrap();
            self.write_users();
        }
        text += &self.setup.more;
        std::fs::write(self.file("conf"), text).expect("the configuration can be written");
    }

    fn write_users(&self) {
        let file = self.file("users");
        std::fs::write(&file, "").unwrap();
        for (user, password) in &self.setup.users {
            let done = Command::new("mosquitto_passwd")
                .arg("-b")
                .args([file.as_os_str(), user.as_ref(), password.as_ref()])
                .stderr(Stdio::null())
                .status()
                .expect("mosquitto_passwd runs");
            assert!(done.success());
        }
    }

    /// Other users; known connections stay.
    pub(crate) fn set_users(&mut self, users: &[(&str, &str)]) {
        self.setup.users = users
            .iter()
            .map(|(user, password)| ((*user).to_owned(), (*password).to_owned()))
            .collect();
        self.write_users();
        self.signal(nix::sys::signal::Signal::SIGHUP);
    }

    /// Starts it on the same port.
    pub(crate) fn restart(&mut self) {
        assert!(self.try_restart(), "Mosquitto does not start again");
    }

    fn try_restart(&mut self) -> bool {
        let program = ["mosquitto", "/usr/sbin/mosquitto"]
            .into_iter()
            .find_map(|program| {
                Command::new(program)
                    .arg("-c")
                    .arg(self.file("conf"))
                    .stdin(Stdio::null())
                    .stdout(Stdio::null())
                    .stderr(Stdio::null())
                    .spawn()
                    .ok()
            });
        let mut child = program.expect("mosquitto is installed");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, self.port));
        loop {
            if child.try_wait().expect("a child can be asked").is_some() {
                return false;
            }
            if TcpStream::connect(address).is_ok() {
                self.child = Some(child);
                return true;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    fn signal(&self, signal: nix::sys::signal::Signal) {
        let pid = i32::try_from(self.pid()).expect("a process id");
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), signal).expect("it runs");
    }

    /// Ends it in good order.
    pub(crate) fn stop(&mut self) {
        self.signal(nix::sys::signal::Signal::SIGTERM);
        let _ = self.child.take().expect("it runs").wait();
    }

    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// It hangs from now on; the kernel still accepts connections and bytes for it.
    pub(crate) fn freeze(&self) {
        self.signal(nix::sys::signal::Signal::SIGSTOP);
    }

    pub(crate) fn thaw(&self) {
        self.signal(nix::sys::signal::Signal::SIGCONT);
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A port that nobody listens on, outside of the range from which the system takes the ports of
/// outgoing connections: a broker must find it free when it comes back.
pub(crate) fn free_port() -> u16 {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    loop {
        let number = std::process::id() * 97 + NEXT.fetch_add(1, Ordering::Relaxed);
        let port = 10_000 + u16::try_from(number % 20_000).expect("it is small");
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}

/// A plain client of rumqttc, which knows nothing of what is tested.
pub(crate) struct Peer {
    client: Client,
    messages: Receiver<(String, Vec<u8>)>,
}

impl Peer {
    /// Subscribed when it returns.
    pub(crate) fn connect(port: u16, filters: &[&str]) -> Peer {
        Peer::with(port, filters, |_| ())
    }

    /// With options of its own.
    pub(crate) fn with(port: u16, filters: &[&str], change: impl FnOnce(&mut MqttOptions)) -> Peer {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut options = MqttOptions::new(format!("peer-{number}"), "127.0.0.1", port);
        options.set_max_packet_size(268_435_455, 268_435_455);
        options.set_keep_alive(Duration::from_secs(60));
        change(&mut options);
        let (client, mut connection) = Client::new(options, 1000);
        // It ends a connection when sending one message takes longer than that.
        let network = &mut connection.eventloop.network_options;
        network.set_connection_timeout(PATIENCE.as_secs());
        let (sender, messages) = unbounded();
        let (ready_sender, ready) = unbounded();
        std::thread::spawn(move || {
            for event in connection.iter() {
                match event {
                    Ok(Event::Incoming(Packet::Publish(p))) => {
                        if sender.send((p.topic, p.payload.to_vec())).is_err() {
                            return;
                        }
                    }
                    Ok(Event::Incoming(Packet::ConnAck(_) | Packet::SubAck(_))) => {
                        let _ = ready_sender.send(());
                    }
                    Ok(_) => {}
                    Err(error) => {
                        // Shown when the test fails.
                        eprintln!("the peer of {port} ends: {error}");
                        return;
                    }
                }
            }
        });
        for filter in filters {
            client
                .subscribe(*filter, QoS::AtLeastOnce)
                .expect("it runs");
        }
        for _ in 0..=filters.len() {
            ready.recv_timeout(PATIENCE).expect("the peer is connected");
        }
        Peer { client, messages }
    }

    pub(crate) fn publish(&self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.client
            .publish(topic, QoS::AtLeastOnce, false, payload)
            .expect("it runs");
    }

    /// The next message's topic and payload.
    pub(crate) fn next(&self) -> (String, Vec<u8>) {
        self.messages
            .recv_timeout(PATIENCE)
            .expect("a message comes")
    }

    /// The next message's payload, as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.next().1).expect("it is text")
    }

    /// A message that is there already.
    pub(crate) fn try_next(&self) -> Option<(String, Vec<u8>)> {
        self.messages.try_recv().ok()
    }

    /// All that still comes until the broker ends the connection.
    pub(crate) fn rest(self) -> Vec<(String, Vec<u8>)> {
        std::iter::from_fn(|| self.messages.recv_timeout(PATIENCE).ok()).collect()
    }

    pub(crate) fn disconnect(self) {
        let _ = self.client.disconnect();
        while self.messages.recv_timeout(PATIENCE).is_ok() {}
    }
}

/// Waits until it is so.
pub(crate) fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !is_so() {
        assert!(begin.elapsed() < PATIENCE, "{what} does not happen");
        std::thread::sleep(Duration::from_millis(1));
    }
}
