//! CPU and memory of the host, the process and each module.
