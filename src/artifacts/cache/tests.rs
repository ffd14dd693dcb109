//! The cache of artifacts.

use std::fs::Permissions;
use std::os::unix::fs::symlink;
use std::thread;
use std::time::Duration;

use super::super::key::Target;
use super::*;

fn cache(limit: u64) -> (tempfile::TempDir, Cache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = Cache::new(dir.path().join("above/compiled"), limit);
    (dir, cache)
}

fn key(module: &str) -> Key {
    Key::new(module.as_bytes(), &Target::host("native"))
}

fn about(name: &str) -> About {
    About::new(name, b"wasm", b"code", &Target::host("native"), 0.5)
}

#[test]
fn keeps_code() {
    let (_dir, cache) = cache(10_000);
    assert_eq!(cache.get(&key("a")), None);
    assert!(cache.list().unwrap().is_empty());
    cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
    assert_eq!(cache.get(&key("a")).as_deref(), Some(&b"code"[..]));
    assert!(cache.has(&key("a")) && !cache.has(&key("b")));
    // Another process, or this one at its next start.
    let again = Cache::new(cache.dir(), 10_000);
    again.put(&key("b"), b"more", &about("b.wasm")).unwrap();
    assert_eq!(again.get(&key("a")).as_deref(), Some(&b"code"[..]));
    let names = |cache: &Cache| -> Vec<String> {
        let listed = cache.list().unwrap().into_iter();
        listed.map(|one| one.about.unwrap().name).collect()
    };
    assert_eq!(names(&cache).len(), 2);
    assert_eq!(cache.clear().unwrap().0, 2);
    assert_eq!(cache.get(&key("a")), None);
    assert_eq!(names(&cache).len(), 0);
}

#[test]
fn what_is_damaged_or_foreign_is_removed() {
    let (_dir, cache) = cache(10_000);
    let path = cache.path(&key("a"));
    let (_other_dir, other) = self::cache(10_000);
    other.put(&key("a"), b"evil", &about("a.wasm")).unwrap();
    let foreign = fs::read(other.path(&key("a"))).unwrap();
    cache.put(&key("b"), b"good", &about("b.wasm")).unwrap();
    let anothers = fs::read(cache.path(&key("b"))).unwrap();
    for contents in [&foreign[..], &anothers, b"", b"code", b"\0aot\x05\0\0\0"] {
        cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
        fs::write(&path, contents).unwrap();
        assert_eq!(cache.get(&key("a")), None);
        assert!(!path.exists());
    }
    assert!(cache.get(&key("b")).is_some());
}

#[test]
fn a_lost_secret_makes_all_foreign() {
    for damage in [None, Some(&b"short"[..]), Some(&[0; 64][..])] {
        let (_dir, cache) = cache(10_000);
        cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
        let secret = cache.dir().join(SECRET);
        fs::remove_file(&secret).unwrap();
        if let Some(damage) = damage {
            fs::write(&secret, damage).unwrap();
        }
        assert_eq!(cache.get(&key("a")), None);
        cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
        assert!(cache.get(&key("a")).is_some());
    }
}

#[test]
fn a_folder_that_others_can_write_to_is_not_used() {
    let (_dir, cache) = cache(10_000);
    cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
    let mode = |mode| fs::set_permissions(cache.dir(), Permissions::from_mode(mode)).unwrap();
    for shared in [0o770, 0o702] {
        mode(shared);
        assert_eq!(cache.get(&key("a")), None);
        let error = cache.put(&key("b"), b"", &about("b")).unwrap_err();
        assert!(matches!(error, CacheError::Shared(_)), "{error}");
    }
    mode(0o755);
    assert!(cache.get(&key("a")).is_some());
}

#[test]
fn links_and_devices_are_not_read() {
    let (_dir, cache) = cache(10_000);
    cache.put(&key("a"), b"code", &about("a.wasm")).unwrap();
    let path = cache.path(&key("a"));
    let elsewhere = cache.dir().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    symlink(&elsewhere, &path).unwrap();
    assert_eq!(cache.get(&key("a")), None);
    fs::remove_file(&path).unwrap();
    symlink("/dev/zero", &path).unwrap();
    assert_eq!(cache.get(&key("a")), None);
}

#[test]
fn the_least_recently_used_goes_first() {
    let (_dir, cache) = cache(0);
    let size = sealed::seal(&Secret::new(&[0; 32]), &key("1"), &[0; 100], &about("1"));
    let size = size.unwrap().len() as u64;
    let cache = Cache::new(cache.dir(), 3 * size);
    for (age, name) in ["1", "2", "3"].iter().enumerate() {
        cache.put(&key(name), &[0; 100], &about(name)).unwrap();
        let time = SystemTime::now() - Duration::from_secs(100 - age as u64);
        let file = File::open(cache.path(&key(name))).unwrap();
        file.set_modified(time).unwrap();
    }
    assert!(cache.get(&key("1")).is_some());
    // To look at them is not to use them.
    assert_eq!(cache.list().unwrap().len(), 3);
    cache.put(&key("4"), &[0; 100], &about("4")).unwrap();
    assert!(cache.has(&key("1")) && !cache.has(&key("2")) && cache.has(&key("3")));
}

#[test]
fn what_is_too_large_is_known_to_be() {
    let (_dir, cache) = cache(1000);
    cache.put(&key("a"), b"code", &about("a")).unwrap();
    cache.put(&key("b"), &[0; 5000], &about("b")).unwrap();
    assert_eq!(cache.get(&key("b")).as_deref(), Some(&b""[..]));
    assert!(cache.has(&key("a")), "it drives nothing out");
    let listed = cache.list().unwrap();
    let large = listed.iter().find(|one| one.too_large()).unwrap();
    assert!(large.key == key("b").to_string() && !large.refused());
    // It may fit later.
    let larger = Cache::new(cache.dir(), 10_000);
    assert_eq!(larger.get(&key("b")), None);
    assert!(!larger.has(&key("b")));
    let none = Cache::new(cache.dir(), 0);
    none.put(&key("c"), b"code", &about("c")).unwrap();
    assert!(!none.has(&key("c")) && !none.is_usable());
}

#[test]
fn what_is_not_wanted_is_removed() {
    let (_dir, cache) = cache(10_000);
    cache
        .put(&key("a"), b"code", &about("a").by("old"))
        .unwrap();
    let by = |compiler: &str| cache.get_if(&key("a"), |about| about.compiler == compiler);
    assert_eq!(by("old").as_deref(), Some(&b"code"[..]));
    assert_eq!(by("new"), None);
    assert!(!cache.has(&key("a")));
}

#[test]
fn what_was_left_behind_is_removed() {
    let (_dir, cache) = cache(10_000);
    let claim = cache.claim(&key("a")).unwrap().unwrap();
    let left = |name: &str| {
        fs::write(cache.dir().join(name), "left").unwrap();
        let file = File::open(cache.dir().join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    };
    let names = || fs::read_dir(cache.dir()).unwrap().count();
    left("part-old");
    left("b.lock");
    left(&format!("{}.lock", key("a")));
    fs::write(cache.dir().join("part-new"), "").unwrap();
    cache.put(&key("b"), b"code", &about("b")).unwrap();
    // The secret, the code, the claim that is held, and the new part.
    assert_eq!(names(), 4);
    fs::create_dir(cache.dir().join("dir.arenaot")).unwrap();
    assert_eq!(cache.clear().unwrap().0, 1);
    assert_eq!(names(), 3, "the secret, the claim and the directory");
    drop(claim);
    cache.clear().unwrap();
    assert_eq!(names(), 2);
}

#[test]
fn one_at_a_time_makes_code() {
    let (_dir, cache) = cache(10_000);
    let claim = cache.claim(&key("a")).unwrap().unwrap();
    assert!(cache.claim(&key("a")).unwrap().is_none());
    assert!(cache.claim(&key("b")).unwrap().is_some());
    drop(claim);
    assert!(cache.claim(&key("a")).unwrap().is_some());
    assert_eq!(fs::read_dir(cache.dir()).unwrap().count(), 0);
}

#[test]
fn a_place_that_cannot_be_written_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("file"), "").unwrap();
    let cache = Cache::new(dir.path().join("file/compiled"), 1000);
    let error = cache.put(&key("a"), b"code", &about("a")).unwrap_err();
    assert!(matches!(error, CacheError::Io { .. }), "{error}");
    assert_eq!(cache.get(&key("a")), None);
    assert!(!cache.is_usable());
}

#[test]
fn several_write_and_read_at_once() {
    let (_dir, cache) = cache(100_000);
    thread::scope(|scope| {
        for worker in 0..4 {
            let cache = &cache;
            scope.spawn(move || {
                for round in 0..50 {
                    let name = (round % 5).to_string();
                    cache
                        .put(&key(&name), name.as_bytes(), &about(&name))
                        .unwrap();
                    if let Some(code) = cache.get(&key(&name)) {
                        assert_eq!(code, name.as_bytes(), "{worker}");
                    }
                }
            });
        }
    });
    for name in ["0", "1", "2", "3", "4"] {
        assert_eq!(cache.get(&key(name)).as_deref(), Some(name.as_bytes()));
    }
}
