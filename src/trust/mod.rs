//! Who is who: certificates of a realm, tokens, and signatures of modules.
//!
//! Modules are signed with Ed25519, in the format of WebAssembly's tool conventions. What may run is
//! decided by [`Trust`], from the settings in `[security]`, each time that a file is loaded and
//! before anything else looks at it: so neither a cache nor a file that is loaded already is a way
//! around it.

mod authority;
mod jwt;
mod keys;
mod policy;
mod private_file;
mod signature;
mod signed_file;
#[cfg(test)]
mod tests;
mod tokens;
mod validity;

pub use authority::{Authority, Certificates, IssueError, Issued, Request, server_names};
pub use keys::{KeyError, SigningKey, read_public};
pub use policy::{Admitted, Distrust, Signed, Trust, TrustError};
pub use signature::{KeyId, SIGNATURE_LIMIT};
pub use signed_file::{SignatureError, embed, sign, sign_detached, without_trailer};
pub use tokens::{Audience, LEEWAY, TokenKeyError, TokenKeys};
