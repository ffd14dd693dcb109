//! `arena config`: the settings that hold, from all sources, and what is said of wrong ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where its fixture does"
)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A home with a file of settings, so that none of this machine is found.
struct Home {
    dir: TempDir,
}

struct Outcome {
    status: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Home {
    fn new(settings: &str) -> Home {
        let home = Home {
            dir: tempfile::tempdir().unwrap(),
        };
        fs::create_dir_all(home.path(".config/arena")).unwrap();
        home.file(".config/arena/arena.toml", settings);
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }

    fn config(&self, variables: &[(&str, &str)], args: &[&str]) -> Outcome {
        let output = Command::new(env!("CARGO_BIN_EXE_arena"))
            .arg("config")
            .args(args)
            .env_clear()
            .env("HOME", self.dir.path())
            .envs(variables.iter().copied())
            .current_dir(self.dir.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let home = format!("{}/", self.dir.path().display());
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(&home, "~/");
        Outcome {
            status: output.status.code(),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

impl Outcome {
    /// What was printed, of a run that had nothing to say.
    fn printed(self) -> String {
        assert_eq!((self.status, &*self.stderr), (Some(0), ""));
        self.stdout
    }

    fn json(self) -> Value {
        serde_json::from_str(&self.printed()).unwrap()
    }

    /// Asserts that the settings were refused with these words and nothing else.
    fn refused(self, words: &str) {
        let expected = (Some(2), format!("arena: {words}\n"), "");
        assert_eq!((self.status, self.stderr, &*self.stdout), expected);
    }
}

#[test]
fn where_each_value_comes_from() {
    let home = Home::new("[runtime]\nrealm = 'file'\nname = 'file'\nmax_modules = 7\n");
    let variables = [("ARENA_REALM", "variable"), ("ARENA_NAME", "variable")];
    let args = ["--json", "--name", "flag", "--set", "limits.channels=5"];
    let json = home.config(&variables, &args).json();
    assert_eq!(json["file"], "~/.config/arena/arena.toml");
    for (key, value, origin) in [
        ("runtime.name", "flag".into(), "--name"),
        ("runtime.realm", "variable".into(), "ARENA_REALM"),
        (
            "runtime.max_modules",
            7.into(),
            "~/.config/arena/arena.toml:4",
        ),
        ("limits.channels", 5.into(), "--set"),
        ("runtime.grace_time", Value::from("5s"), "default"),
        ("runtime.http", Value::Null, "default"),
        (
            "runtime.state_dir",
            "~/.local/state/arena".into(),
            "default",
        ),
    ] {
        let setting = &json["settings"][key];
        assert_eq!(
            (&setting["value"], &setting["origin"]),
            (&value, &origin.into()),
            "{key}"
        );
    }
}

#[test]
fn the_file_that_is_read() {
    let home = Home::new("[runtime]\nname = 'found'\n");
    home.file("variable.toml", "[runtime]\nname = 'variable'\n");
    home.file("flag.toml", "[runtime]\nname = 'flag'\n");
    let name = |variables: &[_], args: &[_]| {
        let args = [&["--json"], args].concat();
        let json = home.config(variables, &args).json();
        json["settings"]["runtime.name"]["value"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(name(&[], &[]), "found");
    let variable = [("ARENA_CONFIG", "variable.toml")];
    assert_eq!(name(&variable, &[]), "variable");
    assert_eq!(name(&variable, &["--config", "flag.toml"]), "flag");
    home.config(&[], &["--config", "none.toml"])
        .refused("cannot read ~/none.toml: there is no such file");
    home.config(&[("ARENA_CONFIG", ".")], &[])
        .refused("cannot read ~/.: it is a directory");
}

#[test]
fn what_is_printed_is_a_file() {
    let home = Home::new("");
    let args = [
        "--broker",
        "mqtts://b.example",
        "--dir",
        "/::/root:ro",
        "--log-level",
        "debug",
    ];
    let first = home.config(&[], &args).printed();
    assert!(first.contains("\nlevel = \"debug\" "), "{first}");
    assert!(first.contains(" # --broker\n"), "{first}");
    let whole = first.replace("~/", &format!("{}/", home.dir.path().display()));
    home.file("printed.toml", &whole);
    let second = home.config(&[], &["--config", "printed.toml"]).printed();
    let values = |text: &str| -> Vec<String> {
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        lines
            .map(|line| line.split(" #").next().unwrap().trim().to_owned())
            .collect()
    };
    assert_eq!(values(&first), values(&second));
    assert_eq!(home.config(&[], &["--file", "printed.toml"]).printed(), "");
}

#[test]
fn wrong_settings_are_refused() {
    let home = Home::new("");
    home.file(
        "bad.toml",
        "[broker]\nurll = 'x'\n\n[limits]\nstack_size = 1\n",
    );
    for args in [["--config", "bad.toml"], ["--file", "bad.toml"]] {
        home.config(&[], &args).refused(
            "~/bad.toml:2: there is no setting broker.urll; did you mean broker.url?\n\
             ~/bad.toml:5: limits.stack_size is 1; expected a size from 16KiB to 1GiB, for example \"256KiB\"",
        );
    }
    home.file("broken.toml", "[runtime]\nname = 'a\n");
    let broken = home.config(&[], &["--file", "broken.toml"]);
    assert_eq!(broken.status, Some(2));
    assert!(
        broken.stderr.starts_with("arena: ~/broken.toml:2: "),
        "{}",
        broken.stderr
    );
    fs::write(home.path("latin1.toml"), b"[runtime]\nname = '\xe4'\n").unwrap();
    home.config(&[], &["--file", "latin1.toml"])
        .refused("cannot read ~/latin1.toml: it is not UTF-8");
    fs::write(home.path("large.toml"), "#".repeat((1 << 20) + 1)).unwrap();
    home.config(&[], &["--file", "large.toml"])
        .refused("cannot read ~/large.toml: it is larger than 1 MiB");

    home.config(&[("ARENA_BROKER_QOS", "2")], &[]).refused(
        "ARENA_BROKER_QOS: broker.qos is \"2\"; expected a whole number from 0 to 1, for example 0",
    );
    home.config(&[("ARENA_LIMITS_STACK", "1MiB")], &[]).refused(
        "ARENA_LIMITS_STACK: there is no such setting; did you mean ARENA_LIMITS_STACK_SIZE?",
    );
    home.config(&[], &["--http", "80"]).refused(
        "--http: runtime.http is \"80\"; expected an address and a port, for example 127.0.0.1:9464",
    );
    home.config(&[], &["--set", "runtime.realms=a"])
        .refused("--set: there is no setting runtime.realms; did you mean runtime.realm?");
    home.config(&[], &["--cert", "c.pem"])
        .refused("broker.cert (--cert) needs broker.key too");
    home.config(&[], &["--file", "bad.toml", "--realm", "a"])
        .refused(
            "--file looks at the file by itself, so it takes no settings\n\
         Use --config to see them together",
        );
    let no_value = home.config(&[], &["--set", "runtime.realm"]);
    assert_eq!(no_value.status, Some(2));
    assert!(
        no_value.stderr.contains("expected SECTION.KEY=VALUE"),
        "{}",
        no_value.stderr
    );
}

/// What would only be seen when a service starts.
#[test]
fn files_that_cannot_be_used_are_named() {
    let home = Home::new("");
    let made = Command::new(env!("CARGO_BIN_EXE_arena"))
        .args(["certs", "--server", "localhost", "--client", "one", "--out"])
        .arg(home.path("certs"))
        .output()
        .unwrap();
    assert!(made.status.success());
    home.file("letter", "Dear Ada,\n");
    home.file(
        "good.toml",
        "[broker]\nurl = 'mqtts://localhost'\nca = 'certs/ca.pem'\n\
         cert = 'certs/one.pem'\nkey = 'certs/one.key'\n\
         [mqtt_server]\ntls_listen = '127.0.0.1:0'\ntls_cert = 'certs/server.pem'\n\
         tls_key = 'certs/server.key'\ntls_client_ca = 'certs/ca.pem'\n",
    );
    assert_eq!(home.config(&[], &["--file", "good.toml"]).printed(), "");
    for (settings, words) in [
        (
            "[security]\nrequire_signed_modules = true",
            "security.require_signed_modules (~/bad.toml:2) needs security.trusted_keys or \
             security.trusted_files too",
        ),
        (
            "[security]\ntrusted_keys = ['none']",
            "security.trusted_keys (~/bad.toml:2): ~/none: No such file or directory (os error 2)",
        ),
        (
            "[security]\ntrusted_keys = ['letter']",
            "security.trusted_keys: ~/letter is no public key of Ed25519 (PEM, or 44 characters of \
             base64)",
        ),
        (
            "[mqtt_server]\nlisten = ''",
            "the broker has no address to listen on: set mqtt_server.listen, tls_listen, ws or wss",
        ),
        (
            "[mqtt_server]\ntls_cert = 'certs/server.pem'\ntls_key = 'certs/one.key'",
            "mqtt_server.tls_cert: ~/certs/server.pem: it does not fit the key ~/certs/one.key: keys \
             may not be consistent: KeyMismatch",
        ),
        (
            "[broker]\nurl = 'mqtts://a'\nca = 'certs/ca.pem'\ncert = 'certs/one.pem'\n\
             key = 'certs/server.key'",
            "broker.cert: the certificate ~/certs/one.pem and the key ~/certs/server.key do not fit: \
             keys may not be consistent: KeyMismatch",
        ),
        (
            "[supervisor]\njwt_secret_file = 'letter'",
            "supervisor.jwt_secret_file: the secret in ~/letter has 9 bytes: it needs at least 32",
        ),
        (
            "[supervisor]\nlisten = '0.0.0.0:8000'",
            "supervisor.listen: 0.0.0.0:8000 can be reached from other machines, and there are no keys \
             that tokens are checked with: set supervisor.jwt_secret_file or \
             supervisor.jwt_public_key, or listen on 127.0.0.1",
        ),
    ] {
        home.file("bad.toml", settings);
        home.config(&[], &["--file", "bad.toml"]).refused(words);
    }
}

#[test]
fn passwords_are_neither_shown_nor_left_open() {
    let home = Home::new("[broker]\nuser = 'me'\npassword = 'hunter2'\n");
    for args in [&[][..], &["--json"]] {
        let printed = home.config(&[], args).printed();
        assert!(!printed.contains("hunter2"), "{printed}");
        assert!(
            printed.contains("broker.password") || printed.contains("# password = (not shown)")
        );
    }
    let file = home.path(".config/arena/arena.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let open = home.config(&[], &[]);
    assert_eq!(open.status, Some(0));
    let words = "WARN cli: everybody on this host can read ~/.config/arena/arena.toml \
                 (broker.password): chmod o-r it\n";
    assert!(open.stderr.ends_with(words), "{}", open.stderr);
    // What others could put in its place.
    let home = Home::new("");
    home.file("token/jwt", "a.b.c");
    let args = ["--set", "broker.token_file=token/jwt"];
    home.config(&[], &args).printed();
    fs::set_permissions(home.path("token"), fs::Permissions::from_mode(0o777)).unwrap();
    let open = home.config(&[], &args);
    assert_eq!(open.status, Some(0));
    let words = "WARN cli: broker.token_file: others can write to ~/token: chmod go-w it\n";
    assert!(open.stderr.ends_with(words), "{}", open.stderr);
}

#[test]
fn warnings_look_as_the_log_does() {
    let home = Home::new("");
    let args = ["--dir", "none::/data", "--log-format", "json"];
    let outcome = home.config(&[], &args);
    assert_eq!(outcome.status, Some(0));
    let line: Value = serde_json::from_str(&outcome.stderr).unwrap();
    assert_eq!(line["message"], "dirs: ~/none for /data is no directory");
    assert_eq!(
        (&line["level"], &line["room"]),
        (&"WARN".into(), &"cli".into())
    );
    let args = ["--dir", "none::/data", "--log-level", "error"];
    assert_eq!(home.config(&[], &args).stderr, "");
}

#[test]
fn templates_are_files_that_set_nothing_and_could_set_all() {
    let home = Home::new("");
    for (service, sections) in [
        (
            "runtime",
            &[
                "runtime", "broker", "limits", "engine", "store", "restart", "log",
            ][..],
        ),
        (
            "arts",
            &[
                "runtime",
                "broker",
                "engine",
                "restart",
                "supervisor",
                "log",
            ],
        ),
        ("broker", &["mqtt_server", "log"]),
    ] {
        let template = home.config(&[], &["--template", service]).printed();
        let set: toml::Table = template.parse().unwrap();
        assert!(
            set.values()
                .all(|section| section.as_table().unwrap().is_empty()),
            "{template}"
        );
        for section in sections {
            assert!(set.contains_key(*section), "{service}: no {section}");
        }
        home.file("none.toml", &template);
        home.config(&[], &["--file", "none.toml"]).printed();
        // What is commented out is all right by itself; some of it cannot be together.
        let mut count = 0;
        let all = template.lines().map(|line| {
            let rest = line
                .strip_prefix('#')
                .filter(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
            count += usize::from(rest.is_some());
            format!("{}\n", rest.unwrap_or(line))
        });
        home.file("all.toml", &all.collect::<String>());
        let outcome = home.config(&[], &["--file", "all.toml"]);
        let told = &outcome.stderr;
        assert!(
            outcome.status == Some(0) || !told.contains("expected") && !told.contains("no such"),
            "{service}: {told}"
        );
        assert!(count > 10, "{service}: {count}");
    }
}

/// Made anew by `arena config --doc > docs/configuration.md`.
#[test]
fn the_documentation_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/configuration.md");
    let printed = Home::new("").config(&[], &["--doc"]).printed();
    assert!(
        fs::read_to_string(path).unwrap() == printed,
        "docs/configuration.md is not what arena config --doc prints"
    );
}
