//! The sources of settings, put together.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;

use super::file::apply_text;
use super::load::Merge;
use super::table::Setting;
use super::tree::{SECTIONS, SETTINGS};
use super::*;

fn around(variables: &[(&str, &str)]) -> Surroundings {
    Surroundings {
        variables: variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
        dir: PathBuf::from("/work/dir"),
        host: "the-host".to_owned(),
    }
}

/// What a file with this text leads to.
fn read(text: &str) -> Merge {
    let mut merge = Merge::new(&around(&[]));
    apply_text(Path::new("/etc/a.toml"), text, &mut merge);
    merge
}

fn problems(text: &str) -> Vec<String> {
    read(text).problems
}

/// What these variables lead to.
fn environment(variables: &[(&str, &str)]) -> Result<Effective, String> {
    with_file("", variables, &FlagValues::default())
}

fn with_flags(all: &[(&str, &str)]) -> Result<Effective, String> {
    let mut flags = FlagValues::default();
    for (key, text) in all {
        flags.add("--set", key, text);
    }
    with_file("", &[], &flags)
}

fn with_file(
    text: &str,
    variables: &[(&str, &str)],
    flags: &FlagValues,
) -> Result<Effective, String> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.toml");
    fs::write(&path, text).unwrap();
    let mut flags = flags.clone();
    flags.config = Some(path);
    load(&flags, &around(variables)).map_err(|e| {
        let dir = format!("{}/", dir.path().display());
        e.to_string().replace(&dir, "")
    })
}

#[test]
fn later_sources_win() {
    let file = "[runtime]\nname = \"file\"\nrealm = \"file\"\n\nmax_modules = 3\n";
    let variables = [
        ("ARENA_REALM", "variable"),
        ("ARENA_RUNTIME_MAX_MODULES", "4"),
        ("ARENA_BROKER_QOS", ""),
    ];
    let mut given = FlagValues::default();
    given.add("--set", "runtime.max_modules", "5");
    given.add("--max-modules", "runtime.max_modules", "6");
    let effective = with_file(file, &variables, &given).unwrap();
    let runtime = &effective.settings.runtime;
    assert_eq!(
        (&*runtime.name, &*runtime.realm, runtime.max_modules),
        ("file", "variable", 6)
    );
    let origin = |key| effective.origin(key).unwrap().to_string();
    assert!(origin("runtime.name").ends_with("a.toml:2"));
    assert_eq!(origin("runtime.realm"), "ARENA_REALM");
    assert_eq!(origin("runtime.max_modules"), "--max-modules");
    assert_eq!(effective.origin("broker.qos"), Some(&Origin::Default));
    assert_eq!(effective.origin("nonsense"), None);
}

#[test]
fn what_follows_from_the_surroundings() {
    let settings = environment(&[("HOME", "/h")]).unwrap().settings;
    assert_eq!(settings.runtime.name, "the-host");
    assert_eq!(
        settings.runtime.app_dir,
        Path::new("/h/.local/state/arena/modules")
    );
    let settings = environment(&[("ARENA_STATE_DIR", "state")])
        .unwrap()
        .settings;
    assert_eq!(
        settings.runtime.app_dir,
        Path::new("/work/dir/state/modules")
    );
    let settings = read("[runtime]\nstate_dir = 'state'\n").settings;
    assert_eq!(settings.runtime.state_dir, Path::new("/etc/state"));
}

#[test]
fn all_kinds_of_values() {
    let text = r#"
        [runtime]
        grace_time = 1.5
        keepalive_interval = 60
        http = "[::1]:80"
        undeclared_topics = "declared"
        [broker]
        url = "wss://broker.example/mqtt"
        mqtt_version = 5
        user = ""
        password_file = "secret"
        [limits]
        stack_size = 65536
        module_memory = "1GiB"
        mailbox_messages = 1_000
        mailbox_overflow = "drop-newest"
        [store]
        url = "https://store.example/base"
        [log.rooms]
        pubsub = "trace"
        [dirs]
        "/data" = { host = "data", read_only = true }
        "/tmp" = "/tmp"
    "#;
    let merge = read(text);
    assert_eq!(merge.problems, [""; 0]);
    let settings = merge.settings;
    assert_eq!(settings.runtime.grace_time, Duration::from_millis(1500));
    assert_eq!(settings.runtime.keepalive_interval, Duration::from_secs(60));
    assert_eq!(settings.runtime.http, "[::1]:80".parse().ok());
    assert_eq!(
        settings.runtime.undeclared_topics,
        UndeclaredTopics::Declared
    );
    assert!(settings.broker.url.is_encrypted());
    assert_eq!(settings.broker.mqtt_version, MqttVersion::V5);
    assert_eq!(settings.broker.user, None);
    assert_eq!(
        settings.broker.password_file.as_deref(),
        Some(Path::new("/etc/secret"))
    );
    assert_eq!(settings.limits.stack_size, 65_536);
    assert_eq!(settings.limits.module_memory, 1 << 30);
    assert_eq!(settings.limits.mailbox_messages, 1000);
    assert_eq!(
        settings.limits.mailbox_overflow,
        MailboxOverflow::DropNewest
    );
    assert_eq!(settings.log.rooms["pubsub"], LogLevel::Trace);
    let dir = |host: &str, read_only| GrantedDir {
        host: host.into(),
        read_only,
    };
    assert_eq!(settings.dirs["/data"], dir("/etc/data", true));
    assert_eq!(settings.dirs["/tmp"], dir("/tmp", false));
}

#[test]
fn tables_as_texts() {
    let effective = environment(&[
        ("ARENA_LOG_ROOMS", "pubsub=debug, guest=off"),
        ("ARENA_DIRS", "/srv/a::/a:ro,b"),
    ])
    .unwrap();
    assert_eq!(effective.settings.log.rooms["guest"], LogLevel::Off);
    assert!(effective.settings.dirs["/a"].read_only);
    assert_eq!(effective.settings.dirs["b"].host, Path::new("/work/dir/b"));
    let mut given = FlagValues::default();
    given.add("--dir", "dirs", "/srv/one,two::/a");
    given.add("--dir", "dirs", "/srv/three::/b");
    let effective = with_file("[dirs]\n\"/c\" = '/c'\n", &[], &given).unwrap();
    let names: Vec<_> = effective.settings.dirs.keys().collect();
    assert_eq!(names, ["/a", "/b"]);
    assert_eq!(
        effective.settings.dirs["/a"].host,
        Path::new("/srv/one,two")
    );
}

#[test]
fn what_is_wrong_in_a_file_is_named() {
    for (text, problem) in [
        ("[runtime\n", "1: unclosed table, expected `]`"),
        (
            "\n[broker]\nurll = 1\n",
            "3: there is no setting broker.urll; did you mean broker.url?",
        ),
        (
            "[brokr]\nurl = 1\n",
            "1: there is no section [brokr]; did you mean [broker]?",
        ),
        (
            "realm = 'x'\n",
            "1: there is no setting realm; did you mean runtime.realm?",
        ),
        (
            "log = 'debug'\n",
            "1: log is a section: [log], and its settings below it",
        ),
        (
            "[limits]\n\nstack_size = '1'\n",
            "3: limits.stack_size is '1'; expected a size from 16KiB to 1GiB, for example \"256KiB\"",
        ),
        (
            "[limits]\nchannels = 99999999999999999999999\n",
            "2: limits.channels is 99999999999999999999999; expected a whole number from 1 to 100000, for example 100",
        ),
        (
            "[limits]\nchannels = '5'\n",
            "2: limits.channels is '5'; expected a whole number from 1 to 100000, for example 100",
        ),
        (
            "[runtime]\ngrace_time = -1\n",
            "2: runtime.grace_time is -1; expected a time from 0s to 1h, for example \"2s\"",
        ),
        (
            "[log]\nlevel = ['debug']\n",
            "2: log.level is an array; expected \"off\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        ),
        (
            "[log.rooms]\npubsb = 'info'\n",
            "2: log.rooms: there is no room \"pubsb\"; did you mean pubsub?",
        ),
        (
            "[log.rooms]\npubsub = 3\n",
            "2: log.rooms: expected \"off\", \"error\", \"warn\", \"info\", \"debug\" or \"trace\"",
        ),
        (
            "[dirs]\n'/a' = { host = '/a',\n readonly = true }\n",
            "3: dirs: there is no key readonly; did you mean read_only?",
        ),
        (
            "[dirs]\n'/a' = { read_only = true }\n",
            "2: dirs: host is missing: the directory on the host",
        ),
        (
            "[dirs]\n'/ch/x' = '/a'\n",
            "2: dirs: /ch is the runtime's own; choose another path",
        ),
        (
            "[dirs]\n'/a' = 5\n",
            "2: dirs: expected { host = \"/srv/data\", read_only = true }",
        ),
        (
            "[store]\nurl = 'ftp://x'\n",
            "2: store.url cannot be that; expected an http or https URL, for example \"https://arena.example/store\"",
        ),
        (
            "[broker]\nurl = 'http://h'\n",
            "2: broker.url: it begins with none of mqtt, mqtts, ws, wss",
        ),
        (
            "[runtime]\napp_dir = '~/x'\n",
            "2: runtime.app_dir: ~ is not replaced here; give the whole path",
        ),
        (
            "[runtime]\nname = \"a\\u0007b\"\n",
            "2: runtime.name is \"a\\u0007b\"; expected a name of 1 to 255 bytes, for example \"kitchen-pi\"",
        ),
    ] {
        assert_eq!(problems(text), [format!("/etc/a.toml:{problem}")], "{text}");
    }
    for realm in ["", "/a", "a/", "a//b", "a/+", "#", "$SYS"] {
        assert_eq!(
            problems(&format!("[runtime]\nrealm = '{realm}'\n")).len(),
            1
        );
    }
}

#[test]
fn all_problems_are_told_in_order() {
    let text = "[log]\nlevel = 1\n[broker]\nb = 1\na = 2\n";
    let lines: Vec<_> = problems(text)
        .iter()
        .map(|problem| problem.chars().nth("/etc/a.toml:".len()).unwrap())
        .collect();
    assert_eq!(lines, ['2', '4', '5']);
}

#[test]
fn what_is_wrong_in_variables_and_flags_is_named() {
    let error = |name, value| environment(&[(name, value)]).unwrap_err();
    assert_eq!(
        error("ARENA_BROKER_QOS", "two"),
        "ARENA_BROKER_QOS: broker.qos is \"two\"; expected a whole number from 0 to 1, for example 0"
    );
    assert_eq!(
        error("ARENA_BROKER_URLL", "x"),
        "ARENA_BROKER_URLL: there is no such setting; did you mean ARENA_BROKER_URL?"
    );
    assert_eq!(
        error("ARENA_LOG_ROOMS", "pubsub"),
        "ARENA_LOG_ROOMS: log.rooms is \"pubsub\"; expected rooms and their levels, for example pubsub=debug,guest=warn"
    );
    assert_eq!(
        environment(&[("ARENA_REALM", "a"), ("ARENA_RUNTIME_REALM", "a")]).unwrap_err(),
        "ARENA_REALM and ARENA_RUNTIME_REALM are the same setting; set one of them"
    );
    assert_eq!(
        with_flags(&[("broker.urll", "x")]).unwrap_err(),
        "--set: there is no setting broker.urll; did you mean broker.url?"
    );
    assert_eq!(
        with_flags(&[("runtime.http", "80")]).unwrap_err(),
        "--set: runtime.http is \"80\"; expected an address and a port, for example 127.0.0.1:9464"
    );
    // Other programs' variables are none of our business, unless one looks like ours.
    assert_eq!(
        environment(&[("ARENA_AOTC", "x")]).unwrap().warnings,
        [""; 0]
    );
    let warnings = environment(&[("ARENA_BROKR", "x")]).unwrap().warnings;
    assert_eq!(
        warnings,
        ["ARENA_BROKR is no setting; did you mean ARENA_BROKER?"]
    );
}

#[test]
fn what_must_hold_together() {
    let pass = ("broker.password", "pw");
    for (given, problem) in [
        (
            &[pass, ("broker.token_file", "t")][..],
            "broker.password (--set) and broker.token_file (--set) both give a password; keep one of them",
        ),
        (
            &[("broker.url", "mqtt://u:pw@h"), ("broker.token_file", "t")],
            "broker.url (--set) and broker.token_file (--set) both give a password; keep one of them",
        ),
        (&[pass], "broker.password (--set) needs broker.user too"),
        (
            &[("broker.cert", "c")],
            "broker.cert (--set) needs broker.key too",
        ),
        (
            &[("broker.key", "c")],
            "broker.key (--set) needs broker.cert too",
        ),
        (
            &[("restart.backoff_max", "500ms")],
            "restart.backoff_min (default) is longer than restart.backoff_max (--set)",
        ),
    ] {
        assert_eq!(with_flags(given).unwrap_err(), problem);
    }
    // A flag can take back what others say.
    let mut given = FlagValues::default();
    given.add("--set", "broker.password", "");
    let effective = with_file("[broker]\npassword = 'x'\n", &[], &given).unwrap();
    assert_eq!(effective.settings.broker.password, None);
}

#[test]
fn passwords_of_files() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("pw");
    let mut broker = Settings::default().broker;
    assert_eq!(broker.password().unwrap(), None);
    broker.password_file = Some(file.clone());
    assert!(broker.password().is_err());
    fs::write(&file, "hunter 2 \r\nnot this\n").unwrap();
    assert_eq!(broker.password().unwrap().unwrap().expose(), "hunter 2 ");
    fs::write(&file, "\n").unwrap();
    assert!(broker.password().is_err());
}

#[test]
fn every_default_and_example_can_be_read() {
    let merge = |setting: &Setting, value: &str| match setting.section {
        "" => problems(&format!("{} = {value}\n", setting.name)),
        section => problems(&format!("[{section}]\n{} = {value}\n", setting.name)),
    };
    let defaults = Settings::default();
    for setting in SETTINGS {
        let example = setting.example().unwrap();
        assert_eq!(merge(setting, &example), [""; 0]);
        if let Some(default) = (setting.show)(&defaults).toml() {
            assert_eq!(merge(setting, &default), [""; 0]);
        }
        // In variables and flags, where it is plain.
        let text = match setting.text_example {
            Some(text) => text.to_owned(),
            None => example.trim_matches('"').to_owned(),
        };
        let mut settings = Settings::default();
        assert!(
            (setting.set_text)(&mut settings, &text, Path::new("/")).is_ok(),
            "{}",
            setting.key()
        );
    }
}

#[test]
fn names_are_unique() {
    let count = SETTINGS.len();
    let keys: BTreeSet<String> = SETTINGS.iter().map(Setting::key).collect();
    assert_eq!(keys.len(), count);
    let aliases = SETTINGS.iter().filter_map(|setting| setting.alias);
    let mut variables: Vec<String> = SETTINGS.iter().map(Setting::variable).collect();
    variables.extend(aliases.map(str::to_owned));
    let count = variables.len();
    assert_eq!(variables.into_iter().collect::<BTreeSet<_>>().len(), count);
    // A server has flags of its own, which may be called like those of clients.
    for of_server in [false, true] {
        let names: Vec<&str> = flags()
            .filter(|flag| flag.key.starts_with("mqtt_server.") == of_server)
            .map(|flag| flag.name)
            .collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
    }
    for setting in SETTINGS {
        assert!(setting.section.is_empty() || SECTIONS.iter().any(|s| s.name == setting.section));
    }
}

#[test]
fn rooms_are_the_parts_of_the_program() {
    let root = include_str!("../lib.rs");
    let rooms: Vec<&str> = root
        .lines()
        .filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'))
        .collect();
    assert_eq!(rooms, maps::ROOMS);
    let doc = markdown();
    let (last, rest) = maps::ROOMS.split_last().unwrap();
    assert!(doc.contains(&format!("The rooms are {} and {last}.", rest.join(", "))));
}

#[test]
fn what_is_shown_can_be_read() {
    let mut given = FlagValues::default();
    for (key, value) in [
        ("runtime.name", "quote \" back \\ ü"),
        ("runtime.http", "[::1]:1"),
        ("limits.stack_size", "65537"),
        ("restart.backoff_min", "1500ms"),
        ("log.rooms", "pubsub=debug"),
        ("broker.mqtt_version", "5"),
    ] {
        given.add("--set", key, value);
    }
    given.add("--dir", "dirs", "/a \"b\" c::/x.y/\"z\":ro");
    let effective = with_file("", &[], &given).unwrap();
    let text = to_toml(&effective);
    let merge = read(&text);
    assert_eq!(merge.problems, [""; 0], "{text}");
    assert_eq!(merge.settings, effective.settings);
}

#[test]
fn passwords_are_not_shown() {
    let mut given = FlagValues::default();
    given.add("--set", "broker.password", "hunter2");
    given.add("--user", "broker.user", "me");
    let effective = with_file("", &[], &given).unwrap();
    let mut texts = vec![
        to_toml(&effective),
        to_json(&effective).to_string(),
        format!("{effective:?}"),
    ];
    assert!(
        texts[0].contains("# password = (not shown)"),
        "{}",
        texts[0]
    );
    let effective = with_flags(&[("broker.url", "mqtt://me:hunter2@host")]).unwrap();
    texts.extend([to_toml(&effective), to_json(&effective).to_string()]);
    for bad in [
        "mqtt://me:hunter2@host:x",
        "me:hunter2://host",
        "mqtt://me:hunter2@",
    ] {
        texts.push(with_flags(&[("broker.url", bad)]).unwrap_err());
    }
    texts.push(with_flags(&[("store.url", "ftp://me:hunter2@host")]).unwrap_err());
    texts.extend(problems("[broker]\npassword = [\"hunter2\"]\n"));
    for text in texts {
        assert!(!text.contains("hunter2"), "{text}");
    }
}

proptest! {
    #[test]
    fn no_file_is_too_odd(text in "\\PC{0,60}", lines in prop::collection::vec(
        ("\\[?\\[?[a-z_.\"]{0,14}\\]?\\]?", "(= ?)?[-0-9a-z\"'\\[\\]{}.:/é]{0,12}"), 0..6,
    )) {
        let lines: Vec<String> = lines.iter().map(|(key, value)| format!("{key} {value}")).collect();
        for text in [text, lines.join("\n")] {
            let _ = read(&text);
        }
    }

    #[test]
    fn no_value_is_too_odd(value in "['\"]?\\PC{0,20}['\"]?", index in 0..SETTINGS.len()) {
        let setting = &SETTINGS[index];
        let _ = read(&format!("[{}]\n{} = {value}\n", setting.section, setting.name));
        let mut settings = Settings::default();
        if (setting.set_text)(&mut settings, &value, Path::new("/")).is_ok() {
            let shown = (setting.show)(&settings);
            if let Some(toml) = shown.toml() && !setting.section.is_empty() {
                let again = read(&format!("[{}]\n{} = {toml}\n", setting.section, setting.name));
                prop_assert_eq!((setting.show)(&again.settings), shown);
            }
        }
    }
}
