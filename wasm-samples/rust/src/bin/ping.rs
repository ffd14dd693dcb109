//! Teaches: how long a message takes. Sends messages to somebody who sends them back, as the sample
//! `echo` does, and prints how long they were under way.
//!
//!     arena run --broker mqtt://localhost --channel ping=realm/ping --channel pong=realm/pong \
//!         wasm-samples/build/ping.wasm [COUNT [SIZE [INTERVAL_MS [TO [FROM]]]]]
//!
//! COUNT messages (100) of SIZE bytes (64), INTERVAL_MS (10) after the answer to the one before. TO
//! and FROM are "ping" and "pong" if they are not given. An answer that takes more than a second
//! counts as lost.

use std::error::Error;
use std::thread::sleep;
use std::time::{Duration, Instant};

use arena_guest::{Channel, Mode, poll};

const PATIENCE: Duration = Duration::from_secs(1);

/// Waits for the answer to this message. Others are late answers to earlier ones.
fn answered(from: &Channel, question: &[u8], deadline: Instant) -> Result<bool, Box<dyn Error>> {
    loop {
        while let Some(message) = from.read()? {
            if message == question {
                return Ok(true);
            }
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(false);
        }
        poll(&[from], Some(left))?;
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let count: u64 = args.next().map_or(Ok(100), |text| text.parse())?;
    let size: usize = args.next().map_or(Ok(64), |text| text.parse())?;
    if size > Channel::MAX_MESSAGE {
        return Err(format!("SIZE may be {} at the most", Channel::MAX_MESSAGE).into());
    }
    let interval: u64 = args.next().map_or(Ok(10), |text| text.parse())?;
    let to = Channel::open(&args.next().unwrap_or("ping".to_owned()), Mode::Write)?;
    let from = Channel::open(&args.next().unwrap_or("pong".to_owned()), Mode::Read)?;

    let mut times = Vec::new();
    for n in 0..count {
        let question = format!("{n:size$}").into_bytes(); // padded with spaces
        let begin = Instant::now();
        to.write(&question)?;
        if answered(&from, &question, begin + PATIENCE)? {
            times.push(begin.elapsed());
        }
        sleep(Duration::from_millis(interval));
    }

    times.sort();
    println!("{} of {count} messages came back", times.len());
    if let Some(last) = times.len().checked_sub(1) {
        let (median, p99) = (times[last / 2], times[last * 99 / 100]);
        println!("min {:?}, median {median:?}, p99 {p99:?}", times[0]);
    }
    Ok(())
}
