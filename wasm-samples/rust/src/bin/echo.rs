//! Teaches: channels in Rust. Sends each message of one channel back on another.
//!
//!     arena run --broker mqtt://localhost --channel ping=realm/ping --channel pong=realm/pong \
//!         wasm-samples/build/echo.wasm [FROM [TO [COUNT]]]
//!
//! FROM and TO are "ping" and "pong" if they are not given. Ends after COUNT messages (0, which is
//! what it does without: no end).

use std::error::Error;

use arena_guest::{Channel, Mode, poll};

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let from = args.next().unwrap_or("ping".to_owned());
    let to = args.next().unwrap_or("pong".to_owned());
    let count: u64 = args.next().map_or(Ok(0), |text| text.parse())?;

    let from = Channel::open(&from, Mode::Read)?;
    let to = Channel::open(&to, Mode::Write)?;
    println!("echo: from {} to {}", from.path(), to.path());
    let mut echoed = 0;
    loop {
        poll(&[&from], None)?;
        while let Some(message) = from.read()? {
            to.write(&message)?;
            echoed += 1;
            if echoed == count {
                return Ok(());
            }
        }
    }
}
