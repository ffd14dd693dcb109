//! The end of the broker, as connections see it.
//!
//! A client is still there when the broker ends, so its will is not published: a supervisor would
//! take all of its runtimes for lost. And what is published while connections end is not
//! acknowledged, since those who should get it may be gone: clients send it again when the broker
//! is back. The crate asks before it publishes either of them. It gets no answer then, and the
//! connection is given up where it stands.

use std::future::{Future, pending};
use std::sync::Arc;

use tokio::sync::{Notify, watch};

tokio::task_local! {
    /// Tells the task of a connection that it is given up.
    static GIVEN_UP: Arc<Notify>;
}

/// Whether all is to end.
#[derive(Clone, Debug)]
pub(super) struct Ending(watch::Receiver<bool>);

impl Ending {
    pub(super) fn new(end: watch::Receiver<bool>) -> Ending {
        Ending(end)
    }

    pub(super) fn is(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits for the end.
    pub(super) async fn wait(&mut self) {
        // Nobody who could say it is the end, too.
        let _ = self.0.wait_for(|end| *end).await;
    }

    /// Returns while there is no end, and else never.
    pub(super) async fn pass(&self) {
        if self.is() {
            // Who has no connection any more waits until the threads end.
            let _ = GIVEN_UP.try_with(|given_up| given_up.notify_one());
            pending().await
        }
    }
}

/// Serves a connection until it ends or is given up.
pub(super) async fn serve(connection: impl Future<Output = ()>) {
    let given_up = Arc::new(Notify::new());
    tokio::select! {
        () = GIVEN_UP.scope(Arc::clone(&given_up), connection) => {}
        () = given_up.notified() => {}
    }
}
