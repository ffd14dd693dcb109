//! The settings: one tree, from defaults, a file, the environment and flags.
//!
//! [`load`] puts the sources together, each over the one before: defaults, the
//! TOML file, `ARENA_*` variables, flags. The result is [`Effective`]: the
//! [`Settings`], and for each value where it comes from. Names that do not
//! exist and values that cannot be are errors, which say where they stand and
//! what is expected.
//!
//! Everything about a setting is in one place, its entry in `tree.rs`: type,
//! default, range, description, flag. The fields of [`Settings`], the file's
//! keys, the variables, the flags and the documentation come from there.
//!
//! ```
//! use arena_runtime::config::{FlagValues, Surroundings, load};
//!
//! let mut flags = FlagValues::default();
//! flags.add("--set", "runtime.realm", "home");
//! let effective = load(&flags, &Surroundings::default())?;
//! assert_eq!(effective.settings.runtime.realm, "home");
//! assert_eq!(effective.settings.runtime.max_modules, 1000);
//! # Ok::<(), arena_runtime::config::ConfigError>(())
//! ```

mod check;
mod doc;
mod environment;
mod error;
mod exposed;
mod file;
mod files;
mod kind;
mod kinds;
mod load;
mod maps;
mod parse;
mod places;
mod show;
mod suggest;
mod surroundings;
mod table;
mod template;
#[cfg(test)]
mod tests;
mod tree;
mod types;

pub use doc::markdown;
pub use error::ConfigError;
pub use exposed::{Exposed, exposed};
pub use files::NamedFile;
pub use load::{Effective, FlagValues, Origin, load, load_file};
pub use parse::{Dir, dir, duration, size};
pub use places::data_dir;
pub use show::{to_json, to_toml};
pub use surroundings::Surroundings;
pub use table::{Flag, flags};
pub use template::template;
pub use tree::{
    BrokerSettings, EngineSettings, LimitSettings, LogSettings, MqttServerSettings,
    RestartSettings, RuntimeSettings, SecuritySettings, Settings, StoreSettings,
    SupervisorSettings,
};
pub use types::{
    BrokerAddress, EngineMode, FileDigest, GrantedDir, LogFormat, LogLevel, MailboxOverflow,
    MqttVersion, PublicKey, RestartWord, SandboxLevel, SchedulerName, Secret, UndeclaredTopics,
};
