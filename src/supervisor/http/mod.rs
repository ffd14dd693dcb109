//! The HTTP API of the supervisor: `docs/http-api.md` describes it for its users.
//!
//! All routes are in one table (`routes.rs`), of which the router and the description at
//! `/openapi.json` (`openapi.rs`) are made. What every request has to pass (`guard.rs`, `auth.rs`)
//! comes before the handlers, which read the supervisor by its handle and wait for its replies.
//! The dashboard (`page/`) is plain files that are served as they are.

mod artifacts;
mod auth;
mod body;
mod call;
mod create;
mod error;
mod files;
mod find;
mod follow;
mod guard;
mod health;
mod json;
mod lists;
mod openapi;
mod original;
mod page;
mod records;
mod routes;
mod schemas;
mod server;
mod stream;

pub use server::{HttpConfig, HttpError, HttpServer};

use error::{ApiError, ErrorKind};

/// Does what takes the disk or long on a thread for that.
async fn blocking<T: Send + 'static>(
    what: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    tokio::task::spawn_blocking(what).await.map_err(|error| {
        tracing::error!("a request failed: {error}");
        ApiError::new(ErrorKind::Failed, "the request failed; the log says why")
    })
}
