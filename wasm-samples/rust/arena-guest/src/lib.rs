//! What a module of the ARENA can do beside WASI: channels, signals, uuids and periods.
//!
//! A [`Channel`] binds a path of the module to an MQTT topic. Whoever starts the module says which
//! (`arena run --channel light=realm/kitchen/light`, or `channels` in a create message).
//!
//! ```no_run
//! use arena_guest::{Channel, Mode, poll};
//!
//! let light = Channel::open("light", Mode::ReadWrite)?;
//! light.write(b"on")?;
//! loop {
//!     poll(&[&light], None)?; // sleeps until there is a message
//!     while let Some(message) = light.read()? {
//!         println!("{}", String::from_utf8_lossy(&message));
//!     }
//! }
//! # #[allow(unreachable_code)]
//! # Ok::<(), arena_guest::Error>(())
//! ```
//!
//! A module that can be stopped and moved without losing anything looks for [`Signals`].
//!
//! It is for modules only: built for `wasm32-wasip1`, run by `arena`. The same functions for C are
//! in `wasm-samples/include/arena.h`, and its remarks hold here.

mod channel;
mod error;
mod identity;
mod imports;
pub mod period;
mod signal;

pub use channel::{Channel, Mode, poll};
pub use error::Error;
pub use identity::{module_uuid, runtime_uuid};
pub use signal::{SAVE_AND_EXIT, Signals};
