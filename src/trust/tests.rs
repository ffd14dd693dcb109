//! Signatures of modules, from keys to what may run.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::config::SecuritySettings;
use crate::config::Settings;

use super::signature::{Content, Signatures, Verdict};
use super::signed_file::Parts;
use super::*;

/// Keys, and settings that trust some.
struct Place {
    dir: TempDir,
}

impl Place {
    fn new() -> Place {
        Place {
            dir: tempfile::tempdir().unwrap(),
        }
    }

    fn key(&self, name: &str) -> SigningKey {
        SigningKey::create(&self.dir.path().join(name)).unwrap().0
    }

    fn public(&self, name: &str) -> PathBuf {
        self.dir.path().join(format!("{name}.pub"))
    }

    fn settings(&self, required: bool, trusted: &[&str]) -> SecuritySettings {
        SecuritySettings {
            require_signed_modules: required,
            trusted_keys: trusted.iter().map(|name| self.public(name)).collect(),
            ..Settings::default().security
        }
    }

    fn trust(&self, required: bool, trusted: &[&str]) -> Trust {
        Trust::new(&self.settings(required, trusted)).unwrap()
    }
}

fn known(name: &str, key: &SigningKey, valid: bool) -> Signed {
    Signed::Known {
        key: key.public(),
        name: format!("{name}.pub"),
        valid,
    }
}

fn wasm() -> Vec<u8> {
    wat::parse_str("(module (memory 1) (func (export \"_start\")))").unwrap()
}

const AOT: &[u8] = b"\0aot\x06\0\0\0 and what the compiler has made of it";

#[test]
fn what_is_signed_is_a_module_still() {
    let place = Place::new();
    let key = place.key("ops");
    let signed = sign(&wasm(), &key).unwrap();
    wasmparser::validate(&signed).unwrap();
    let trust = place.trust(true, &["ops"]);
    let admitted = trust.admit(&signed, None).unwrap();
    assert_eq!((admitted.code, admitted.native), (&signed[..], false));
    let by = trust.signatures(&signed, None).unwrap();
    assert_eq!(by, [known("ops", &key, true)]);
    let by = Trust::default().signatures(&signed, None).unwrap();
    assert_eq!(by, [Signed::Unknown(KeyId::of(&key.public()))]);
    // Native code is loaded without its signature.
    let native = sign(AOT, &key).unwrap();
    let admitted = trust.admit(&native, None).unwrap();
    assert_eq!((admitted.code, admitted.native), (AOT, true));
    assert_eq!(without_trailer(&native), AOT);
    assert_eq!(without_trailer(b"x"), b"x");
}

#[test]
fn whoever_is_not_trusted_is_named() {
    let place = Place::new();
    let (ops, stranger) = (place.key("ops"), place.key("stranger"));
    let trust = place.trust(true, &["ops"]);
    let why =
        |file: &[u8], detached: Option<&[u8]>| trust.admit(file, detached).unwrap_err().to_string();
    let unsigned = why(&wasm(), None);
    let expected = format!("must be signed by {} (ops.pub)", ops.public());
    assert!(
        unsigned.starts_with("it is not signed") && unsigned.ends_with(&expected),
        "{unsigned}"
    );
    let by = why(&sign(&wasm(), &stranger).unwrap(), None);
    assert!(
        by.contains(&format!(
            "signed by key {}, and",
            KeyId::of(&stranger.public())
        )) && by.ends_with(&expected),
        "{by}"
    );

    let mut changed = sign(&wasm(), &ops).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    let changed = why(&changed, None);
    assert!(
        changed.contains("not what") && changed.contains("was changed"),
        "{changed}"
    );
    // Of a module for native code, and the other way round.
    let of_module = sign_detached(&wasm(), None, &ops).unwrap();
    let other = why(AOT, Some(&of_module));
    assert!(
        other.contains("native code") && other.contains("another kind"),
        "{other}"
    );
    let of_native = sign_detached(AOT, None, &ops).unwrap();
    assert!(why(&wasm(), Some(&of_native)).contains("another kind"));
    for garbage in [
        &b""[..],
        b"\x01",
        b"garbage",
        &[0xff; 200],
        &of_module[..40],
    ] {
        assert!(why(&wasm(), Some(garbage)).contains("cannot be read"));
    }
    // Not required, a module runs, and native code does not.
    let lenient = place.trust(false, &["ops"]);
    assert!(lenient.admit(&wasm(), None).is_ok());
    assert!(lenient.admit(AOT, None).is_err());
    assert!(lenient.admit(&sign(AOT, &stranger).unwrap(), None).is_err());
    assert!(lenient.admit(&sign(AOT, &ops).unwrap(), None).is_ok());
    let nobody = Trust::default();
    assert!(matches!(
        nobody.admit(&sign(AOT, &ops).unwrap(), None),
        Err(Distrust::NativeUntrusted)
    ));
}

#[test]
fn several_keys_sign_and_one_is_enough() {
    let place = Place::new();
    let (old, new) = (place.key("old"), place.key("new"));
    let twice = sign(&sign(&wasm(), &old).unwrap(), &new).unwrap();
    for name in ["old", "new"] {
        assert!(
            place.trust(true, &[name]).admit(&twice, None).is_ok(),
            "{name}"
        );
    }
    // The same key replaces its own signature, and both are of the same bytes.
    assert_eq!(sign(&twice, &new).unwrap().len(), twice.len());
    // What others have signed before a change does not stay.
    let other = wat::parse_str("(module)").unwrap();
    let Parts { embedded, .. } = Parts::of(&twice).unwrap_or_else(|_| panic!("it is signed"));
    let moved = embed(&other, embedded.unwrap()).unwrap();
    assert!(matches!(
        place.trust(true, &["old"]).admit(&moved, None),
        Err(Distrust::Changed { .. })
    ));
    let signed = sign(&moved, &new).unwrap();
    let both = place.trust(true, &["old", "new"]);
    let by = both.signatures(&signed, None).unwrap();
    assert_eq!(by, [known("new", &new, true)]);
    let by = both.signatures(&moved, None).unwrap();
    assert_eq!(by, [known("old", &old, false), known("new", &new, false)]);
}

#[test]
fn a_detached_signature_is_the_same_one() {
    let place = Place::new();
    let key = place.key("ops");
    let trust = place.trust(true, &["ops"]);
    for file in [&wasm()[..], AOT] {
        let detached = sign_detached(file, None, &key).unwrap();
        assert!(trust.wants_signature(file));
        assert!(trust.admit(file, Some(&detached)).is_ok());
        let embedded = embed(file, &detached).unwrap();
        assert_eq!(embedded, sign(file, &key).unwrap());
        assert!(!trust.wants_signature(&embedded));
        // What is in the file counts, not what lies beside it.
        assert!(trust.admit(&embedded, Some(b"garbage")).is_ok());
    }
}

#[test]
fn files_that_the_settings_name() {
    use sha2::{Digest as _, Sha256};

    let place = Place::new();
    let digest: String = Sha256::digest(AOT)
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    let settings = SecuritySettings {
        require_signed_modules: true,
        trusted_files: vec![digest.parse().unwrap()],
        ..Settings::default().security
    };
    let trust = Trust::new(&settings).unwrap();
    assert_eq!(trust.admit(AOT, None).unwrap().code, AOT);
    let error = trust.admit(&wasm(), None).unwrap_err().to_string();
    assert!(
        error.ends_with("one of the files that security.trusted_files names"),
        "{error}"
    );
    assert!(
        trust
            .admit(&sign(&wasm(), &place.key("x")).unwrap(), None)
            .is_err()
    );
}

#[test]
fn settings_that_cannot_be() {
    let place = Place::new();
    place.key("ops");
    let error = Trust::new(&place.settings(true, &[])).unwrap_err();
    assert!(matches!(error, TrustError::Nobody));
    let error = Trust::new(&place.settings(true, &["missing"])).unwrap_err();
    assert!(error.to_string().contains("missing.pub"), "{error}");
    fs::set_permissions(place.public("ops"), fs::Permissions::from_mode(0o666)).unwrap();
    let error = Trust::new(&place.settings(true, &["ops"])).unwrap_err();
    assert!(matches!(error, TrustError::Exposed(_)));
    // A key that nobody else can write to, where others can put another one in its place.
    fs::set_permissions(place.public("ops"), fs::Permissions::from_mode(0o644)).unwrap();
    Trust::new(&place.settings(true, &["ops"])).unwrap();
    fs::set_permissions(place.dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
    let error = Trust::new(&place.settings(true, &["ops"])).unwrap_err();
    assert!(matches!(error, TrustError::Exposed(_)));
    let error = SigningKey::read(&place.dir.path().join("ops")).unwrap_err();
    assert!(matches!(error, KeyError::Exposed { .. }));
}

/// What the tool `wasmsign2` 0.2.8 has made of the module "hello.wasm" of its time, here as far as it
/// is signed: the signature alone, its hash, and the key.
#[test]
fn signatures_of_another_tool() {
    const THEIRS: &str = "010101016601b23c6c7e9867ca9b91f8698fa8cda6ff18b29879dda5f562a9ba0bfe64f217ce0143000140dc3707eb4fec5fdfced30ed6b9292aeac84e6f1dae414a0f85dd987e33645b3d68d33d4bec7a3e62e7f1be33eac7e043b8e40a06886b828f736d36ec016d640a";
    let bytes: Vec<u8> = THEIRS
        .as_bytes()
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect();
    let key = "j+iwT1tfPNM9Qk3AN8NiBMjfokUP7K06f//yp9GAsD4="
        .parse()
        .unwrap();
    let signatures = Signatures::parse(Content::Wasm, &bytes).unwrap();
    let digest: [u8; 32] = bytes[6..38].try_into().unwrap();
    assert_eq!(signatures.check(&digest, &key), Verdict::Right);
    assert_eq!(signatures.check(&[0; 32], &key), Verdict::Absent);
    assert_eq!(signatures.to_bytes(), bytes);
    // What it calls a key, where it does.
    assert_eq!(KeyId::of(&key).to_string(), "464acb83b7c03a39420118ec");
}

/// A key that signs a part of a module signs nothing here.
#[test]
fn parts_do_not_count() {
    let place = Place::new();
    let key = place.key("ops");
    let part = [1; 32];
    let whole = [2; 32];
    let mut signatures = Signatures::new(Content::Wasm);
    signatures.add(&key, &part).unwrap();
    assert_eq!(signatures.check(&part, &key.public()), Verdict::Right);
    assert_eq!(signatures.check(&whole, &key.public()), Verdict::Wrong);
}

proptest! {
    #[test]
    fn no_bit_can_be_changed(at in any::<prop::sample::Index>(), bit in 0..8u32, cut in any::<prop::sample::Index>()) {
        let place = Place::new();
        let key = place.key("ops");
        let trust = place.trust(true, &["ops"]);
        for file in [&wasm()[..], AOT] {
            let signed = sign(file, &key).unwrap();
            prop_assert!(trust.admit(&signed, None).is_ok());
            let mut changed = signed.clone();
            changed[at.index(signed.len())] ^= 1 << bit;
            // The only other file that passes is one that is read the same: of the header nothing
            // can change, and of what frames the signature nothing that matters.
            if let Ok(admitted) = trust.admit(&changed, None) {
                prop_assert_eq!(Parts::of(admitted.code).map(|p| p.digest()).ok(), Parts::of(file).map(|p| p.digest()).ok());
            }
            prop_assert!(trust.admit(&signed[..cut.index(signed.len())], None).is_err());
        }
    }

    #[test]
    fn no_file_breaks_it(
        head in prop::sample::select(vec![&b"\0asm\x01\0\0\0"[..], b"\0aot", b""]),
        body in prop::collection::vec(any::<u8>(), 0..200),
        tail in prop::sample::select(vec![&b"arenasig"[..], b""]),
        signature in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let place = Place::new();
        let key = place.key("ops");
        let trust = place.trust(true, &["ops"]);
        let file = [head, &body, tail].concat();
        prop_assert!(trust.admit(&file, Some(&signature)).is_err());
        let _ = (trust.signatures(&file, Some(&signature)), without_trailer(&file), embed(&file, &signature));
        let _ = sign_detached(&file, Some(&signature), &key);
        if let Ok(signed) = sign(&file, &key) {
            prop_assert!(trust.admit(&signed, None).is_ok());
        }
    }

    #[test]
    fn what_can_be_read_is_written_alike(bytes in prop::collection::vec(0..6u8, 0..60)) {
        // Small numbers, so that some of it is read.
        let bytes = [&[1, 1, 1][..], &bytes].concat();
        if let Ok(read) = Signatures::parse(Content::Wasm, &bytes) {
            prop_assert_eq!(Signatures::parse(Content::Wasm, &read.to_bytes()), Ok(read));
        }
    }
}
