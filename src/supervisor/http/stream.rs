//! Answers that go on: lines of JSON, or server-sent events.

use std::convert::Infallible;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_core::Stream;
use serde_json::Value;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};

use crate::supervisor::{Live, Subscription};

use super::error::{ApiError, ErrorKind};

/// How often something is sent, so that both ends notice when the other one is gone.
pub(super) const BEAT: Duration = Duration::from_secs(15);
/// Pieces of an answer are about so large.
const PIECE: usize = 32 * 1024;

/// How items are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// One JSON object a line.
    Lines,
    /// Server-sent events.
    Events,
}

impl Form {
    /// What the client takes; server-sent events when it follows and does not say.
    pub(super) fn of(headers: &HeaderMap, follow: bool) -> Form {
        let accepts = |name: &str| {
            let mut values = headers.get_all(header::ACCEPT).iter();
            values.any(|value| value.to_str().is_ok_and(|value| value.contains(name)))
        };
        if accepts("text/event-stream") || (follow && !accepts("application/x-ndjson")) {
            Form::Events
        } else {
            Form::Lines
        }
    }

    /// One item. `kind` is for those that are about the stream itself.
    fn item(self, kind: Option<&str>, id: Option<u64>, value: &Value) -> String {
        match (self, kind, id) {
            (Form::Lines, _, _) => format!("{value}\n"),
            (Form::Events, Some(kind), _) => format!("event: {kind}\ndata: {value}\n\n"),
            (Form::Events, None, Some(id)) => format!("id: {id}\ndata: {value}\n\n"),
            (Form::Events, None, None) => format!("data: {value}\n\n"),
        }
    }

    fn beat(self) -> &'static str {
        match self {
            Form::Lines => "\n",
            Form::Events => ":\n\n",
        }
    }

    pub(super) fn answer(self, body: Body) -> Response {
        let kind = match self {
            Form::Lines => "application/x-ndjson",
            Form::Events => "text/event-stream",
        };
        let kind = HeaderValue::from_static(kind);
        let mut response = body.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
        response
    }
}

/// A body that comes from a task.
struct Pieces(mpsc::Receiver<Bytes>);

impl Stream for Pieces {
    type Item = Result<Bytes, Infallible>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.0.poll_recv(context).map(|piece| piece.map(Ok))
    }
}

/// A body, and where its pieces go. The sender is closed when the client is gone.
pub(super) fn body() -> (mpsc::Sender<Bytes>, Body) {
    let (sender, receiver) = mpsc::channel(4);
    (sender, Body::from_stream(Pieces(receiver)))
}

/// The client is gone.
pub(super) struct Gone;

/// Where a stream's items go.
pub(super) struct Writer {
    form: Form,
    sender: mpsc::Sender<Bytes>,
    text: String,
    until: Option<SystemTime>,
    _place: Option<OwnedSemaphorePermit>,
}

impl Writer {
    /// For a stream that goes on until the client is gone or its token has expired. `places` are
    /// those of such streams.
    pub(super) fn following(
        form: Form,
        until: Option<SystemTime>,
        places: &Arc<Semaphore>,
    ) -> Result<(Writer, Response), ApiError> {
        let place = Arc::clone(places).try_acquire_owned().map_err(|_| {
            ApiError::new(ErrorKind::Busy, "too many clients follow something already")
        })?;
        let (mut writer, response) = Writer::new(form);
        writer.until = until;
        writer._place = Some(place);
        Ok((writer, response))
    }

    /// For a stream that ends.
    pub(super) fn new(form: Form) -> (Writer, Response) {
        let (sender, body) = body();
        let writer = Writer {
            form,
            sender,
            text: String::new(),
            until: None,
            _place: None,
        };
        (writer, form.answer(body))
    }

    /// Adds an item.
    pub(super) async fn item(&mut self, id: Option<u64>, value: &Value) -> Result<(), Gone> {
        self.text.push_str(&self.form.item(None, id, value));
        if self.text.len() < PIECE {
            return Ok(());
        }
        self.flush().await
    }

    /// Adds an item about the stream itself.
    pub(super) async fn note(&mut self, kind: &str, value: &Value) -> Result<(), Gone> {
        self.text.push_str(&self.form.item(Some(kind), None, value));
        self.flush().await
    }

    /// Sends what was added.
    pub(super) async fn flush(&mut self) -> Result<(), Gone> {
        if self.text.is_empty() {
            return Ok(());
        }
        let piece = Bytes::from(std::mem::take(&mut self.text));
        self.sender.send(piece).await.map_err(|_| Gone)
    }

    /// Waits for the next of two subscriptions, and tells the client meanwhile that it is still
    /// served. `None` after `BEAT`.
    pub(super) async fn next<A, B>(
        &mut self,
        first: &Subscription<A>,
        second: Option<&Subscription<B>>,
    ) -> Result<Option<Next<A, B>>, Gone> {
        let next = poll_fn(|context| {
            if let Poll::Ready(next) = first.poll_next(context) {
                return Poll::Ready(Next::First(next));
            }
            match second.map(|second| second.poll_next(context)) {
                Some(Poll::Ready(next)) => Poll::Ready(Next::Second(next)),
                _ => Poll::Pending,
            }
        });
        if self.until.is_some_and(|until| until < SystemTime::now()) {
            return Err(Gone);
        }
        tokio::select! {
            next = next => Ok(Some(next)),
            () = self.sender.closed() => Err(Gone),
            () = tokio::time::sleep(BEAT) => {
                self.text.push_str(self.form.beat());
                self.flush().await?;
                Ok(None)
            }
        }
    }
}

/// What came of which subscription.
pub(super) enum Next<A, B> {
    First(Live<A>),
    Second(Live<B>),
}
