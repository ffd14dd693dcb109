//! How much there may be in a request.

/// Arguments of a module, and names of interfaces.
pub const MAX_ARGS: usize = 1024;
/// Variables of its environment.
pub const MAX_ENV: usize = 1024;
/// Channels of a module.
pub const MAX_CHANNELS: usize = 1024;
/// Modules in a keepalive.
pub const MAX_CHILDREN: usize = 8192;
/// The number of a processor.
pub const MAX_CPU: u32 = 8191;
/// Bytes of a name.
pub const MAX_NAME: usize = 1024;
/// Bytes of a path or a file name.
pub const MAX_PATH: usize = 4096;
/// Bytes of a topic.
pub const MAX_TOPIC: usize = 65_535;
/// Bytes of an argument, or of a variable's value.
pub const MAX_TEXT: usize = 65_536;
