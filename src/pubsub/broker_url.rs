//! Where the broker is, as people write it.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use url::{Host, Url};

/// How the connection to a broker is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// `mqtt://`: TCP.
    Tcp,
    /// `mqtts://`: TLS over TCP.
    Tls,
    /// `ws://`: WebSocket.
    WebSocket,
    /// `wss://`: WebSocket over TLS.
    SecureWebSocket,
}

impl Transport {
    fn scheme(self) -> &'static str {
        match self {
            Transport::Tcp => "mqtt",
            Transport::Tls => "mqtts",
            Transport::WebSocket => "ws",
            Transport::SecureWebSocket => "wss",
        }
    }

    fn default_port(self) -> u16 {
        match self {
            Transport::Tcp => 1883,
            Transport::Tls => 8883,
            Transport::WebSocket => 80,
            Transport::SecureWebSocket => 443,
        }
    }

    /// Whether the connection is encrypted.
    #[must_use]
    pub fn is_secure(self) -> bool {
        matches!(self, Transport::Tls | Transport::SecureWebSocket)
    }

    /// Whether MQTT goes in WebSocket messages.
    #[must_use]
    pub fn is_web_socket(self) -> bool {
        matches!(self, Transport::WebSocket | Transport::SecureWebSocket)
    }
}

/// Where a broker is: `mqtt://host:1883`, `mqtts://`, `ws://host/path`, `wss://`, or only
/// `host` or `host:port`. A user and password may stand before the host; they are not shown.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerUrl {
    transport: Transport,
    /// Without the brackets of an IPv6 address.
    host: String,
    port: u16,
    /// With its slash; empty where there is no WebSocket.
    path: String,
    user: Option<String>,
    password: Option<String>,
}

/// Why a text does not say where a broker is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BrokerUrlError {
    /// It has another scheme.
    #[error("a broker's address begins with mqtt://, mqtts://, ws:// or wss://, not {0}://")]
    Scheme(String),
    /// It has no host.
    #[error("there is no host in it; expected, for example, mqtt://localhost:1883")]
    Host,
    /// It has a path, which only WebSocket has.
    #[error("only ws:// and wss:// have a path; leave out {0}")]
    Path(String),
    /// The port is 0.
    #[error("port 0 is no port to connect to")]
    Port,
    /// The user or the password is not UTF-8.
    #[error("the user or the password is not UTF-8")]
    Credentials,
    /// It is no URL.
    #[error("{0}; expected, for example, mqtt://localhost:1883")]
    Malformed(url::ParseError),
}

impl BrokerUrl {
    /// How the connection is made.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// The host's name or address; an IPv6 address is without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The user that stands in it.
    #[must_use]
    pub fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }

    /// The password that stands in it.
    #[must_use]
    pub fn password(&self) -> Option<&str> {
        self.password.as_deref()
    }

    /// What a WebSocket request asks for: without user and password.
    pub(super) fn web_socket_request(&self) -> String {
        format!(
            "{}://{}{}",
            self.transport.scheme(),
            self.authority(),
            self.path
        )
    }

    fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for BrokerUrl {
    type Err = BrokerUrlError;

    fn from_str(text: &str) -> Result<BrokerUrl, BrokerUrlError> {
        let text = text.trim();
        let full = if text.contains("://") {
            text.to_owned()
        } else if text.parse::<Ipv6Addr>().is_ok() {
            format!("mqtt://[{text}]")
        } else {
            format!("mqtt://{text}")
        };
        let scheme = full.split("://").next().unwrap_or_default();
        let transport = match scheme.to_ascii_lowercase().as_str() {
            "mqtt" => Transport::Tcp,
            "mqtts" => Transport::Tls,
            "ws" => Transport::WebSocket,
            "wss" => Transport::SecureWebSocket,
            _ => return Err(BrokerUrlError::Scheme(scheme.to_owned())),
        };
        let url = match Url::parse(&full) {
            Ok(url) => url,
            Err(url::ParseError::EmptyHost) => return Err(BrokerUrlError::Host),
            Err(error) => return Err(BrokerUrlError::Malformed(error)),
        };
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(BrokerUrlError::Host),
        };
        let port = match url.port().unwrap_or(transport.default_port()) {
            0 => return Err(BrokerUrlError::Port),
            port => port,
        };
        Ok(BrokerUrl {
            transport,
            host,
            port,
            path: path(&url, transport)?,
            user: some(url.username())?,
            password: some(url.password().unwrap_or_default())?,
        })
    }
}

fn path(url: &Url, transport: Transport) -> Result<String, BrokerUrlError> {
    let mut path = url.path().to_owned();
    if let Some(query) = url.query() {
        path = format!("{path}?{query}");
    }
    if transport.is_web_socket() {
        return Ok(path);
    }
    match url.fragment() {
        Some(fragment) => Err(BrokerUrlError::Path(format!("{path}#{fragment}"))),
        None if path.is_empty() || path == "/" => Ok(String::new()),
        None => Err(BrokerUrlError::Path(path)),
    }
}

/// Undoes the percent-encoding of a user or password, if there is one.
fn some(encoded: &str) -> Result<Option<String>, BrokerUrlError> {
    if encoded.is_empty() {
        return Ok(None);
    }
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped = after
            .get(..2)
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        match (first, escaped) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes)
        .map(Some)
        .map_err(|_| BrokerUrlError::Credentials)
}

impl fmt::Display for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://", self.transport.scheme())?;
        if let Some(user) = &self.user {
            write!(f, "{}@", user.escape_debug())?;
        }
        write!(f, "{}{}", self.authority(), self.path)
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BrokerUrl({self})")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> Result<BrokerUrl, BrokerUrlError> {
        text.parse()
    }

    #[test]
    fn what_people_write() {
        for (text, shown) in [
            ("mqtt://host", "mqtt://host:1883"),
            ("mqtt://host:1884/", "mqtt://host:1884"),
            ("MQTTS://host", "mqtts://host:8883"),
            ("ws://host", "ws://host:80/"),
            ("ws://host:9001/mqtt", "ws://host:9001/mqtt"),
            ("wss://host/a/b?c=d", "wss://host:443/a/b?c=d"),
            ("host", "mqtt://host:1883"),
            ("host:1884", "mqtt://host:1884"),
            ("10.0.0.1", "mqtt://10.0.0.1:1883"),
            ("::1", "mqtt://[::1]:1883"),
            ("[::1]:1884", "mqtt://[::1]:1884"),
            ("mqtts://[fe80::1]", "mqtts://[fe80::1]:8883"),
            (" host ", "mqtt://host:1883"),
            ("mqtt://me:secret@host", "mqtt://me@host:1883"),
        ] {
            let url = parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!(url.to_string(), shown, "{text}");
        }
    }

    #[test]
    fn user_and_password() {
        let url = parse("mqtts://a%40b:p%2fw:x%zz@host").unwrap();
        assert_eq!(url.user(), Some("a@b"));
        assert_eq!(url.password(), Some("p/w:x%zz"));
        assert!(!format!("{url} {url:?}").contains("p/w"));
        assert_eq!(parse("host").unwrap().user(), None);
        assert_eq!(parse("mqtt://%ff@host"), Err(BrokerUrlError::Credentials));
    }

    #[test]
    fn what_is_wrong() {
        assert_eq!(
            parse("http://host"),
            Err(BrokerUrlError::Scheme("http".to_owned()))
        );
        assert_eq!(parse(""), Err(BrokerUrlError::Host));
        assert_eq!(parse("mqtt://"), Err(BrokerUrlError::Host));
        assert_eq!(parse("mqtt://:1883"), Err(BrokerUrlError::Host));
        assert_eq!(parse("host:0"), Err(BrokerUrlError::Port));
        assert_eq!(
            parse("mqtt://host/path"),
            Err(BrokerUrlError::Path("/path".to_owned()))
        );
        for text in ["host:port", "host:99999", "mqtt://[::1", "a b"] {
            let error = parse(text).unwrap_err();
            assert!(
                matches!(error, BrokerUrlError::Malformed(_)),
                "{text}: {error:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_breaks_it(text in ".{0,80}") {
            let _ = parse(&text);
        }

        // Labels that begin with a letter: `0xa` would be read as a number, `xn--` as Punycode.
        #[test]
        fn what_is_shown_can_be_read_again(
            scheme in "mqtts?|wss?",
            host in "[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,4})?([.][a-z][a-z0-9]{0,6}){0,2}",
            port in 1u16..,
            path in "(/[a-z0-9]{1,5}){0,2}"
        ) {
            let path = if scheme.starts_with('w') { path } else { String::new() };
            let url = parse(&format!("{scheme}://{host}:{port}{path}")).unwrap();
            prop_assert_eq!(parse(&url.to_string()).unwrap(), url);
        }
    }
}
