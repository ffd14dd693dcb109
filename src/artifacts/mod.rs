//! Modules compiled to native code: the compiler, and the cache of what it made.
//!
//! The `.wasm` file is the truth and compiled code an *artifact* of it, found by a [`Key`] of
//! everything that it depends on. The compiler is a program of its own, `arena-aotc`, which
//! [`Compiler`] runs as a child process with bounds on time, memory and output; it reads the module
//! and writes the code through descriptors that it is given, has given up its right to open anything
//! else, and ends with this process.
//!
//! A device without a compiler gets its code from a supervisor that has one, signed with a key that
//! the device's settings name.
//!
//! Native code has all rights of the process that runs it. So a [`Cache`] gives back only what was
//! put into it by the same user on the same machine: each file carries a message authentication
//! code (HMAC-SHA-256) over its key and contents, whose secret only the user can read, and a folder
//! that others can write to is not used.

mod cache;
mod collection;
mod compiler;
mod estimate;
mod key;
mod memory_file;
mod processor;
mod queue;
mod sealed;
mod signed;

pub use cache::{Cache, CacheError, Claim, Listed};
pub use collection::{Artifacts, Found, MakeError, digest};
pub use compiler::{Bounds, CompileError, Compiled, Compiler};
pub use estimate::compile_time;
pub use key::{Key, Target};
pub use memory_file::holding as in_memory;
pub use processor::PORTABLE;
pub use queue::{Job, Queue};
pub use sealed::About;
pub use signed::{Signer, open_signed};
