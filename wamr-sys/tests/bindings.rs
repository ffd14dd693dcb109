//! The committed bindings are what bindgen makes of the headers.
//!
//! Needs libclang, as bindgen does. `scripts/update-bindings` runs this test to
//! write the file anew.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../build/bindings.rs"]
mod bindings;

use std::path::Path;

#[test]
fn the_committed_file_is_current() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let file = here.join("src/bindings.rs");
    let made = bindings::generate(Path::new(env!("WAMR_CORE")), &here.join("shim")).unwrap();
    if std::env::var_os("WAMR_SYS_UPDATE_BINDINGS").is_some() {
        std::fs::write(&file, made).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&file).unwrap();
    if let Some((number, (old, new))) = std::iter::zip(committed.lines(), made.lines())
        .enumerate()
        .find(|(_, (old, new))| old != new)
    {
        panic!(
            "wamr-sys/src/bindings.rs is not what bindgen makes of the headers:\n\
             line {}: committed {old:?}\n{:>width$} made {new:?}\n\
             Refresh it with: scripts/update-bindings",
            number + 1,
            "",
            width = 4
        );
    }
    assert!(
        committed == made,
        "wamr-sys/src/bindings.rs has {} lines, and bindgen makes {}\n\
         Refresh it with: scripts/update-bindings",
        committed.lines().count(),
        made.lines().count()
    );
}
