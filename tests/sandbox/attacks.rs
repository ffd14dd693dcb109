//! What a broken host function tries.

use std::fs::File;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use nix::sys::signal::kill;
use nix::unistd::getppid;
use rustix::io::Errno;
use rustix::net::{self, AddressFamily, Protocol, SendFlags, SocketFlags, SocketType};

use crate::file;

/// What holds an attack off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Held {
    Files,
    Tcp,
    Signals,
    Calls,
}

pub(crate) struct Attack {
    pub(crate) name: &'static str,
    pub(crate) held_by: Held,
    /// It is refused with an error with `strict`, too.
    pub(crate) is_soft: bool,
    /// Not everybody can do it.
    pub(crate) takes_privilege: bool,
    pub(crate) run: fn(&Place) -> io::Result<()>,
}

/// Where the child is.
pub(crate) struct Place {
    pub(crate) dir: PathBuf,
    pub(crate) broker: u16,
    pub(crate) other: u16,
}

const fn attack(name: &'static str, held_by: Held, run: fn(&Place) -> io::Result<()>) -> Attack {
    Attack {
        name,
        held_by,
        is_soft: false,
        takes_privilege: false,
        run,
    }
}

const fn soft(attack: Attack) -> Attack {
    Attack {
        is_soft: true,
        ..attack
    }
}

const fn privileged(attack: Attack) -> Attack {
    Attack {
        takes_privilege: true,
        ..attack
    }
}

pub(crate) const ATTACKS: &[Attack] = &[
    attack("read-passwd", Held::Files, |_| {
        File::open("/etc/passwd").map(drop)
    }),
    attack("read-others", Held::Files, |place| {
        std::fs::read_dir(file(&place.dir, "outside")).map(drop)
    }),
    attack("write-outside", Held::Files, |place| {
        std::fs::write(file(&place.dir, "outside/file"), "")
    }),
    attack("write-modules", Held::Files, |place| {
        std::fs::write(file(&place.dir, "apps/module.wasm"), "another")
    }),
    attack("remove-modules", Held::Files, |place| {
        std::fs::remove_file(file(&place.dir, "apps/module.wasm"))
    }),
    // By a link out of what it has.
    attack("link-out", Held::Files, |place| {
        let link = file(&place.dir, "state/link");
        std::os::unix::fs::symlink("/etc/passwd", &link)?;
        File::open(link).map(drop)
    }),
    attack("read-parent", Held::Files, |_| {
        File::open(format!("/proc/{}/environ", getppid())).map(drop)
    }),
    attack("connect-elsewhere", Held::Tcp, |place| {
        TcpStream::connect(("127.0.0.1", place.other)).map(drop)
    }),
    attack("listen", Held::Tcp, |_| {
        TcpListener::bind("127.0.0.1:0").map(drop)
    }),
    soft(attack("multipath-tcp", Held::Calls, |_| {
        match net::socket(
            AddressFamily::INET,
            SocketType::STREAM,
            std::num::NonZero::new(262).map(Protocol::from_raw),
        ) {
            // A kernel without it has been asked.
            Ok(_) | Err(Errno::PROTONOSUPPORT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    })),
    attack("connect-by-sending", Held::Calls, |place| {
        let fast_open = SendFlags::from_bits_retain(0x2000_0000);
        let to = SocketAddr::from(([127, 0, 0, 1], place.other));
        let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        Ok(net::sendto(socket, b"x", fast_open, &to).map(drop)?)
    }),
    attack("listen-anywhere", Held::Calls, |_| {
        let socket = net::socket(AddressFamily::INET, SocketType::STREAM, None)?;
        Ok(net::listen(socket, 1)?)
    }),
    attack("pair-of-datagrams", Held::Calls, |_| {
        let (domain, kind) = (AddressFamily::UNIX, SocketType::DGRAM);
        Ok(net::socketpair(domain, kind, SocketFlags::empty(), None).map(drop)?)
    }),
    attack("signal-parent", Held::Signals, |_| {
        Ok(kill(getppid(), None)?)
    }),
    soft(attack("udp", Held::Calls, |_| {
        UdpSocket::bind("127.0.0.1:0").map(drop)
    })),
    soft(attack("local-socket", Held::Calls, |place| {
        UnixStream::connect(file(&place.dir, "socket")).map(drop)
    })),
    // Like posix_spawn, and with a fork.
    attack("spawn", Held::Calls, |_| {
        Command::new("/bin/true").status().map(drop)
    }),
    attack("fork", Held::Calls, |_| {
        let uid = nix::unistd::getuid().as_raw();
        Command::new("/bin/true").uid(uid).status().map(drop)
    }),
    attack("ptrace", Held::Calls, |_| {
        // Nobody is traced, which the kernel says if it is asked at all.
        match nix::sys::ptrace::detach(getppid(), None) {
            Err(nix::errno::Errno::ESRCH) => Ok(()),
            other => Ok(other?),
        }
    }),
    privileged(attack("mount", Held::Calls, |place| {
        let on = file(&place.dir, "outside");
        let none = None::<&str>;
        let flags = nix::mount::MsFlags::empty();
        nix::mount::mount(Some("none"), &on, Some("tmpfs"), flags, none)?;
        Ok(nix::mount::umount(&on)?)
    })),
    privileged(attack("namespace", Held::Calls, |_| {
        Ok(nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWUTS)?)
    })),
    privileged(attack("other-limits", Held::Calls, |_| {
        let parent = rustix::process::Pid::from_raw(getppid().as_raw());
        let limit = rustix::process::Resource::Nofile;
        let now = rustix::process::getrlimit(limit);
        Ok(rustix::process::prlimit(parent, limit, now).map(drop)?)
    })),
    // The last one: the process is another one then, which ends well.
    attack("exec", Held::Calls, |_| {
        Err(Command::new("/bin/sh").args(["-c", "echo exec 0"]).exec())
    }),
];
