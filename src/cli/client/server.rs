//! Asks the HTTP API.

use std::io::{self, BufRead as _, BufReader, Read};
use std::time::Duration;

use rustls::crypto::ring;
use serde_json::Value;
use ureq::http::{Response, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};
use url::{Host, Url};

use crate::cli::status::{Failure, Status, printable};

/// Where a supervisor is that nobody names.
const DEFAULT: &str = "http://127.0.0.1:8000";
/// How long connecting may take. Answers may take their time: runtimes load modules meanwhile.
const CONNECT: Duration = Duration::from_secs(5);
/// The largest answer.
const ANSWER: u64 = 256 << 20;
const NDJSON: &str = "application/x-ndjson";

/// Which supervisor: to be flattened into the arguments of commands that ask one.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(in crate::cli) struct ServerArgs {
    /// The supervisor's HTTP API
    #[arg(long, value_name = "URL", env = "ARENA_SERVER", default_value = DEFAULT)]
    server: String,

    /// The token (JWT), where the supervisor wants one
    #[arg(
        long,
        value_name = "TOKEN",
        env = "ARENA_TOKEN",
        hide_env_values = true
    )]
    token: Option<String>,
}

/// Why there is no answer, or not the one that is wanted.
#[derive(Debug)]
pub(in crate::cli) enum RequestError {
    /// Nobody is there.
    Unreachable(String),
    /// The supervisor says no.
    Refused { kind: String, message: String },
    /// What comes is no answer of a supervisor's.
    Strange(String),
}

impl RequestError {
    /// Whether there is no such thing.
    pub(in crate::cli) fn is_unknown(&self) -> bool {
        matches!(self, RequestError::Refused { kind, .. } if kind == "unknown")
    }

    pub(in crate::cli) fn is_unreachable(&self) -> bool {
        matches!(self, RequestError::Unreachable(_))
    }
}

impl From<RequestError> for Failure {
    fn from(error: RequestError) -> Failure {
        match error {
            RequestError::Unreachable(why) | RequestError::Strange(why) => {
                Failure::new(Status::NoAnswer, printable(&why))
            }
            RequestError::Refused { kind, message } => {
                let hint = match kind.as_str() {
                    "unauthorized" => "; it wants a token: --token TOKEN or ARENA_TOKEN",
                    _ => "",
                };
                Failure::new(Status::Refused, printable(&message) + hint)
            }
        }
    }
}

/// A supervisor's HTTP API.
#[derive(Clone, Debug)]
pub(in crate::cli) struct Client {
    base: Url,
    agent: Agent,
    authorization: Option<String>,
}

impl ServerArgs {
    /// A client of that supervisor. It does not connect yet.
    pub(in crate::cli) fn client(&self) -> Result<Client, Failure> {
        let text = self.server.trim();
        let text = if text.is_empty() { DEFAULT } else { text };
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let wrong = |why: &str| {
            let text = printable(text);
            Failure::new(Status::Usage, format!("--server {text}: {why}"))
        };
        let base = Url::parse(&whole).map_err(|e| wrong(&e.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host().is_none() {
            return Err(wrong("expected http://HOST:PORT or https://"));
        }
        let token = self.token.as_deref().map(str::trim);
        let token = token.filter(|token| !token.is_empty());
        if token.is_some_and(|token| token.chars().any(|c| !c.is_ascii_graphic())) {
            return Err(Failure::new(Status::Usage, "--token: that is no token"));
        }
        Ok(Client {
            agent: agent(&base),
            base,
            authorization: token.map(|token| format!("Bearer {token}")),
        })
    }
}

fn agent(base: &Url) -> Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(ring::default_provider().into())
        .build();
    let config = Agent::config_builder()
        .timeout_connect(Some(CONNECT))
        .user_agent(concat!("arena/", env!("CARGO_PKG_VERSION")))
        .tls_config(tls)
        .http_status_as_error(false);
    // A proxy does not know this host.
    let here = match base.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    };
    let config = if here { config.proxy(None) } else { config };
    config.build().new_agent()
}

type Query<'a> = &'a [(&'a str, &'a str)];

impl Client {
    fn url(&self, path: &[&str], query: Query<'_>) -> Url {
        let mut url = self.base.clone();
        // A URL with a host has segments.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        url
    }

    pub(in crate::cli) fn get(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<Value, RequestError> {
        let request = self.agent.get(self.url(path, query).as_str());
        self.json(self.with_token(request).call())
    }

    /// What `/healthz` says, which is a body also where it is a no.
    pub(in crate::cli) fn health(&self) -> Result<Value, RequestError> {
        let answer = self.agent.get(self.url(&["healthz"], &[]).as_str()).call();
        let mut response = answer.map_err(|error| self.no_answer(&error))?;
        let health = self.body(&mut response)?;
        if health["ok"].is_boolean() {
            return Ok(health);
        }
        let server = &self.base;
        Err(RequestError::Strange(format!(
            "{server} answers, and does not say whether all is well"
        )))
    }

    pub(in crate::cli) fn delete(&self, path: &[&str]) -> Result<Value, RequestError> {
        let request = self.agent.delete(self.url(path, &[]).as_str());
        self.json(self.with_token(request).call())
    }

    pub(in crate::cli) fn post(&self, path: &[&str], body: &Value) -> Result<Value, RequestError> {
        let request = self.agent.post(self.url(path, &[]).as_str());
        let request = request.header(header::CONTENT_TYPE, "application/json");
        self.json(self.with_token(request).send(body.to_string()))
    }

    /// Uploads so many bytes.
    pub(in crate::cli) fn put(
        &self,
        path: &[&str],
        size: usize,
        body: &mut dyn Read,
    ) -> Result<Value, RequestError> {
        let request = self.agent.put(self.url(path, &[]).as_str());
        let request = request
            .header(header::CONTENT_LENGTH, size)
            .header(header::CONTENT_TYPE, "application/wasm");
        let body = &mut { body };
        self.json(self.with_token(request).send(SendBody::from_reader(body)))
    }

    /// What the API gives as lines of JSON, as they come.
    pub(in crate::cli) fn lines(
        &self,
        path: &[&str],
        query: Query<'_>,
    ) -> Result<impl Iterator<Item = Result<Value, RequestError>> + use<>, RequestError> {
        let request = self.agent.get(self.url(path, query).as_str());
        let request = request.header(header::ACCEPT, NDJSON);
        let response = self.checked(self.with_token(request).call())?;
        let reader = BufReader::new(response.into_body().into_reader());
        let server = self.base.to_string();
        Ok(reader.lines().filter_map(move |line| match line {
            // A sign of life.
            Ok(line) if line.trim().is_empty() => None,
            Ok(line) => Some(
                serde_json::from_str(&line)
                    .map_err(|_| RequestError::Strange(format!("{server} sends what is no JSON"))),
            ),
            Err(error) => Some(Err(RequestError::Unreachable(format!(
                "the connection to {server} ended: {error}"
            )))),
        }))
    }

    fn with_token<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header(header::AUTHORIZATION, authorization),
            None => request,
        }
    }

    fn json(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, RequestError> {
        let mut response = self.checked(answer)?;
        self.body(&mut response)
    }

    fn body(&self, response: &mut Response<Body>) -> Result<Value, RequestError> {
        let server = &self.base;
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(ANSWER)
            .read_to_vec();
        let body = body.map_err(|error| {
            RequestError::Unreachable(format!("the connection to {server} ended: {error}"))
        })?;
        serde_json::from_slice(&body).map_err(|_| {
            RequestError::Strange(format!(
                "{server} answers with status {status} and no JSON: it is no supervisor of this kind"
            ))
        })
    }

    /// An answer that is a yes.
    fn checked(
        &self,
        answer: Result<Response<Body>, ureq::Error>,
    ) -> Result<Response<Body>, RequestError> {
        let mut response = answer.map_err(|error| self.no_answer(&error))?;
        if response.status().is_success() {
            return Ok(response);
        }
        let body = self.body(&mut response)?;
        let Some(message) = body["error"].as_str() else {
            let status = response.status().as_u16();
            let server = &self.base;
            return Err(RequestError::Strange(format!(
                "{server} answers with status {status}"
            )));
        };
        Err(RequestError::Refused {
            kind: body["kind"].as_str().unwrap_or_default().to_owned(),
            message: with_candidates(message, &body["candidates"]),
        })
    }

    fn no_answer(&self, error: &ureq::Error) -> RequestError {
        let server = self.base.as_str().trim_end_matches('/');
        let nobody = match error {
            ureq::Error::Io(error) => error.kind() == io::ErrorKind::ConnectionRefused,
            ureq::Error::ConnectionFailed => true,
            _ => false,
        };
        RequestError::Unreachable(if nobody {
            format!(
                "nobody answers at {server}: is `arena up` running? --server says where else to ask"
            )
        } else {
            format!("cannot ask {server}: {error}")
        })
    }
}

/// Which ones a name could mean.
fn with_candidates(message: &str, candidates: &Value) -> String {
    let list: Vec<String> = candidates
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|one| {
            let uuid = one["uuid"].as_str()?;
            let short = uuid.get(..8).unwrap_or(uuid);
            Some(format!("{short} ({})", one["name"].as_str()?))
        })
        .collect();
    if list.is_empty() {
        message.to_owned()
    } else {
        format!("{message}: {}", list.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn client(server: &str) -> Result<Client, Failure> {
        let token = None;
        let server = server.to_owned();
        ServerArgs { server, token }.client()
    }

    #[test]
    fn addresses() {
        for (given, is) in [
            ("", "http://127.0.0.1:8000/api/v1/modules/a%2Fb?tail=1"),
            ("host:9", "http://host:9/api/v1/modules/a%2Fb?tail=1"),
            (
                "https://h/arts/",
                "https://h/arts/api/v1/modules/a%2Fb?tail=1",
            ),
        ] {
            let client = client(given).unwrap();
            let path = ["api", "v1", "modules", "a/b"];
            assert_eq!(client.url(&path, &[("tail", "1")]).as_str(), is);
        }
        for bad in ["ftp://h", "http://", "http://h:port"] {
            assert!(client(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn candidates() {
        let some = json!([{"uuid": "0123456789", "name": "a"}, {"uuid": "é", "name": "b"}]);
        assert_eq!(
            with_candidates("which", &some),
            "which: 01234567 (a), é (b)"
        );
        assert_eq!(with_candidates("which", &Value::Null), "which");
    }
}
