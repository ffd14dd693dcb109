//! The settings: one tree, from defaults, a file, the environment and flags.
