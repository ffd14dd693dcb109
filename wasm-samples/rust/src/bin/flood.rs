//! Teaches: what happens to a module that publishes faster than the broker takes it: a write never
//! waits, but may be refused, and the module knows how many were.
//!
//!     arena run --broker mqtt://localhost --channel light=realm/kitchen/light \
//!         wasm-samples/build/flood.wasm [CHANNEL [COUNT [SIZE]]]
//!
//! COUNT messages (100000) of SIZE bytes (64) to CHANNEL, which is "light" if it is not given.

use std::error::Error;
use std::time::Instant;

use arena_guest::{Channel, Mode};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let path = args.next().unwrap_or("light".to_owned());
    let count: u64 = args.next().map_or(Ok(100_000), |text| text.parse())?;
    let size: usize = args.next().map_or(Ok(64), |text| text.parse())?;

    let channel = Channel::open(&path, Mode::Write)?;
    let message = vec![b'x'; size];
    let begin = Instant::now();
    let refused = (0..count)
        .filter(|_| channel.write(&message).is_err())
        .count();
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    println!("{count} messages, {refused} refused, {rate:.0} per second");
    Ok(())
}
