//! `seeds OUT`: encodes the seed modules, which are kept as text.

use std::path::Path;

fn main() -> std::io::Result<()> {
    let out = std::env::args().nth(1).unwrap_or("corpus/load".to_owned());
    std::fs::create_dir_all(&out)?;
    let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds");
    for entry in std::fs::read_dir(seeds)? {
        let path = entry?.path();
        // The other targets' seeds are in folders of their own.
        if path.is_dir() {
            continue;
        }
        let wasm = wat::parse_file(&path).map_err(std::io::Error::other)?;
        let name = path.file_stem().unwrap_or_default();
        std::fs::write(Path::new(&out).join(name).with_extension("wasm"), wasm)?;
    }
    Ok(())
}
