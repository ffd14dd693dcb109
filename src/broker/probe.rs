//! Whether messages get through: one goes to the router as a client's would, and is to come out.

use std::sync::Arc;

use mqtt5::QoS;
use mqtt5::broker::router::{
    DeliveryLanes, LaneReceivers, MessageRouter, SubscriptionRequest, TakeoverNotice,
};
use mqtt5::packet::publish::PublishPacket;
use tokio::sync::oneshot;
use tracing::warn;
use uuid::Uuid;

use crate::system::TaskPulse;

/// Answers questions as long as messages get through the router. It begins with the first question:
/// a broker that nobody watches has no such client.
pub(super) async fn answer(router: Arc<MessageRouter>, pulse: Arc<TaskPulse>) {
    pulse.asked().await;
    let mut probe = match Probe::new(router).await {
        Ok(probe) => probe,
        Err(error) => {
            warn!("nobody can see whether messages get through: {error}");
            return;
        }
    };
    loop {
        tokio::select! {
            () = probe.send_and_receive() => {
                pulse.beat();
                pulse.asked().await;
            }
            // One that was lost is no end of all.
            () = pulse.asked() => {}
        }
    }
}

/// A client of the router that has no connection.
struct Probe {
    router: Arc<MessageRouter>,
    topic: String,
    inbox: LaneReceivers,
    /// The router tells here that another client has taken the name, which none can know.
    _displaced: oneshot::Receiver<TakeoverNotice>,
}

impl Probe {
    async fn new(router: Arc<MessageRouter>) -> Result<Probe, String> {
        // Clients may not publish where a topic begins with a dollar sign, and "#" does not include it.
        let topic = format!("$probe/{}", Uuid::new_v4().simple());
        let (lanes, inbox) = DeliveryLanes::channel(1);
        let (displaced, kept) = oneshot::channel();
        let queue = router.queue_handle(&topic);
        // What this returns is for those who take a session over.
        drop(
            router
                .register_client(topic.clone(), lanes, queue, displaced)
                .await,
        );
        let request = SubscriptionRequest::new(&*topic, &*topic, QoS::AtMostOnce);
        router.subscribe(request).await.map_err(|e| e.to_string())?;
        Ok(Probe {
            router,
            topic,
            inbox,
            _displaced: kept,
        })
    }

    /// Returns when the message has come out again.
    async fn send_and_receive(&mut self) {
        let content = Uuid::new_v4().into_bytes();
        let message = PublishPacket::new(&*self.topic, content.to_vec(), QoS::AtMostOnce);
        self.router.route_message(&message, None).await;
        while let Some(came) = self.inbox.recv().await {
            if came.publish.payload[..] == content {
                return;
            }
        }
        // Whoever waits for an answer shall see that none comes.
        std::future::pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn a_message_comes_out_until_the_client_is_gone() {
        let router = Arc::new(MessageRouter::new());
        let mut probe = Probe::new(Arc::clone(&router)).await.unwrap();
        for _ in 0..3 {
            probe.send_and_receive().await;
        }
        // Nothing is delivered any more, and so nothing comes out.
        router.unregister_client(&probe.topic.clone()).await;
        let waited = timeout(Duration::from_millis(20), probe.send_and_receive()).await;
        assert!(waited.is_err());
    }
}
