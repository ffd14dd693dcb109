//! A request to a store, and where it sends us to instead.

use std::io;
use std::time::{Duration, Instant};

use ureq::http::{Response, header};
use ureq::{Agent, Body, Error};
use url::Url;

use crate::sandbox;

/// How often a store may send us elsewhere for one file.
const REDIRECTS: usize = 5;

/// Asks for what is there, and follows where the answer sends us to; never from an encrypted place to
/// one that is not. `within` bounds all of it.
///
/// The agent follows nothing by itself, and takes no status for an error.
pub(super) fn get(
    agent: &Agent,
    url: &Url,
    etag: Option<&str>,
    within: Duration,
) -> Result<Response<Body>, String> {
    let deadline = Instant::now() + within;
    let mut at = url.clone();
    for _ in 0..=REDIRECTS {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut request = agent.get(at.as_str());
        if let Some(etag) = etag {
            request = request.header(header::IF_NONE_MATCH, etag);
        }
        let request = request.config().timeout_global(Some(left)).build();
        let response = request.call().map_err(|error| {
            if at == *url {
                error.to_string()
            } else {
                format!("it sends us to {}: {error}{}", shown(&at), hint(&error))
            }
        })?;
        match response.status().as_u16() {
            301 | 302 | 303 | 307 | 308 => at = next(&at, &response)?,
            _ => return Ok(response),
        }
    }
    Err(format!(
        "it sends us elsewhere more than {REDIRECTS} times, at last to {}",
        shown(&at)
    ))
}

/// Where an answer sends us to.
fn next(at: &Url, response: &Response<Body>) -> Result<Url, String> {
    let status = response.status();
    let to = response.headers().get(header::LOCATION);
    let to = to.and_then(|to| to.to_str().ok()).ok_or_else(|| {
        format!("the store answers with status {status}, and does not say where to")
    })?;
    let next = at
        .join(to)
        .map_err(|_| format!("it sends us to {to:?}, which is no URL"))?;
    match (at.scheme(), next.scheme()) {
        (_, "https") | ("http", "http") => Ok(next),
        ("https", "http") => Err(format!(
            "it sends us to {}, which is not encrypted: from https only https is followed",
            shown(&next)
        )),
        _ => Err(format!(
            "it sends us to {}, which is not on the web",
            shown(&next)
        )),
    }
}

/// Without what may be a secret: stores give rights to a file in the query.
fn shown(url: &Url) -> Url {
    let mut shown = url.clone();
    shown.set_query(None);
    shown.set_fragment(None);
    // Where there can be none, there is none.
    let _ = shown.set_password(None);
    let _ = shown.set_username("");
    shown
}

/// What the verifier of certificates says that finds none of the system's.
const NO_ROOTS: &str = "No CA certificates";

/// Why a place cannot be reached that the settings do not name.
fn hint(error: &Error) -> &'static str {
    let refused = match error {
        Error::Io(error) => error.kind() == io::ErrorKind::PermissionDenied,
        Error::HostNotFound => true,
        _ => false,
    };
    if sandbox::held().is_none() {
        ""
    } else if error.to_string().contains(NO_ROOTS) {
        ". In the sandbox the system's certificates can be read only where store.url needs them: name this \
         place there"
    } else if refused {
        ". In the sandbox no host or port can be reached but those of store.url: name this one there"
    } else {
        ""
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_https_only_https_is_followed() {
        let sent = |from: &str, to: &str| {
            let response = Response::builder().status(307).header("Location", to);
            let response = response.body(Body::builder().data("")).unwrap();
            next(&from.parse().unwrap(), &response).map(String::from)
        };
        for (from, to, at) in [
            ("https://a/b/c", "https://d/", "https://d/"),
            ("https://a/b/c", "/d", "https://a/d"),
            ("https://a/b/c", "//d/e", "https://d/e"),
            ("http://a/b/c", "https://a/b/c", "https://a/b/c"),
            ("http://a/b/c", "http://d:1/", "http://d:1/"),
        ] {
            assert_eq!(sent(from, to).as_deref(), Ok(at));
        }
        let why = sent("https://a/b", "http://a/b").unwrap_err();
        assert!(
            why.contains("sends us to http://a/b, which is not encrypted"),
            "{why}"
        );
        let why = sent("https://a/b", "http://me:secret@a/b?token=secret#secret").unwrap_err();
        assert!(!why.contains("secret"), "{why}");
        for to in ["ftp://a/b", "file:///b", "http:"] {
            sent("https://a/b", to).unwrap_err();
        }
    }
}
