//! The module store.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use serde_json::json;

use crate::supervisor::{FileName, StoreError};

use super::call::{Answer, Call, Chunks};
use super::error::{ApiError, ErrorKind};
use super::routes::Api;
use super::{blocking, json, stream};

/// How long an upload may take.
const TIME: Duration = Duration::from_secs(600);
/// Files are sent in pieces of so many bytes.
const PIECE: usize = 64 * 1024;

fn name(call: &Call) -> Result<FileName, ApiError> {
    let name = FileName::new(call.part("user"), call.part("filename"));
    name.map_err(|error| StoreError::from(error).into())
}

fn unusable(error: &std::io::Error) -> ApiError {
    tracing::error!("cannot keep an upload: {error}");
    let why = "the module store cannot be used; the log says why";
    ApiError::new(ErrorKind::Failed, why)
}

/// `GET /api/v1/files`
pub(super) async fn list(api: Arc<Api>, _: Call) -> Answer {
    let files = api.supervisor.store().list();
    let files: Vec<_> = files.iter().map(json::file).collect();
    Ok(Json(json!({ "files": files })).into_response())
}

/// `PUT /store/users/{user}/{filename}`
pub(super) async fn put(api: Arc<Api>, mut call: Call) -> Answer {
    let name = name(&call)?;
    let store = api.supervisor.store().clone();
    let _turn = api.turn(&api.uploads).await?;
    let limit = store.upload_limit();
    let body = std::mem::take(&mut call.body);
    let mut chunks = Chunks::new(body, limit, TIME, call.length())?;
    // To a file without a name until all is there: whoever is slow takes no memory.
    let dir = api.supervisor.settings().data_dir.join("store");
    let file = blocking(move || tempfile::tempfile_in(dir)).await?;
    let mut file = file.map_err(|error| unusable(&error))?;
    let mut beginning = Vec::new();
    while let Some(chunk) = chunks.next().await? {
        if beginning.len() < MAGIC.len() {
            let missing = MAGIC.len() - beginning.len();
            beginning.extend(chunk.iter().take(missing));
            if !MAGIC.starts_with(&beginning) && !AOT.starts_with(&beginning) {
                let why = "the file is not a module that can be run: it is not WebAssembly";
                return Err(ApiError::new(ErrorKind::NotAModule, why));
            }
        }
        let written = blocking(move || file.write_all(&chunk).map(|()| file)).await?;
        file = written.map_err(|error| unusable(&error))?;
    }
    // The check needs all of it in memory: one at a time.
    let _check = api.turn(&api.check).await?;
    let stored = blocking(move || -> Result<_, ApiError> {
        let is_new = store.find(&name).is_none();
        let mut bytes = Vec::new();
        file.rewind().map_err(|error| unusable(&error))?;
        file.read_to_end(&mut bytes)
            .map_err(|error| unusable(&error))?;
        Ok((is_new, store.put(&name, &bytes)?))
    });
    let (is_new, stored) = stored.await??;
    let status = if is_new {
        StatusCode::CREATED
    } else {
        StatusCode::OK
    };
    Ok((status, Json(json::file(&stored))).into_response())
}

/// What WebAssembly begins with.
const MAGIC: &[u8] = b"\0asm";
/// And compiled modules, which have a refusal of their own.
const AOT: &[u8] = b"\0aot";

/// `GET /store/users/{user}/{filename}`
pub(super) async fn get(api: Arc<Api>, call: Call) -> Answer {
    let name = name(&call)?;
    let store = api.supervisor.store().clone();
    let (stored, file) = blocking(move || store.open_file(&name)).await??;
    let etag = format!("\"{}\"", stored.sha256);
    let mut headers = HeaderMap::new();
    if let Ok(etag) = HeaderValue::from_str(&etag) {
        headers.insert(header::ETAG, etag);
    }
    // Others may keep it, but are to ask whether it is still the same.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    if is_known(&call.headers, &etag) {
        return Ok((StatusCode::NOT_MODIFIED, headers).into_response());
    }
    let kind = HeaderValue::from_static("application/wasm");
    headers.insert(header::CONTENT_TYPE, kind);
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from(stored.size));
    Ok((headers, pieces(file)).into_response())
}

/// Whether the client has this version of the file.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let mut known = headers.get_all(header::IF_NONE_MATCH).iter();
    known.any(|list| {
        let list = list.to_str().unwrap_or_default().split(',').map(str::trim);
        let mut list = list.map(|known| known.strip_prefix("W/").unwrap_or(known));
        list.any(|known| known == "*" || known == etag)
    })
}

/// A file as a body. No more than a few pieces of it are in memory.
fn pieces(mut file: File) -> Response {
    let (sender, body) = stream::body();
    tokio::spawn(async move {
        loop {
            let read = blocking(move || {
                let mut piece = vec![0; PIECE];
                let length = file.read(&mut piece);
                length.map(|length| {
                    piece.truncate(length);
                    (Bytes::from(piece), file)
                })
            });
            // An end that is too early is seen by the client, since it knows the length.
            let Ok(Ok((piece, rest))) = read.await else {
                return;
            };
            if piece.is_empty() || sender.send(piece).await.is_err() {
                return;
            }
            file = rest;
        }
    });
    body.into_response()
}

/// `DELETE /store/users/{user}/{filename}`
pub(super) async fn remove(api: Arc<Api>, call: Call) -> Answer {
    let name = name(&call)?;
    let store = api.supervisor.store().clone();
    let removed = blocking(move || {
        let file = store.find(&name);
        let file = file.ok_or_else(|| StoreError::NotFound(name.to_string()))?;
        store.remove(&name).map(|()| file)
    });
    Ok(Json(json::file(&removed.await??)).into_response())
}
