//! The functions as a module calls them: stops, and what differs in `wasi_unstable`. What
//! preview 1 itself asks for is tested with guests in `tests/wasi_conformance.rs`.

use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use super::{Stream, Wasi, WasiConfig, add_to_imports};
use crate::wamr::{
    CallError, Engine, Imports, Instance, InstanceConfig, Module, StopHandle, TrapKind, Val,
};

/// An instance that has these functions of WASI and exports each again.
fn instance(module: &str, functions: &[(&str, &str)], config: WasiConfig) -> Instance<Wasi> {
    let mut text = String::from("(module\n");
    for (name, params) in functions {
        text += &format!(
            "(import \"{module}\" \"{name}\" (func ${name} (param {params}) (result i32)))\n"
        );
    }
    text += "(memory (export \"memory\") 1)\n";
    for (name, params) in functions {
        let gets: String = (0..params.split(' ').count())
            .map(|i| format!("(local.get {i})"))
            .collect();
        text += &format!(
            "(func (export \"{name}\") (param {params}) (result i32) (call ${name} {gets}))\n"
        );
    }
    text += ")";
    let mut imports = Imports::new();
    add_to_imports(&mut imports);
    let engine = Engine::new().unwrap();
    let wasm = wat::parse_str(&text).unwrap();
    let module = Module::load(&engine, &wasm, &imports).unwrap();
    Instance::new(
        &module,
        Wasi::new(config).unwrap(),
        InstanceConfig::default(),
    )
    .unwrap()
}

fn call(instance: &Instance<Wasi>, name: &str, args: &[Val]) -> i32 {
    match instance.call(name, args).unwrap().as_slice() {
        [Val::I32(errno)] => *errno,
        other => panic!("{name} returned {other:?}"),
    }
}

fn file_as_stdin(content: &str) -> (WasiConfig, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    let opened: OwnedFd = std::fs::File::open(file.path()).unwrap().into();
    let mut config = WasiConfig::new();
    config.stdin(Stream::Fd(opened));
    (config, file)
}

#[test]
fn whence_in_both_versions() {
    // From the start, from the offset, from the end.
    for (module, whence) in [
        ("wasi_snapshot_preview1", [0, 1, 2]),
        ("wasi_unstable", [2, 0, 1]),
    ] {
        let (config, _file) = file_as_stdin("0123456789");
        let functions = [("fd_seek", "i32 i64 i32 i32")];
        let instance = instance(module, &functions, config);
        for (whence, offset, want) in [(whence[0], 4, 4), (whence[1], -1, 3), (whence[2], -2, 8)] {
            let args = [Val::I32(0), Val::I64(offset), Val::I32(whence), Val::I32(0)];
            assert_eq!(call(&instance, "fd_seek", &args), 0);
            assert_eq!(
                instance.memory().read_u64(0).unwrap(),
                want,
                "{module} {whence}"
            );
        }
        let nonsense = [Val::I32(0), Val::I64(0), Val::I32(3), Val::I32(0)];
        assert_eq!(call(&instance, "fd_seek", &nonsense), 28);
    }
}

#[test]
fn file_status_in_both_versions() {
    for (module, size_at) in [("wasi_snapshot_preview1", 32), ("wasi_unstable", 24)] {
        let (config, _file) = file_as_stdin("0123456789");
        let instance = instance(module, &[("fd_filestat_get", "i32 i32")], config);
        assert_eq!(
            call(&instance, "fd_filestat_get", &[Val::I32(0), Val::I32(0)]),
            0
        );
        assert_eq!(instance.memory().read_u8(16).unwrap(), 4);
        assert_eq!(instance.memory().read_u64(size_at).unwrap(), 10);
        // It does not reach further than the record.
        let end = i32::try_from(size_at + 32).unwrap();
        let last = [Val::I32(0), Val::I32(65536 - end)];
        assert_eq!(call(&instance, "fd_filestat_get", &last), 0);
        let beyond = [Val::I32(0), Val::I32(65537 - end)];
        assert_eq!(call(&instance, "fd_filestat_get", &beyond), 21);
    }
}

const POLL: (&str, &str) = ("poll_oneoff", "i32 i32 i32 i32");

/// Puts a subscription to the monotonic clock at 0 and one to the standard input behind it.
fn subscribe(instance: &Instance<Wasi>, module: &str, nanos: u64) {
    let (clock, size) = if module == "wasi_unstable" {
        (24, 56)
    } else {
        (16, 48)
    };
    let memory = instance.memory();
    memory.write_u64(0, 11).unwrap();
    memory.write_u32(clock, 1).unwrap();
    memory.write_u64(clock + 8, nanos).unwrap();
    memory.write_u64(size, 22).unwrap();
    memory.write_u8(size + 8, 1).unwrap();
}

#[test]
fn subscriptions_in_both_versions() {
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let (reader, _writer) = std::io::pipe().unwrap();
        let mut config = WasiConfig::new();
        config.stdin(Stream::Fd(reader.into()));
        let instance = instance(module, &[POLL], config);
        subscribe(&instance, module, 1_000_000);
        let args = [Val::I32(0), Val::I32(512), Val::I32(2), Val::I32(1024)];
        assert_eq!(call(&instance, "poll_oneoff", &args), 0);
        let memory = instance.memory();
        assert_eq!(memory.read_u32(1024).unwrap(), 1, "{module}");
        assert_eq!(memory.read_u64(512).unwrap(), 11);
        assert_eq!(memory.read_u16(520).unwrap(), 0);
    }
}

#[test]
fn more_subscriptions_than_the_host_may_poll_descriptors() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let mut config = WasiConfig::new();
    config.stdin(Stream::Fd(reader.into()));
    let instance = instance("wasi_snapshot_preview1", &[POLL], config);
    // 800 for the same pipe and one for a clock: all that fits into a page.
    let memory = instance.memory();
    for i in 0..800 {
        memory.write_u8(i * 48 + 8, 1).unwrap();
    }
    memory.write_u8(8, 0).unwrap();
    memory.write_u32(16, 1).unwrap();
    memory.write_u64(24, 1_000_000).unwrap();
    let args = [
        Val::I32(0),
        Val::I32(39_000),
        Val::I32(800),
        Val::I32(65_000),
    ];
    assert_eq!(call(&instance, "poll_oneoff", &args), 0);
    assert_eq!(memory.read_u32(65_000).unwrap(), 1);
    for count in [0, 4097, -1] {
        let args = [Val::I32(0), Val::I32(0), Val::I32(count), Val::I32(0)];
        assert_eq!(call(&instance, "poll_oneoff", &args), 28);
    }
}

/// Makes the call, which waits for ever, and stops it: at once, and when it waits.
fn is_stopped(name: &'static str, params: &str, args: &[Val], config: impl Fn() -> WasiConfig) {
    for pause in [Duration::ZERO, Duration::from_millis(30)] {
        let instance = instance("wasi_snapshot_preview1", &[(name, params)], config());
        // One buffer of 4 bytes, and a path.
        instance.memory().write_u32(0, 64).unwrap();
        instance.memory().write_u32(4, 4).unwrap();
        instance.memory().write(128, b"fifo").unwrap();
        let stop: StopHandle = instance.stop_handle();
        let args = args.to_vec();
        let running = thread::spawn(move || instance.call(name, &args));
        thread::sleep(pause);
        stop.stop();
        match running.join().unwrap() {
            Err(CallError::Trap(trap)) => assert_eq!(trap.kind(), TrapKind::Stopped, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
}

#[test]
fn a_read_is_stopped() {
    let (reader, _writer) = std::io::pipe().unwrap();
    let args = [Val::I32(0), Val::I32(0), Val::I32(1), Val::I32(32)];
    is_stopped("fd_read", "i32 i32 i32 i32", &args, || {
        let mut config = WasiConfig::new();
        config.stdin(Stream::Fd(reader.try_clone().unwrap().into()));
        config
    });
}

#[test]
fn a_read_waits_though_the_host_would_not() {
    let (reader, _writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&reader, true).unwrap();
    let args = [Val::I32(0), Val::I32(0), Val::I32(1), Val::I32(32)];
    is_stopped("fd_read", "i32 i32 i32 i32", &args, || {
        let mut config = WasiConfig::new();
        config.stdin(Stream::Fd(reader.try_clone().unwrap().into()));
        config
    });
}

#[test]
fn a_write_to_a_full_pipe_is_stopped() {
    let (_reader, writer) = std::io::pipe().unwrap();
    rustix::io::ioctl_fionbio(&writer, true).unwrap();
    while rustix::io::write(&writer, &[0; 4096]).is_ok() {}
    rustix::io::ioctl_fionbio(&writer, false).unwrap();
    let args = [Val::I32(1), Val::I32(0), Val::I32(1), Val::I32(32)];
    is_stopped("fd_write", "i32 i32 i32 i32", &args, || {
        let mut config = WasiConfig::new();
        config.stdout(Stream::Fd(writer.try_clone().unwrap().into()));
        config
    });
}

#[test]
fn a_receive_and_an_accept_are_stopped() {
    let (socket, _peer) = UnixStream::pair().unwrap();
    let args = [
        Val::I32(0),
        Val::I32(0),
        Val::I32(1),
        Val::I32(2),
        Val::I32(32),
        Val::I32(36),
    ];
    is_stopped("sock_recv", "i32 i32 i32 i32 i32 i32", &args, || {
        let mut config = WasiConfig::new();
        config.stdin(Stream::Fd(socket.try_clone().unwrap().into()));
        config
    });
    let dir = tempfile::tempdir().unwrap();
    let listener = UnixListener::bind(dir.path().join("socket")).unwrap();
    let args = [Val::I32(0), Val::I32(0), Val::I32(32)];
    is_stopped("sock_accept", "i32 i32 i32", &args, || {
        let mut config = WasiConfig::new();
        config.stdin(Stream::Fd(listener.try_clone().unwrap().into()));
        config
    });
}

#[test]
fn opening_a_fifo_is_stopped() {
    let dir = tempfile::tempdir().unwrap();
    let fifo = dir.path().join("fifo");
    mknodat(CWD, &fifo, FileType::Fifo, Mode::from_raw_mode(0o600), 0).unwrap();
    let args = [
        Val::I32(3),
        Val::I32(0),
        Val::I32(128),
        Val::I32(4),
        Val::I32(0),
        Val::I64(2),
        Val::I64(0),
        Val::I32(0),
        Val::I32(32),
    ];
    is_stopped(
        "path_open",
        "i32 i32 i32 i32 i32 i64 i64 i32 i32",
        &args,
        || {
            let mut config = WasiConfig::new();
            config.preopen(dir.path(), "/", false);
            config
        },
    );
}

#[test]
fn a_poll_is_stopped() {
    let (reader, _writer) = std::io::pipe().unwrap();
    for module in ["wasi_snapshot_preview1", "wasi_unstable"] {
        let mut config = WasiConfig::new();
        config.stdin(Stream::Fd(reader.try_clone().unwrap().into()));
        let instance = instance(module, &[POLL], config);
        subscribe(&instance, module, u64::MAX);
        let stop = instance.stop_handle();
        let running = thread::spawn(move || {
            let args = [Val::I32(0), Val::I32(512), Val::I32(2), Val::I32(1024)];
            instance.call("poll_oneoff", &args)
        });
        thread::sleep(Duration::from_millis(30));
        stop.stop();
        assert!(running.join().unwrap().is_err());
    }
}

#[test]
fn a_non_blocking_input_is_so_for_the_module_alone() {
    let (reader, writer) = std::io::pipe().unwrap();
    let ours = reader.try_clone().unwrap();
    let mut config = WasiConfig::new();
    config.stdin(Stream::Fd(reader.into()));
    let functions = [
        ("fd_read", "i32 i32 i32 i32"),
        ("fd_fdstat_set_flags", "i32 i32"),
    ];
    let instance = instance("wasi_snapshot_preview1", &functions, config);
    instance.memory().write_u32(0, 64).unwrap();
    instance.memory().write_u32(4, 4).unwrap();
    assert_eq!(
        call(
            &instance,
            "fd_fdstat_set_flags",
            &[Val::I32(0), Val::I32(4)]
        ),
        0
    );
    let read = [Val::I32(0), Val::I32(0), Val::I32(1), Val::I32(32)];
    assert_eq!(call(&instance, "fd_read", &read), 6);
    let flags = rustix::fs::fcntl_getfl(&ours).unwrap();
    assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));
    rustix::io::write(&writer, b"ab").unwrap();
    assert_eq!(call(&instance, "fd_read", &read), 0);
    assert_eq!(instance.memory().read_u32(32).unwrap(), 2);
    drop(writer);
    assert_eq!(call(&instance, "fd_read", &read), 0);
    assert_eq!(instance.memory().read_u32(32).unwrap(), 0);
}
