//! The settings themselves: the one place where each is described.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::kind::Kind;
use super::kinds::{
    Broker, File, HttpUrl, List, Listen, Maybe, Name, Number, Password, Realm, Sha256Sum, Size,
    Switch, Text, Time, VerifyingKey, Word,
};
use super::maps::{Dirs, Rooms};
use super::places;
use super::surroundings::Surroundings;
use super::table::{Section, Setting, settings};
use super::types::{
    BrokerAddress, EngineMode, FileDigest, GrantedDir, LogFormat, LogLevel, MailboxOverflow,
    MqttVersion, PublicKey, RestartWord, SandboxLevel, SchedulerName, Secret, UndeclaredTopics,
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

const HOUR: Duration = seconds(3600);

settings! {
    /// The runtime and how it presents itself.
    runtime: RuntimeSettings {
        /// The name that the runtime registers under.
        name: String as Name = places::name,
            default "the host's name", example "\"kitchen-pi\"", flag "name", variable "ARENA_NAME";
        /// The realm: the first levels of all of ARTS's topics.
        realm: String as Realm = |_| "realm".to_owned(),
            example "\"realm\"", flag "realm", variable "ARENA_REALM";
        /// How many modules there may be at a time; 0 is no limit.
        /// A module that waits takes some 100 KiB beside its own memory, and a few of the
        /// 65530 mappings that a process may have (vm.max_map_count).
        max_modules: usize as Number<usize> = |_| 1000,
            range 0..=100_000, example "50", flag "max-modules";
        /// The directory of module files. It is searched before the store.
        app_dir: PathBuf as File = |around| places::app_dir(&places::state_dir(around)),
            default "modules in the state directory", example "\"/srv/arena/modules\"",
            flag "app-dir";
        /// Where the runtime keeps its uuid. Each runtime needs a directory of its own.
        state_dir: PathBuf as File = places::state_dir,
            default "$STATE_DIRECTORY, else arena in $XDG_STATE_HOME or ~/.local/state, else /var/lib/arena",
            example "\"/var/lib/arena\"", flag "state-dir", variable "ARENA_STATE_DIR";
        /// Topics that a module may open beside those of its channels.
        /// With "realm" all of the realm's except for its control topics, with "declared" none.
        undeclared_topics: UndeclaredTopics as Word<UndeclaredTopics> = |_| UndeclaredTopics::Realm,
            example "\"declared\"", flag "undeclared-topics";
        /// How often to tell ARTS of CPU and memory, if ARTS does not say it; 0 is never.
        keepalive_interval: Duration as Time = |_| seconds(5),
            range Duration::ZERO..=seconds(86_400), example "\"60s\"";
        /// How long to wait for an answer to a registration before the next one, at most: the first
        /// ones follow sooner.
        register_retry: Duration as Time = |_| seconds(5),
            range millis(100)..=HOUR, example "\"10s\"";
        /// How long a module may take to end after signal 3, before it is stopped.
        grace_time: Duration as Time = |_| seconds(5),
            range Duration::ZERO..=HOUR, example "\"2s\"";
        /// How often CPU and memory are looked at.
        monitor_interval: Duration as Time = |_| seconds(1),
            range millis(100)..=HOUR, example "\"10s\"";
        /// Serve /metrics, /healthz and /status on this address.
        /// There is no password: anybody who reaches the address can read them.
        http: Option<SocketAddr> as Maybe<Listen> = |_| None,
            example "\"127.0.0.1:9464\"", flag "http";
    }

    /// The MQTT broker and how to connect to it.
    broker: BrokerSettings {
        /// The broker: mqtt://HOST:PORT, mqtts:// (TLS), ws:// or wss:// (WebSocket).
        url: BrokerAddress as Broker = |_| BrokerAddress::local(),
            example "\"mqtts://broker.example:8883\"", flag "broker", variable "ARENA_BROKER";
        /// The MQTT client id. No two clients of a broker may have the same.
        client_id: Option<String> as Maybe<Name> = |_| None,
            default "made from the runtime's uuid", example "\"kitchen-pi\"", flag "client-id";
        /// The user to log in as.
        user: Option<String> as Maybe<Text> = |_| None,
            example "\"kitchen\"", flag "user";
        /// The user's password. Better kept in a file: see password_file.
        password: Option<Secret> as Maybe<Password> = |_| None,
            example "\"correct horse\"";
        /// A file that holds the password in its first line.
        password_file: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/password\"", flag "password-file";
        /// A file that holds a token (JWT) to use as the password.
        /// It is read again for each connection, so it can be renewed while the runtime runs.
        token_file: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/run/arena/token\"", flag "token-file";
        /// The certificates (PEM) to trust in place of the system's.
        ca: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/ca.pem\"", flag "ca";
        /// The client's certificate (PEM), where the broker asks for one.
        cert: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/client.pem\"", flag "cert";
        /// The key (PEM) of the client's certificate.
        key: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/client.key\"", flag "key";
        /// The version of MQTT: 3 (3.1.1) or 5.
        mqtt_version: MqttVersion as Word<MqttVersion> = |_| MqttVersion::V3,
            example "5", flag "mqtt-version";
        /// How long the connection may be silent. A broker that hangs is noticed by this.
        keep_alive: Duration as Time = |_| seconds(10),
            range seconds(1)..=seconds(65_535), example "\"30s\"";
        /// How long connecting may take.
        connect_timeout: Duration as Time = |_| seconds(5),
            range millis(100)..=seconds(600), example "\"20s\"";
        /// How many bytes of modules' messages may wait for the broker. More are refused and
        /// counted. The node's own messages have as much room again.
        outbox: usize as Size<usize> = |_| 64 << 20,
            range 65_536..=2 << 30, example "\"256MiB\"";
        /// The QoS of modules' channels that do not say it: 0 or 1.
        qos: u8 as Number<u8> = |_| 1,
            range 0..=1, example "0";
    }

    /// What a module may have.
    limits: LimitSettings {
        /// The most linear memory of a module. Requests can ask for less.
        module_memory: u64 as Size<u64> = |_| 256 << 20,
            range 65_536..=4 << 30, example "\"64MiB\"";
        /// The largest module file.
        module_size: u64 as Size<u64> = |_| 64 << 20,
            range 1024..=1 << 30, example "\"8MiB\"";
        /// A module's stack.
        stack_size: u32 as Size<u32> = |_| 1 << 20,
            range 16_384..=1 << 30, example "\"256KiB\"";
        /// How many channels a module may have open.
        channels: usize as Number<usize> = |_| 1000,
            range 1..=100_000, example "100";
        /// How many messages may wait for a module.
        mailbox_messages: usize as Number<usize> = |_| 10_000,
            range 1..=100_000_000, example "1000";
        /// How many bytes of messages may wait for a module. A larger message never reaches one.
        mailbox_bytes: usize as Size<usize> = |_| 16 << 20,
            range 1024..=2 << 30, example "\"1MiB\"";
        /// What is dropped when more wait: "drop-oldest" or "drop-newest". It is counted.
        mailbox_overflow: MailboxOverflow as Word<MailboxOverflow> = |_| MailboxOverflow::DropOldest,
            example "\"drop-newest\"";
        /// The largest message that a module may publish.
        message_size: usize as Size<usize> = |_| 16 << 20,
            range 1..=268_000_000, example "\"1MiB\"";
        /// How many bytes of input may wait for a module to read them.
        stdin_bytes: usize as Size<usize> = |_| 1 << 20,
            range 1024..=1 << 30, example "\"64KiB\"";
        /// How many bytes of output a second are published of a module; 0 is no limit.
        /// A line counts as 100 bytes more. What goes beyond is dropped by the line, and counted.
        output_rate: u64 as Size<u64> = |_| 1 << 20,
            range 0..=1 << 30, example "\"64KiB\"";
        /// The most memory of the runtime and all modules together. When it is not enough, the
        /// system ends the runtime. It takes a control group of its own: with systemd, Delegate=.
        total_memory: Option<u64> as Maybe<Size<u64>> = |_| None,
            example "\"512MiB\"";
        /// The most CPU time of all modules together, in percent of one core. It takes a control
        /// group, too; each module that has something to do then gets as much as any other.
        total_cpu: Option<u32> as Maybe<Number<u32>> = |_| None,
            range Some(1)..=Some(100_000), example "150";
        /// How long it may take to fetch, check and load a module.
        load_timeout: Duration as Time = |_| seconds(30),
            range millis(100)..=HOUR, example "\"2m\"";
    }

    /// How modules are executed, and the code that is compiled of them.
    engine: EngineSettings {
        /// "auto", "interpreter" or "aot".
        /// With "auto" compiled code is run where there is some; else a module is interpreted, and
        /// compiled for its next start. With "aot" nothing runs that is not compiled.
        mode: EngineMode as Word<EngineMode> = |_| EngineMode::Auto,
            example "\"interpreter\"", flag "engine", variable "ARENA_ENGINE";
        /// The compiler.
        compiler: Option<PathBuf> as Maybe<File> = |_| None,
            default "arena-aotc beside the program, else in $PATH",
            example "\"/usr/bin/arena-aotc\"", flag "compiler", variable "ARENA_COMPILER";
        /// The processor to compile for: "native" is this machine's, "baseline" any of its
        /// architecture, "rpi4" a Raspberry Pi 4; or a name that LLVM knows.
        cpu: String as Text = |_| "native".to_owned(),
            example "\"baseline\"";
        /// How long a start may wait for the compiler, by an estimate, with `arena run`.
        /// A module that takes longer is interpreted while it is compiled, and so is one that takes
        /// ten times as long after all.
        compile_first: Duration as Time = |_| seconds(1),
            range Duration::ZERO..=HOUR, example "\"0s\"";
        /// How much CPU time the compiler may take for a module.
        compile_time: Duration as Time = |_| seconds(300),
            range seconds(1)..=seconds(86_400), example "\"20s\"";
        /// How much memory the compiler may take.
        compile_memory: u64 as Size<u64> = |_| 2 << 30,
            range (64 << 20)..=1 << 40, example "\"512MiB\"";
        /// The key of a supervisor that compiles for this runtime, which has no compiler itself.
        /// Native code that it has signed is fetched from store.url and trusted. The supervisor
        /// tells its key at /store/artifacts/key.
        trusted_key: Option<PublicKey> as Maybe<VerifyingKey> = |_| None,
            example "\"q1M5Kpz2g3mWbTd1rN0Yy2Qb9u3vXo8cJ5s6hEwLk0A=\"", flag "trusted-key";
        /// How large all compiled code may be; it is in compiled in store.cache_dir.
        /// What was not used for longest goes first. A module whose code is larger than all of it is
        /// interpreted; with less than 8 KiB nothing is compiled.
        cache_size: u64 as Size<u64> = |_| 1 << 30,
            range 0..=1 << 50, example "\"100MiB\"";
    }

    /// Which modules may run, and what the runtime may do to the machine.
    security: SecuritySettings {
        /// Run only modules that somebody vouches for: a key of trusted_keys, or trusted_files.
        /// It holds wherever a module comes from, and for `arena run` too.
        require_signed_modules: bool as Switch = |_| false,
            example "true";
        /// The files of the keys whose signatures are trusted: PEM, or a line of base64.
        /// Native code (.aot) that one of them has signed is run, too. `arena sign` makes keys and
        /// signatures. The files are read when the program starts.
        trusted_keys: Vec<PathBuf> as List<File> = |_| Vec::new(),
            example "[\"/etc/arena/ops.pub\"]";
        /// Files that are trusted without a signature, by what sha256sum prints of them.
        trusted_files: Vec<FileDigest> as List<Sha256Sum> = |_| Vec::new(),
            example "[\"93a44bbb96c751218e4c00d479e4c14358122a389acca16205b1e4d0dc5f9476\"]";
        /// What `arena runtime` gives up of the machine before it reads anything of strangers:
        /// "strict", "default" or "off".
        /// With "default" all that the kernel has; what it lacks is in the log. With "strict" there
        /// is no start without all of it, a system call that is not needed ends the process, and no
        /// compiler is started.
        sandbox: SandboxLevel as Word<SandboxLevel> = |_| SandboxLevel::Default,
            example "\"strict\"", flag "sandbox", variable "ARENA_SANDBOX";
    }

    /// An HTTP server that has module files: URL/users/NAME/FILENAME.
    store: StoreSettings {
        /// The store. Without one, files come from app_dir or with the request itself.
        url: Option<Url> as Maybe<HttpUrl> = |_| None,
            example "\"https://arena.example/store\"", flag "store";
        /// Where files are kept that were downloaded, and compiled code.
        cache_dir: PathBuf as File = places::cache_dir,
            default "$CACHE_DIRECTORY, else arena in $XDG_CACHE_HOME or ~/.cache, else /var/cache/arena",
            example "\"/var/cache/arena\"", flag "cache-dir";
        /// How large that directory may be. What was not used for longest goes first.
        cache_size: u64 as Size<u64> = |_| 1 << 30,
            range 0..=1 << 50, example "\"100MiB\"";
        /// How long a download may take.
        timeout: Duration as Time = |_| seconds(20),
            range millis(100)..=HOUR, example "\"1m\"";
    }

    /// Modules that are to be started again when they crash.
    restart: RestartSettings {
        /// How long to wait before the first new start. The time doubles from crash to crash.
        backoff_min: Duration as Time = |_| seconds(1),
            range millis(10)..=HOUR, example "\"500ms\"";
        /// The longest that is waited. After a run that was longer, the time begins anew.
        backoff_max: Duration as Time = |_| seconds(60),
            range millis(10)..=seconds(86_400), example "\"10m\"";
    }

    /// The broker that `arena broker` is.
    mqtt_server: MqttServerSettings {
        /// Where to take MQTT over TCP; port 0 is any that is free.
        listen: Option<SocketAddr> as Maybe<Listen> =
            |_| Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 1883))),
            example "\"0.0.0.0:1883\"", flag "listen";
        /// Where to take MQTT over TLS.
        tls_listen: Option<SocketAddr> as Maybe<Listen> = |_| None,
            example "\"0.0.0.0:8883\"", flag "tls-listen";
        /// Where to take MQTT over WebSocket.
        ws: Option<SocketAddr> as Maybe<Listen> = |_| None,
            example "\"127.0.0.1:9001\"", flag "ws";
        /// Where to take MQTT over WebSocket over TLS.
        wss: Option<SocketAddr> as Maybe<Listen> = |_| None,
            example "\"0.0.0.0:9443\"", flag "wss";
        /// The broker's certificate (PEM), with those between it and its root.
        /// It is read again for new connections when the file has changed.
        tls_cert: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/broker.pem\"", flag "tls-cert";
        /// The key (PEM) of the broker's certificate.
        tls_key: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/broker.key\"", flag "tls-key";
        /// Ask TLS clients for a certificate, and check it against these (PEM).
        tls_client_ca: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/clients-ca.pem\"", flag "tls-client-ca";
        /// The file of users and their passwords. Without it everybody is let in, or with a key of tokens
        /// who has one. `arena broker passwd FILE USER` writes it. It is read again when it has changed.
        password_file: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/users\"", flag "password-file";
        /// The file that says who may read and write which topics. Without it everybody may all.
        /// Its format is that of Mosquitto's acl_file. It is read again when it has changed.
        acl: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/acl\"", flag "acl";
        /// The public key (Ed25519 or RSA, PEM) of who signs tokens (JWT), by EdDSA or RS256.
        /// A token is given as the password, with its "sub" as the user. What it may read and write
        /// are the topics in its "subs" and "publ"; without both, the acl says it.
        jwt_public_key: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/tokens.pem\"", flag "jwt-public-key";
        /// The secret (32 bytes or more) that tokens are signed with, by HS256.
        jwt_secret_file: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/token-secret\"", flag "jwt-secret-file";
        /// Whom tokens have to be for: those without it in their "aud" are refused.
        /// Without this setting their "aud" is not looked at.
        jwt_audience: Option<String> as Maybe<Text> = |_| None,
            example "\"mqtt.example.org\"", flag "jwt-audience";
        /// The largest packet. A larger one ends the connection.
        max_packet: usize as Size<usize> = |_| 256 << 20,
            range 1024..=256 << 20, example "\"16MiB\"", flag "max-packet";
        /// How many connections there may be.
        max_connections: usize as Number<usize> = |_| 10_000,
            range 1..=1_000_000, example "500";
        /// How long a session is kept whose client is away.
        session_expiry: Duration as Time = |_| seconds(86_400),
            range seconds(1)..=seconds(4_294_967_294), example "\"1h\"";
        /// How many messages of each QoS may wait for a client that reads too slowly.
        /// More of QoS 0 are dropped, more of QoS 1 and 2 are queued.
        queue_messages: usize as Number<usize> = |_| 10_000,
            range 1..=1_000_000, example "1000";
        /// How many bytes of QoS 1 and 2 may be queued for a client that is away or far behind.
        /// When there is more, the oldest are dropped.
        queue_bytes: usize as Size<usize> = |_| 64 << 20,
            range 1024..=2 << 30, example "\"8MiB\"";
        /// How many retained messages there may be.
        retained_messages: usize as Number<usize> = |_| 100_000,
            range 1..=100_000_000, example "1000";
    }

    /// The supervisor. Its realm is runtime.realm.
    supervisor: SupervisorSettings {
        /// Where the supervisor keeps its registry and the module store.
        data_dir: PathBuf as File = |around| places::state_dir(around).join("supervisor"),
            default "supervisor in the runtime's state directory", example "\"/var/lib/arena/supervisor\"",
            flag "data-dir";
        /// The address of the HTTP API and the dashboard.
        listen: SocketAddr as Listen = |_| SocketAddr::from(([127, 0, 0, 1], 8000)),
            example "\"0.0.0.0:8000\"", flag "listen";
        /// The secret (32 bytes or more) that tokens for the HTTP API are signed with, by HS256.
        /// Without any key the API has to listen on a loopback address, and everybody there may use it.
        jwt_secret_file: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/api-secret\"", flag "jwt-secret-file";
        /// The public key (Ed25519 or RSA, PEM) of who signs tokens for the HTTP API, by EdDSA or RS256.
        jwt_public_key: Option<PathBuf> as Maybe<File> = |_| None,
            example "\"/etc/arena/api-key.pem\"", flag "jwt-public-key";
        /// Who chooses the runtime of a module: "resources", "least-modules" or "round-robin".
        scheduler: SchedulerName as Word<SchedulerName> = |_| SchedulerName::Resources,
            example "\"round-robin\"", flag "scheduler";
        /// How often runtimes are to send keepalives; 0 is never.
        /// One that is silent for three times as long is lost.
        keepalive_interval: Duration as Time = |_| seconds(5),
            range Duration::ZERO..=seconds(86_400), example "\"60s\"", flag "keepalive-interval";
        /// How long a runtime may take to answer before another one is asked.
        answer_timeout: Duration as Time = |_| seconds(10),
            range millis(10)..=HOUR, example "\"30s\"";
        /// How many runtimes are asked for a module before it is given up.
        attempts: usize as Number<usize> = |_| 5,
            range 1..=1000, example "3";
        /// What happens to modules that do not say it: "never", "on-failure" or "always".
        /// It is what happens after their end, and when their runtime is lost.
        restart: RestartWord as Word<RestartWord> = |_| RestartWord::Never,
            example "\"on-failure\"", flag "restart";
        /// How many runtimes there may be.
        max_runtimes: usize as Number<usize> = |_| 10_000,
            range 1..=1_000_000, example "100";
        /// How many modules may be known. Those that have ended make room for new ones.
        max_modules: usize as Number<usize> = |_| 100_000,
            range 1..=10_000_000, example "1000";
        /// How many modules that have ended are kept.
        ended_modules: usize as Number<usize> = |_| 1000,
            range 0..=1_000_000, example "100";
        /// How many bytes the request for a module may have, beside an inline file.
        module_record: usize as Size<usize> = |_| 64 << 10,
            range 1024..=1 << 20, example "\"16KiB\"";
        /// How many bytes all inline files and memories may have. They are kept on disk.
        inline_size: u64 as Size<u64> = |_| 1 << 30,
            range 0..=1 << 50, example "\"100MiB\"";
        /// How many events are kept.
        events: usize as Number<usize> = |_| 10_000,
            range 1..=10_000_000, example "1000";
        /// How many lines of output are kept of each module.
        output_lines: usize as Number<usize> = |_| 1000,
            range 0..=1_000_000, example "100";
        /// How many bytes of output are kept of each module.
        output_bytes: usize as Size<usize> = |_| 256 << 10,
            range 0..=1 << 30, example "\"64KiB\"";
        /// How many bytes of output are kept of all modules.
        output_total: usize as Size<usize> = |_| 32 << 20,
            range 0..=2 << 30, example "\"128MiB\"";
        /// The largest file that the module store takes.
        upload_size: u64 as Size<u64> = |_| 64 << 20,
            range 1024..=1 << 30, example "\"8MiB\"";
        /// How large the module store may be.
        store_size: u64 as Size<u64> = |_| 10 << 30,
            range 0..=1 << 50, example "\"1GiB\"";
    }

    /// What the program writes to stderr.
    log: LogSettings {
        /// The least serious messages to write: "error", "warn", "info", "debug", "trace", "off".
        level: LogLevel as Word<LogLevel> = |_| LogLevel::Info,
            example "\"debug\"", flag "log-level";
        /// "text" for people, or "json" with one object a line.
        format: LogFormat as Word<LogFormat> = |_| LogFormat::Text,
            example "\"json\"", flag "log-format";
        /// Levels of single rooms, the parts of the program. As a variable: "pubsub=debug,guest=warn".
        /// The rooms are artifacts, broker, cli, config, guest, monitor, protocol, pubsub, runtime, sandbox, simulate, supervisor, trust, wamr and wasi.
        rooms: BTreeMap<String, LogLevel> as Rooms = |_| BTreeMap::new(),
            example "{ pubsub = \"debug\", guest = \"warn\" }";
    }

    top {
        /// Directories of the host that every module may use, by the path that modules see.
        /// As a variable: "/srv/data::/data:ro", several separated by commas.
        dirs: BTreeMap<String, GrantedDir> as Dirs = |_| BTreeMap::new(),
            example "{ \"/data\" = { host = \"/srv/data\", read_only = true } }", flags "dir";
    }
}

impl Default for Settings {
    /// Those of a host without a name, in an empty environment.
    fn default() -> Settings {
        Settings::defaults(&Surroundings::default())
    }
}

impl BrokerSettings {
    /// The password, from `password` or the first line of `password_file`.
    ///
    /// # Errors
    /// The file cannot be read, or holds no text.
    pub fn password(&self) -> std::io::Result<Option<Secret>> {
        match &self.password_file {
            None => Ok(self.password.clone()),
            Some(file) => super::file::first_line(file).map(|line| Some(Secret::new(line))),
        }
    }
}
