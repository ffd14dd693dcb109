//! The dashboard: a page that asks this API, and has nothing of its own. Everybody may have it;
//! what it shows needs the token that its user gives it.

use std::sync::Arc;

use axum::http::{HeaderValue, header};
use axum::response::IntoResponse as _;

use super::call::{Answer, Call};
use super::routes::Api;

/// The page runs and loads what comes from here, and nothing that is written into it.
const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'; object-src 'none'";

pub(super) const HTML: &str = "text/html; charset=utf-8";
pub(super) const STYLE: &str = "text/css; charset=utf-8";
pub(super) const SCRIPT: &str = "text/javascript; charset=utf-8";
pub(super) const ICON: &str = "image/svg+xml";

/// `GET /`
pub(super) async fn index(_: Arc<Api>, _: Call) -> Answer {
    file(HTML, include_str!("page/index.html"))
}

/// `GET /dashboard/style.css`
pub(super) async fn style(_: Arc<Api>, _: Call) -> Answer {
    file(STYLE, include_str!("page/style.css"))
}

/// `GET /dashboard/app.js`
pub(super) async fn app(_: Arc<Api>, _: Call) -> Answer {
    file(SCRIPT, include_str!("page/app.js"))
}

/// `GET /dashboard/api.js`
pub(super) async fn api(_: Arc<Api>, _: Call) -> Answer {
    file(SCRIPT, include_str!("page/api.js"))
}

/// `GET /dashboard/parts.js`
pub(super) async fn parts(_: Arc<Api>, _: Call) -> Answer {
    file(SCRIPT, include_str!("page/parts.js"))
}

/// `GET /dashboard/icon.svg`
pub(super) async fn icon(_: Arc<Api>, _: Call) -> Answer {
    file(ICON, include_str!("page/icon.svg"))
}

fn file(kind: &'static str, text: &'static str) -> Answer {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static(POLICY),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
    ];
    Ok((headers, text).into_response())
}
