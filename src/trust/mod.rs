//! Who is who: certificates of a realm.

mod authority;
mod private_file;

pub use authority::{Authority, Certificates, IssueError, Issued, Request, server_names};
