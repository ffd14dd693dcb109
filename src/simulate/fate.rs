//! What happens to runtimes and modules by chance.

use std::sync::Arc;
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::sleep;

use super::crew::Order;
use super::shared::Shared;

/// Where orders for a runtime go: its connection, and its place there.
pub(super) type Reach = (UnboundedSender<Order>, usize);

/// Sends orders until it is aborted.
pub(super) async fn run(shared: Arc<Shared>, mut rng: Rng) {
    let fleet = &shared.config.fleet;
    let (lose, silent, crash) = (rng.fork(), rng.fork(), rng.fork());
    tokio::join!(
        again(&shared, fleet.lose, lose, Order::Lose),
        again(&shared, fleet.silent, silent, Order::FallSilent),
        again(&shared, fleet.crash, crash, Order::Crash),
    );
}

/// So many times in a minute, at moments that do not know of each other.
async fn again(shared: &Shared, rate: f64, mut rng: Rng, order: fn(usize) -> Order) {
    let runtimes = shared.config.fleet.runtimes;
    if rate <= 0.0 || runtimes == 0 {
        return;
    }
    loop {
        sleep(wait(rate, &mut rng)).await;
        shared.order(rng.usize(0..runtimes), order);
    }
}

fn wait(rate: f64, rng: &mut Rng) -> Duration {
    let minutes = -(1.0 - rng.f64()).ln() / rate;
    Duration::try_from_secs_f64(minutes * 60.0).unwrap_or(Duration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_often_as_it_is_asked_for() {
        let mut rng = Rng::with_seed(1);
        let all: Duration = (0..6000).map(|_| wait(60.0, &mut rng)).sum();
        let seconds = all.as_secs_f64();
        assert!((5700.0..=6300.0).contains(&seconds), "{seconds}");
    }
}
