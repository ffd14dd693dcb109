//! Requests that a browser sends for a page of somebody else.
//!
//! Without keys everybody on this machine may use the API, and so might every page in a browser on
//! it. A page of another site cannot read answers, since there is no CORS, unless its host's name
//! leads to this machine; so the name must be one of this machine. What changes something is not
//! to come from a page of another site at all.

use std::net::IpAddr;

use axum::http::{HeaderMap, Method, Uri, header, uri::Authority};

use super::error::{ApiError, ErrorKind};

const FETCH_SITE: &str = "sec-fetch-site";

/// Refuses what comes from another site's page. `local` is whether only this machine may ask.
pub(super) fn check(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    local: bool,
) -> Result<(), ApiError> {
    let refused = |why: String| ApiError::new(ErrorKind::Forbidden, why);
    let host = headers.get(header::HOST).map(|host| host.to_str());
    let host = match (uri.authority(), host) {
        (Some(authority), _) => Some(authority.as_str()),
        (None, Some(Ok(host))) => Some(host),
        (None, Some(Err(_))) => return Err(refused("the header \"Host\" is no text".to_owned())),
        (None, None) => None,
    };
    if local && !host.is_none_or(is_local) {
        let why = "without keys only this machine may use this: \
                   the header \"Host\" must be localhost or a loopback address";
        return Err(refused(why.to_owned()));
    }
    if method.is_safe() {
        return Ok(());
    }
    let other = "pages of other sites may not change anything here";
    for origin in headers.get_all(header::ORIGIN) {
        let origin = origin.to_str().ok().and_then(|origin| {
            let scheme = ["http://", "https://"];
            scheme.iter().find_map(|scheme| origin.strip_prefix(scheme))
        });
        let same = match (origin, host) {
            (Some(origin), Some(host)) => origin.eq_ignore_ascii_case(host),
            _ => false,
        };
        if !same {
            return Err(refused(format!("{other} (\"Origin\")")));
        }
    }
    for site in headers.get_all(FETCH_SITE) {
        if site != "same-origin" && site != "none" {
            return Err(refused(format!("{other} (\"Sec-Fetch-Site\")")));
        }
    }
    Ok(())
}

fn is_local(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority.host();
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']'));
    match bare.unwrap_or(name).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => {
            let name = name.to_ascii_lowercase();
            name == "localhost" || name.ends_with(".localhost")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(method: Method, headers: &[(&str, &str)], local: bool) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name: header::HeaderName = name.parse().unwrap();
            map.append(name, value.parse().unwrap());
        }
        check(&method, &"/".parse().unwrap(), &map, local).is_ok()
    }

    #[test]
    fn names_of_this_machine() {
        for host in [
            "localhost",
            "LOCALHOST:8000",
            "127.0.0.1:1",
            "[::1]:8000",
            "a.localhost",
        ] {
            assert!(checked(Method::GET, &[("host", host)], true), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example",
            "10.0.0.1",
            "",
            "a b",
            "127.0.0.1.nip.io",
        ] {
            assert!(!checked(Method::GET, &[("host", host)], true), "{host}");
        }
        assert!(checked(Method::GET, &[("host", "arts.example")], false));
        assert!(checked(Method::GET, &[], true));
    }

    #[test]
    fn pages_of_others_change_nothing() {
        let host = ("host", "localhost:8000");
        let with = |name, value| checked(Method::POST, &[host, (name, value)], true);
        assert!(checked(Method::POST, &[host], true));
        assert!(with("origin", "http://localhost:8000"));
        assert!(with("sec-fetch-site", "same-origin"));
        for origin in [
            "http://evil.example",
            "null",
            "http://localhost:9000",
            "localhost:8000",
        ] {
            assert!(!with("origin", origin), "{origin}");
        }
        assert!(!with("sec-fetch-site", "cross-site"));
        assert!(!with("sec-fetch-site", "same-site"));
        let get = [host, ("origin", "http://evil.example")];
        assert!(checked(Method::GET, &get, true));
    }
}
