//! The error numbers of WASI preview 1, and how errors of the host become them.

use std::io;

use rustix::io::Errno as HostErrno;

use super::virtual_file::VirtualError;
use crate::wamr::{HostError, OutOfBounds};

macro_rules! errnos {
    ($($name:ident = $number:literal $(<- $host:ident)?),* $(,)?) => {
        /// An error number of WASI preview 1 (`errno` in its witx; snapshot 0 has the same).
        #[allow(dead_code, reason = "the list is the specification's, not only what is used")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u16)]
        pub(crate) enum Errno {
            $($name = $number,)*
        }

        impl From<HostErrno> for Errno {
            fn from(err: HostErrno) -> Self {
                match err {
                    $($(HostErrno::$host => Self::$name,)?)*
                    _ => Self::Io,
                }
            }
        }
    };
}

errnos! {
    Success = 0,
    TooBig = 1 <- TOOBIG,
    Acces = 2 <- ACCESS,
    AddrInUse = 3 <- ADDRINUSE,
    AddrNotAvail = 4 <- ADDRNOTAVAIL,
    AfNoSupport = 5 <- AFNOSUPPORT,
    Again = 6 <- AGAIN,
    Already = 7 <- ALREADY,
    Badf = 8 <- BADF,
    BadMsg = 9 <- BADMSG,
    Busy = 10 <- BUSY,
    Canceled = 11 <- CANCELED,
    Child = 12 <- CHILD,
    ConnAborted = 13 <- CONNABORTED,
    ConnRefused = 14 <- CONNREFUSED,
    ConnReset = 15 <- CONNRESET,
    Deadlk = 16 <- DEADLK,
    DestAddrReq = 17 <- DESTADDRREQ,
    Dom = 18 <- DOM,
    Dquot = 19 <- DQUOT,
    Exist = 20 <- EXIST,
    Fault = 21 <- FAULT,
    Fbig = 22 <- FBIG,
    HostUnreach = 23 <- HOSTUNREACH,
    Idrm = 24 <- IDRM,
    Ilseq = 25 <- ILSEQ,
    InProgress = 26 <- INPROGRESS,
    Intr = 27 <- INTR,
    Inval = 28 <- INVAL,
    Io = 29 <- IO,
    IsConn = 30 <- ISCONN,
    IsDir = 31 <- ISDIR,
    Loop = 32 <- LOOP,
    Mfile = 33 <- MFILE,
    Mlink = 34 <- MLINK,
    MsgSize = 35 <- MSGSIZE,
    MultiHop = 36 <- MULTIHOP,
    NameTooLong = 37 <- NAMETOOLONG,
    NetDown = 38 <- NETDOWN,
    NetReset = 39 <- NETRESET,
    NetUnreach = 40 <- NETUNREACH,
    Nfile = 41 <- NFILE,
    NoBufs = 42 <- NOBUFS,
    NoDev = 43 <- NODEV,
    NoEnt = 44 <- NOENT,
    NoExec = 45 <- NOEXEC,
    NoLck = 46 <- NOLCK,
    NoLink = 47 <- NOLINK,
    NoMem = 48 <- NOMEM,
    NoMsg = 49 <- NOMSG,
    NoProtoOpt = 50 <- NOPROTOOPT,
    NoSpc = 51 <- NOSPC,
    NoSys = 52 <- NOSYS,
    NotConn = 53 <- NOTCONN,
    NotDir = 54 <- NOTDIR,
    NotEmpty = 55 <- NOTEMPTY,
    NotRecoverable = 56 <- NOTRECOVERABLE,
    NotSock = 57 <- NOTSOCK,
    NotSup = 58 <- OPNOTSUPP,
    NoTty = 59 <- NOTTY,
    Nxio = 60 <- NXIO,
    Overflow = 61 <- OVERFLOW,
    OwnerDead = 62 <- OWNERDEAD,
    Perm = 63 <- PERM,
    Pipe = 64 <- PIPE,
    Proto = 65 <- PROTO,
    ProtoNoSupport = 66 <- PROTONOSUPPORT,
    Prototype = 67 <- PROTOTYPE,
    Range = 68 <- RANGE,
    Rofs = 69 <- ROFS,
    Spipe = 70 <- SPIPE,
    Srch = 71 <- SRCH,
    Stale = 72 <- STALE,
    TimedOut = 73 <- TIMEDOUT,
    TxtBsy = 74 <- TXTBSY,
    Xdev = 75 <- XDEV,
    NotCapable = 76,
}

impl From<io::Error> for Errno {
    fn from(err: io::Error) -> Self {
        if let Some(host) = HostErrno::from_io_error(&err) {
            return host.into();
        }
        // Errors that a library made up, not the kernel: cap-std reports a path that leads
        // out of its directory as "permission denied".
        match err.kind() {
            io::ErrorKind::PermissionDenied => Self::Perm,
            io::ErrorKind::NotFound => Self::NoEnt,
            io::ErrorKind::InvalidInput => Self::Inval,
            io::ErrorKind::WouldBlock => Self::Again,
            _ => Self::Io,
        }
    }
}

/// Why a WASI function did not do what it was asked.
#[derive(Debug)]
pub(crate) enum Fail {
    /// The guest gets this number as the function's result.
    Errno(Errno),
    /// The guest does not come back from the call.
    Host(HostError),
}

impl From<Errno> for Fail {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl From<VirtualError> for Fail {
    fn from(error: VirtualError) -> Self {
        Self::Errno(error.into())
    }
}

impl From<HostErrno> for Fail {
    fn from(err: HostErrno) -> Self {
        Self::Errno(err.into())
    }
}

impl From<io::Error> for Fail {
    fn from(err: io::Error) -> Self {
        Self::Errno(err.into())
    }
}

impl From<OutOfBounds> for Fail {
    fn from(_: OutOfBounds) -> Self {
        Self::Errno(Errno::Fault)
    }
}

impl From<HostError> for Fail {
    fn from(err: HostError) -> Self {
        Self::Host(err)
    }
}

/// What a WASI function returns inside this room.
pub(crate) type Result<T, E = Fail> = std::result::Result<T, E>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_those_of_the_specification() {
        assert_eq!(Errno::from(HostErrno::NOENT) as u16, 44);
        assert_eq!(Errno::from(HostErrno::NOTSUP) as u16, 58);
        assert_eq!(Errno::from(HostErrno::WOULDBLOCK) as u16, 6);
        assert_eq!(Errno::NotCapable as u16, 76);
    }

    #[test]
    fn unknown_errors_are_io_errors() {
        assert_eq!(Errno::from(HostErrno::UCLEAN), Errno::Io);
        assert_eq!(Errno::from(io::Error::other("x")), Errno::Io);
    }

    #[test]
    fn an_escape_is_not_permitted() {
        let escape = io::Error::new(io::ErrorKind::PermissionDenied, "outside");
        assert_eq!(Errno::from(escape), Errno::Perm);
        let denied = io::Error::from(HostErrno::ACCESS);
        assert_eq!(Errno::from(denied), Errno::Acces);
    }
}
