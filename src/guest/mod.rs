//! What a module may call beside WASI: channels as functions and files, signals, uuids, periods.
