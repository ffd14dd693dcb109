//! Any bytes as a message: it parses or it does not, an error answers whoever asked, and what
//! parses and is built again means the same.
#![no_main]

use arena_runtime::protocol::{CreateModule, Incoming, Request, RequestData, parse};
use libfuzzer_sys::fuzz_target;
use serde_json::Map;

fuzz_target!(|bytes: &[u8]| {
    match parse(bytes, 1 << 20) {
        Ok(Incoming::Request(request)) => again(&request),
        Ok(Incoming::Response(response)) => {
            let _ = response.register_answer();
        }
        Err(error) => {
            if let Some(answer) = error.answer() {
                assert!(matches!(
                    parse(&answer, usize::MAX),
                    Ok(Incoming::Response(_))
                ));
            }
        }
    }
});

/// Builds the request anew, and parses that.
fn again(request: &Request) {
    let Some(message) = build(request) else {
        return;
    };
    let result = parsed(&message);
    assert_eq!(result.object_id, request.object_id);
    // Figures in a keepalive are rounded, so it is built once more to compare.
    assert_eq!(build(&result), Some(message));
    if let RequestData::CreateModule(create) = &request.data {
        assert_eq!(result.data, request.data);
        // In our own spelling instead of the sender's.
        let own = CreateModule {
            original: Map::new(),
            ..(**create).clone()
        };
        match parsed(&own.to_message(&request.object_id)).data {
            RequestData::CreateModule(mut result) => {
                result.original.clear();
                assert_eq!(*result, own);
            }
            other => panic!("no create any more: {other:?}"),
        }
    }
}

fn build(request: &Request) -> Option<Vec<u8>> {
    let id = &request.object_id;
    match &request.data {
        RequestData::CreateModule(create) => Some(create.to_message(id)),
        RequestData::DeleteModule(delete) => Some(delete.to_message(id)),
        RequestData::CreateRuntime(runtime) => Some(runtime.to_message(id)),
        RequestData::DeleteRuntime(delete) => Some(delete.to_message(id)),
        RequestData::KeepAlive(keepalive) => Some(keepalive.to_message(id)),
        _ => None,
    }
}

fn parsed(message: &[u8]) -> Request {
    match parse(message, usize::MAX) {
        Ok(Incoming::Request(request)) => request,
        other => panic!("{}: {other:?}", String::from_utf8_lossy(message)),
    }
}
