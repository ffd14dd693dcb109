//! The node: registers with ARTS, and runs, watches and ends modules.
