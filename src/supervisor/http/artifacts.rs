//! Native code of stored modules, for runtimes without a compiler.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::IntoResponse as _;
use serde_json::json;

use crate::artifacts::PORTABLE;
use crate::supervisor::{Available, CompiledStore};

use super::blocking;
use super::call::{Answer, Call};
use super::error::{ApiError, ErrorKind};
use super::routes::Api;

/// When a runtime should ask again, in seconds.
const AGAIN: HeaderValue = HeaderValue::from_static("1");

fn compiled(api: &Api) -> Result<Arc<CompiledStore>, ApiError> {
    let none = || ApiError::unknown("this supervisor has no compiler");
    api.supervisor.compiled().cloned().ok_or_else(none)
}

/// `GET /store/artifacts/key`
pub(super) async fn key(api: Arc<Api>, _: Call) -> Answer {
    let key = compiled(&api)?.public_key();
    Ok(Json(json!({ "key": key.to_string() })).into_response())
}

/// `GET /store/artifacts/{sha256}/{arch}/{cpu}`
pub(super) async fn get(api: Arc<Api>, call: Call) -> Answer {
    let compiled = compiled(&api)?;
    let (arch, cpu) = (call.part("arch").to_owned(), call.part("cpu").to_owned());
    // Not every processor that the compiler knows: anybody may ask.
    if !PORTABLE.contains(&(&*arch, &*cpu)) {
        let known = PORTABLE.map(|(arch, cpu)| format!("{arch}/{cpu}"));
        let why = format!("code is made for {} only", known.join(", "));
        return Err(ApiError::unknown(why));
    }
    let sha256 = call.part("sha256").to_ascii_lowercase();
    let digest = digest(&sha256)
        .ok_or_else(|| ApiError::field("sha256", "expected 64 hexadecimal digits"))?;
    // The code is in memory until it is sent.
    let _turn = api.turn(&api.large).await?;
    let store = api.supervisor.store().clone();
    let found = blocking(move || compiled.get(&digest, &arch, &cpu, || store.by_sha256(&sha256)));
    match found.await?? {
        Available::Signed(file) => {
            let kind = HeaderValue::from_static("application/octet-stream");
            Ok(([(header::CONTENT_TYPE, kind)], file).into_response())
        }
        Available::NotYet => {
            let state = Json(json!({ "state": "compiling" }));
            Ok((StatusCode::ACCEPTED, [(header::RETRY_AFTER, AGAIN)], state).into_response())
        }
        Available::Refused => Err(ApiError::unknown("the module cannot be compiled")),
        Available::Busy => {
            let why = "too many modules are being compiled; try again later";
            Err(ApiError::new(ErrorKind::Busy, why))
        }
    }
}

fn digest(sha256: &str) -> Option<[u8; 32]> {
    let mut digest = [0; 32];
    if sha256.len() != 64 || !sha256.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (at, byte) in digest.iter_mut().enumerate() {
        *byte = u8::from_str_radix(sha256.get(2 * at..2 * at + 2)?, 16).ok()?;
    }
    Some(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digests() {
        assert_eq!(digest(&"0f".repeat(32)), Some([15; 32]));
        for wrong in [
            "",
            "0f",
            &"0f".repeat(33),
            &"+f".repeat(32),
            &"é".repeat(32),
        ] {
            assert_eq!(digest(wrong), None);
        }
    }
}
