use super::*;

const HELLO: &str = "(module (func (export \"_start\")))";
const OTHER: &str = "(module (memory 1) (func (export \"_start\")))";

fn wasm(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

fn name(user: &str, file: &str) -> FileName {
    FileName::new(user, file).unwrap()
}

fn files_in(dir: &Path) -> usize {
    std::fs::read_dir(dir).unwrap().count()
}

#[test]
fn files_are_kept_once_and_found_again() {
    let dir = tempfile::tempdir().unwrap();
    let store = ModuleStore::open(dir.path(), 1 << 20, 1 << 20).unwrap();
    let (hello, other) = (wasm(HELLO), wasm(OTHER));
    let first = store.put(&name("anna", "hello.wasm"), &hello).unwrap();
    let second = store.put(&name("ben", "apps/hello.wasm"), &hello).unwrap();
    assert_eq!(first.sha256, second.sha256);
    assert_eq!(store.size(), hello.len() as u64);
    let (file, bytes) = store.get(&name("ben", "apps/hello.wasm")).unwrap();
    assert_eq!((file.size, bytes), (hello.len() as u64, hello.clone()));

    // Another file under the same name.
    store.put(&name("anna", "hello.wasm"), &other).unwrap();
    assert_eq!(store.get(&name("anna", "hello.wasm")).unwrap().1, other);
    assert_eq!(store.get(&name("ben", "apps/hello.wasm")).unwrap().1, hello);
    assert_eq!(files_in(&dir.path().join("objects")), 2);

    drop(store);
    std::fs::write(dir.path().join("objects/.new-1"), "half").unwrap();
    std::fs::write(dir.path().join("objects").join("0".repeat(64)), "orphan").unwrap();
    let store = ModuleStore::open(dir.path(), 1 << 20, 1 << 20).unwrap();
    let names: Vec<_> = store.list().iter().map(|f| f.name.to_string()).collect();
    assert_eq!(names, ["anna/hello.wasm", "ben/apps/hello.wasm"]);
    assert_eq!(files_in(&dir.path().join("objects")), 2);
    store.remove(&name("anna", "hello.wasm")).unwrap();
    assert!(matches!(
        store.remove(&name("anna", "hello.wasm")),
        Err(StoreError::NotFound(_))
    ));
    store.remove(&name("ben", "apps/hello.wasm")).unwrap();
    assert_eq!(store.size(), 0);
    assert_eq!(files_in(&dir.path().join("objects")), 0);
    assert_eq!(files_in(&dir.path().join("users")), 0);
}

#[test]
fn what_is_no_module_or_too_much_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (hello, other) = (wasm(HELLO), wasm(OTHER));
    let store = ModuleStore::open(dir.path(), 64, hello.len() as u64).unwrap();
    let at = name("anna", "hello.wasm");
    store.put(&at, &hello).unwrap();
    let mut broken = hello.clone();
    broken.pop();
    for bytes in [&b""[..], b"text", b"\0asm", &broken] {
        let refused = store.put(&at, bytes);
        assert!(
            matches!(refused, Err(StoreError::NotAModule(_))),
            "{refused:?}"
        );
    }
    assert!(matches!(
        store.put(&at, b"\0aot"),
        Err(StoreError::NativeCode)
    ));
    let large = store.put(&at, &[0; 65]);
    assert!(matches!(
        large,
        Err(StoreError::TooLarge {
            size: 65,
            limit: 64
        })
    ));
    assert!(matches!(
        store.put(&at, &other),
        Err(StoreError::Full { .. })
    ));
    assert_eq!(store.get(&at).unwrap().1, hello);
    assert_eq!(files_in(&dir.path().join("objects")), 1);
}

#[test]
fn no_name_leads_out() {
    for (user, file) in [
        ("", "a"),
        ("a", ""),
        ("..", "a"),
        ("a", ".."),
        ("a", "../b"),
        ("a", "b/../../c"),
        ("a", "/etc/passwd"),
        ("a/b", "c"),
        ("a", "b//c"),
        ("a", "b/"),
        ("a", ".hidden"),
        ("a", "b\\c"),
        ("a", "b%2F..%2Fc"),
        ("a", "b\0"),
        ("a", "ü"),
        ("a", "b c"),
    ] {
        assert!(FileName::new(user, file).is_err(), "{user:?} {file:?}");
    }
    assert!(FileName::new("a", &"x".repeat(201)).is_err());
    let good = name("a", "b/c-d_e.1.wasm");
    assert_eq!(FileName::from_flat("a", &good.flat()), Some(good));
}

#[test]
fn no_link_leads_out() {
    let dir = tempfile::tempdir().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let store = ModuleStore::open(dir.path(), 1 << 20, 1 << 20).unwrap();
    std::os::unix::fs::symlink(outside.path(), dir.path().join("users/anna")).unwrap();
    let put = store.put(&name("anna", "hello.wasm"), &wasm(HELLO));
    assert!(matches!(put, Err(StoreError::Io { .. })), "{put:?}");
    assert_eq!(files_in(outside.path()), 0);
    assert_eq!(files_in(&dir.path().join("objects")), 0);
}
