//! `arena certs`.

use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::config::Surroundings;
use crate::trust::{Authority, Certificates, IssueError, Issued, Request, server_names};

use super::status::{Failure, Status, print, printable};

/// Make a certificate authority for a realm, and certificates of its broker and its clients.
///
/// The first call makes the authority, the server's certificate, and one for each client; later ones
/// add clients. Nothing that is there is overwritten. The authority's key, ca.key, makes clients:
/// keep it where nobody else gets it, and away from the broker.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    arena certs --server broker.local --server 192.168.1.10 --client arts --client kitchen\n  \
    arena certs --client hall\n      \
        one more client, of the same authority\n  \
    arena certs --out /etc/arena/certs --days 90 --client kitchen --json")]
pub(super) struct Args {
    /// Where the files go
    #[arg(long, value_name = "DIR", default_value = "certs")]
    out: PathBuf,

    /// A name or an address that clients reach the broker by [default of a new authority: this
    /// host's name, localhost and 127.0.0.1]
    #[arg(long, value_name = "NAME")]
    server: Vec<String>,

    /// The name of a client, which a broker can take for the user's
    #[arg(long, value_name = "NAME")]
    client: Vec<String>,

    /// How long certificates are valid, at most as long as the authority's own, which is for ten
    /// years
    #[arg(long, value_name = "DAYS", default_value_t = 825, value_parser = clap::value_parser!(u32).range(1..=3650))]
    days: u32,

    /// Print what was made as JSON, for scripts
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let authority = Authority::open_or_new(&args.out).map_err(|e| failure(&e))?;
    let mut server = args.server.clone();
    if server.is_empty() && authority.is_new() {
        server = default_names();
    }
    if server.is_empty() && args.client.is_empty() {
        return Err(Failure::new(
            Status::Usage,
            format!(
                "there is an authority in {} already\nName a client to add: --client NAME",
                printable(&args.out.to_string_lossy())
            ),
        ));
    }
    let request = Request {
        server,
        clients: args.client.clone(),
        days: args.days,
    };
    let made = authority.issue(&request).map_err(|e| failure(&e))?;
    print(&if args.json {
        format!("{:#}\n", to_json(&made))
    } else {
        to_text(args, &made)
    })?;
    Ok(ExitCode::SUCCESS)
}

fn failure(error: &IssueError) -> Failure {
    let status = match error {
        IssueError::File { .. } => Status::CannotWrite,
        _ => Status::Usage,
    };
    Failure::new(status, printable(&error.to_string()))
}

/// What a broker on this machine is called, as far as it can be known.
fn default_names() -> Vec<String> {
    let host = Surroundings::of_process().host;
    // Not every host has a name that a certificate can have.
    let host = server_names(std::slice::from_ref(&host)).ok();
    host.into_iter()
        .flatten()
        .chain(["localhost".to_owned(), "127.0.0.1".to_owned()])
        .collect()
}

/// An address of IPv6 is in brackets there.
fn in_url(host: &str) -> String {
    match host.parse::<Ipv6Addr>() {
        Ok(address) => format!("[{address}]"),
        Err(_) => host.to_owned(),
    }
}

fn absolute(path: &Path) -> String {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    path.to_string_lossy().into_owned()
}

fn to_json(made: &Certificates) -> Value {
    let issued = |issued: &Issued| {
        json!({
            "names": issued.names,
            "cert": absolute(&issued.cert),
            "key": absolute(&issued.key),
        })
    };
    json!({
        "ca": absolute(&made.ca),
        "new": made.is_new,
        "days": made.days,
        "server": made.server.as_ref().map(issued),
        "clients": made.clients.iter().map(issued).collect::<Vec<_>>(),
    })
}

/// What was made, and what to write where.
fn to_text(args: &Args, made: &Certificates) -> String {
    let path = |path: &Path| printable(&absolute(path));
    let mut text = String::new();
    if made.is_new {
        text += &format!("authority: {}\n", path(&made.ca));
    }
    if let Some(server) = &made.server {
        text += &format!(
            "server: {} ({})\n",
            path(&server.cert),
            server.names.join(", ")
        );
    }
    for client in &made.clients {
        text += &format!(
            "client: {} ({})\n",
            path(&client.cert),
            client.names.join("")
        );
    }
    if made.days < args.days {
        text += &format!("valid for {} days, as long as the authority\n", made.days);
    }
    if let Some(server) = &made.server {
        let (ca, cert, key) = (path(&made.ca), path(&server.cert), path(&server.key));
        text += &format!(
            "\nMosquitto, in mosquitto.conf:\n    \
             listener 8883\n    \
             cafile {ca}\n    \
             certfile {cert}\n    \
             keyfile {key}\n    \
             require_certificate true\n    \
             use_identity_as_username true\n\
             \nOr arena broker:\n    \
             [mqtt_server]\n    \
             listen = \"\"    # no port without TLS\n    \
             tls_listen = \"0.0.0.0:8883\"\n    \
             tls_cert = \"{cert}\"\n    \
             tls_key = \"{key}\"\n    \
             tls_client_ca = \"{ca}\"\n"
        );
    }
    if let Some(client) = made.clients.first() {
        let host = made.server.as_ref().and_then(|server| server.names.first());
        let host = host.map_or("BROKER".to_owned(), |host| in_url(host));
        text += &format!(
            "\nA client, here {}, after its three files were copied to it:\n    \
             [broker]\n    \
             url = \"mqtts://{}:8883\"\n    \
             ca = \"{}\"\n    \
             cert = \"{}\"\n    \
             key = \"{}\"\n",
            client.names.join(""),
            printable(&host),
            path(&made.ca),
            path(&client.cert),
            path(&client.key),
        );
    }
    text
}
