//! What is said when all is ready.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use crate::broker::Addresses;
use crate::cli::status::printable;

use super::demo;
use super::node::RunningNode;
use super::realm::{Realm, reachable};

/// Where everything is.
pub(super) struct Ready {
    broker: Addresses,
    http: SocketAddr,
    realm: String,
    runtime: Uuid,
    name: String,
    data: PathBuf,
    took: Duration,
}

impl Ready {
    pub(super) fn new(realm: &Realm, data: PathBuf, took: Duration) -> Ready {
        Ready {
            broker: realm.addresses(),
            http: realm.http(),
            realm: realm.node().realm.clone(),
            runtime: realm.node().uuid,
            name: realm.node().name.clone(),
            data,
            took,
        }
    }

    pub(super) fn to_json(&self) -> String {
        let url = |scheme, address| Some(format!("{scheme}://{}", reachable(address?)));
        let line = json!({
            "http": self.server(),
            "mqtt": url("mqtt", self.broker.tcp),
            "mqtts": url("mqtts", self.broker.tls),
            "ws": url("ws", self.broker.ws),
            "wss": url("wss", self.broker.wss),
            "realm": self.realm,
            "runtime": {"uuid": self.runtime, "name": self.name},
            "data": self.data,
            "ready_ms": u64::try_from(self.took.as_millis()).unwrap_or(u64::MAX),
        });
        format!("{line}\n")
    }

    pub(super) fn to_text(&self, with_demo: bool) -> String {
        let mut text = format!("The realm is up, after {} ms.\n", self.took.as_millis());
        let brokers = self.broker.urls().join("  ");
        let http = format!("{}  (dashboard and API)", self.server());
        let runtime = format!("{}  {}", printable(&self.name), self.runtime);
        let data = printable(&self.data.display().to_string());
        for (what, is) in [
            ("HTTP", &http),
            ("MQTT", &brokers),
            ("realm", &self.realm),
            ("runtime", &runtime),
            ("data", &data),
        ] {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {what:<9}{is}");
        }
        text.push_str("What to try next, in another terminal:\n");
        for (command, why) in self.next(with_demo) {
            let _ = writeln!(text, "  {command:<52}  {why}");
        }
        text.push_str("Ctrl-C ends everything.\n");
        text
    }

    fn server(&self) -> String {
        format!("http://{}", reachable(self.http))
    }

    fn next(&self, with_demo: bool) -> [(String, &'static str); 3] {
        // Commands find the usual addresses by themselves.
        let server = if self.http.port() == 8000 {
            String::new()
        } else {
            format!(" --server {}", self.server())
        };
        let broker = match self.broker.tcp.map(reachable) {
            Some(address) if address.port() != 1883 => format!(" --broker mqtt://{address}"),
            _ => String::new(),
        };
        let realm = &self.realm;
        if with_demo {
            let topics = demo::topics(realm);
            [
                (format!("arena ps{server}"), "the modules that run"),
                (
                    format!("arena logs -f{server} demo/counter"),
                    "what one writes",
                ),
                (format!("arena sub -v{broker} '{topics}'"), "how they talk"),
            ]
        } else {
            [
                (format!("arena deploy{server} FILE.wasm"), "start a module"),
                (format!("arena ps{server}"), "the modules that run"),
                (format!("arena events -f{server}"), "what happens"),
            ]
        }
    }
}

/// Before it is known whether somebody is there.
pub(super) fn joining(node: &RunningNode, broker: &str) -> String {
    let name = printable(&node.name);
    format!(
        "The runtime {name} {} joins the realm {} at {broker}.\n",
        node.uuid, node.realm
    )
}

pub(super) fn joined_json(node: &RunningNode, broker: &str) -> String {
    let line = json!({
        "broker": broker,
        "realm": node.realm,
        "runtime": {"uuid": node.uuid, "name": node.name},
    });
    format!("{line}\n")
}
