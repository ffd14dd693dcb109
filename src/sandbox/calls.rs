//! System calls, by seccomp.
//!
//! There are two filters, of which the stricter answer counts. The first answers what libraries
//! try and do without: it is as if the kernel did not have it. The second knows what is needed; all
//! else fails with EPERM, or ends the process with `strict`.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, TargetArch,
};

use crate::config::SandboxLevel;

use super::table;
use super::{Needs, SandboxError};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Result<T> = std::result::Result<T, seccompiler::Error>;

/// Returns how many system calls are left; `None` when there is no seccomp.
pub(super) fn restrict(
    level: SandboxLevel,
    needs: &Needs,
    missing: &mut Vec<String>,
) -> std::result::Result<Option<usize>, SandboxError> {
    let Ok(arch) = TargetArch::try_from(std::env::consts::ARCH) else {
        missing.push("there is no list of system calls for this processor".to_owned());
        return Ok(None);
    };
    match filters(level, needs, arch) {
        Ok((calls, filters)) => {
            for filter in filters {
                match seccompiler::apply_filter_all_threads(&filter) {
                    Ok(()) => {}
                    Err(error) if is_absent(&error) => {
                        missing.push("this kernel has no seccomp filters".to_owned());
                        return Ok(None);
                    }
                    Err(error) => return Err(refused(error)),
                }
            }
            Ok(Some(calls))
        }
        Err(error) => Err(refused(error)),
    }
}

fn refused(error: seccompiler::Error) -> SandboxError {
    SandboxError::Refused {
        what: "system calls",
        source: std::io::Error::other(error),
    }
}

fn is_absent(error: &seccompiler::Error) -> bool {
    matches!(error, seccompiler::Error::Seccomp(error)
        if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)))
}

fn errno(number: i32) -> SeccompAction {
    SeccompAction::Errno(number.unsigned_abs())
}

/// The filters, and the number of system calls that the second one knows.
fn filters(
    level: SandboxLevel,
    needs: &Needs,
    arch: TargetArch,
) -> Result<(usize, Vec<BpfProgram>)> {
    let other = match level {
        SandboxLevel::Strict => SeccompAction::KillProcess,
        SandboxLevel::Default | SandboxLevel::Off => errno(libc::EPERM),
    };
    let filter = |rules, otherwise, then| -> Result<BpfProgram> {
        Ok(SeccompFilter::new(rules, otherwise, then, arch)?.try_into()?)
    };
    // Threads are then made by clone, whose flags can be seen.
    let no_clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let absent = filter(no_clone3, SeccompAction::Allow, errno(libc::ENOSYS))?;
    let no_sockets = Rules::from([(libc::SYS_socket, unneeded_sockets(level, needs)?)]);
    let sockets = filter(no_sockets, SeccompAction::Allow, errno(libc::EACCES))?;
    let rules = needed(needs)?;
    let calls = rules.len();
    let known = filter(rules, other, SeccompAction::Allow)?;
    Ok((calls, vec![absent, sockets, known]))
}

/// What the process may call.
fn needed(needs: &Needs) -> Result<Rules> {
    let mut rules: Rules = table::EVERYWHERE
        .iter()
        .chain(table::OLDER)
        .chain(table::OF_LIBRARY)
        .map(|call| (*call, Vec::new()))
        .collect();
    let own = u64::from(std::process::id());
    let mut signals = vec![rule(&[(0, ALL, own)])?];
    let mut clone = vec![rule(&[(0, MASK_THREAD, bits(libc::CLONE_THREAD))])?];
    if !needs.execute.is_empty() {
        rules.extend(table::PROGRAMS.iter().map(|call| (*call, Vec::new())));
        // The program sends them to itself, too.
        signals.clear();
        // As posix_spawn does it: a child that shares the memory until it is another program.
        clone.push(rule(&[(
            0,
            MASK_SPAWN,
            bits(libc::CLONE_VM | libc::CLONE_VFORK),
        )])?);
    }
    rules.insert(libc::SYS_clone, clone);
    rules.insert(libc::SYS_tgkill, signals);
    // Landlock does not look at a connection that is made by its first bytes.
    for (call, flags) in SENDING {
        rules.insert(call, vec![rule(&[(flags, bits(libc::MSG_FASTOPEN), 0)])?]);
    }
    // Of a pair of datagrams each can be connected to other sockets.
    let (local, stream) = (bits(libc::AF_UNIX), bits(libc::SOCK_STREAM));
    let pair = rule(&[(0, ALL, local), (1, KIND, stream)])?;
    rules.insert(libc::SYS_socketpair, vec![pair]);
    // Without an address one listens on any port, which Landlock does not see either.
    if !needs.bind.is_empty() {
        rules.extend(LISTENING.map(|call| (call, Vec::new())));
    }
    // Limits of its own process only.
    rules.insert(libc::SYS_prlimit64, vec![rule(&[(0, ALL, 0)])?]);
    rules.insert(libc::SYS_prctl, one_of(0, &PRCTL)?);
    rules.insert(libc::SYS_ioctl, one_of(1, &IOCTL)?);
    Ok(rules)
}

/// What sends through sockets, and which argument has the flags.
const SENDING: [(i64, u8); 3] = [
    (libc::SYS_sendto, 3),
    (libc::SYS_sendmsg, 2),
    (libc::SYS_sendmmsg, 3),
];
const LISTENING: [i64; 3] = [libc::SYS_listen, libc::SYS_accept, libc::SYS_accept4];

/// All bits of an argument.
const ALL: u64 = u32::MAX as u64;
/// Those that make a namespace.
const NAMESPACES: i32 = libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET;
const MASK_THREAD: u64 = bits(NAMESPACES | libc::CLONE_THREAD);
const MASK_SPAWN: u64 = bits(NAMESPACES | libc::CLONE_VM | libc::CLONE_VFORK);

/// What a program is told of the processor at its start: `PR_GET_AUXV`.
const GET_AUXV: u64 = 0x4155_5856;

/// Names of threads and of memory; that of new privileges takes some away; a compiler ends with its
/// parent.
const PRCTL: [u64; 6] = [
    GET_AUXV,
    bits(libc::PR_SET_NAME),
    bits(libc::PR_GET_NAME),
    bits(libc::PR_SET_NO_NEW_PRIVS),
    bits(libc::PR_SET_PDEATHSIG),
    bits(libc::PR_SET_VMA),
];

/// Whether a descriptor blocks, has bytes, stays open, is a terminal of which size: nothing that
/// steers a device. The type of these constants is not the same in all C libraries.
const IOCTL: [u64; 6] = [FIONBIO, FIONREAD, FIOCLEX, FIONCLEX, TCGETS, TIOCGWINSZ];
const FIONBIO: u64 = 0x5421;
const FIONREAD: u64 = 0x541b;
const FIOCLEX: u64 = 0x5451;
const FIONCLEX: u64 = 0x5450;
const TCGETS: u64 = 0x5401;
const TIOCGWINSZ: u64 = 0x5413;

const fn bits(flags: i32) -> u64 {
    flags.cast_unsigned() as u64
}

/// All of these arguments: its number, the bits that count, and what they are.
fn rule(arguments: &[(u8, u64, u64)]) -> Result<SeccompRule> {
    let conditions: std::result::Result<Vec<_>, _> = arguments
        .iter()
        .map(|(number, mask, value)| {
            let operator = match *mask {
                ALL => SeccompCmpOp::Eq,
                mask => SeccompCmpOp::MaskedEq(mask),
            };
            SeccompCondition::new(*number, SeccompCmpArgLen::Dword, operator, *value)
        })
        .collect();
    Ok(SeccompRule::new(conditions?)?)
}

/// One of these values of an argument.
fn one_of(argument: u8, values: &[u64]) -> Result<Vec<SeccompRule>> {
    values
        .iter()
        .map(|value| rule(&[(argument, ALL, *value)]))
        .collect()
}

/// The sockets that are not needed.
fn unneeded_sockets(level: SandboxLevel, needs: &Needs) -> Result<Vec<SeccompRule>> {
    let stream = bits(libc::SOCK_STREAM);
    let datagram = bits(libc::SOCK_DGRAM);
    let raw = bits(libc::SOCK_RAW);
    let inet = if needs.resolver {
        vec![stream, datagram]
    } else {
        vec![stream]
    };
    let mut allowed = vec![
        (bits(libc::AF_INET), inet.clone()),
        (bits(libc::AF_INET6), inet),
    ];
    let mut local = Vec::new();
    if needs.resolver {
        // The C library asks for the host's own addresses, and local services for others, which it
        // does without. They may do other things, too, for who can connect to them.
        allowed.push((bits(libc::AF_NETLINK), vec![raw, datagram]));
        if level != SandboxLevel::Strict && !cfg!(target_env = "musl") {
            local.push(stream);
        }
    }
    if needs.datagrams {
        local.push(datagram);
    }
    if !local.is_empty() {
        allowed.push((bits(libc::AF_UNIX), local));
    }
    let mut rules = Vec::new();
    let others: std::result::Result<Vec<_>, _> = allowed
        .iter()
        .map(|(domain, _)| {
            SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, *domain)
        })
        .collect();
    rules.push(SeccompRule::new(others?)?);
    for (domain, types) in &allowed {
        for other in (0..=KIND).filter(|kind| !types.contains(kind)) {
            rules.push(rule(&[(0, ALL, *domain), (1, KIND, other)])?);
        }
    }
    // Landlock knows ports of TCP alone, not of what is in the end TCP, too (MPTCP, SCTP).
    for domain in [libc::AF_INET, libc::AF_INET6] {
        let kinds = [(stream, libc::IPPROTO_TCP), (datagram, libc::IPPROTO_UDP)];
        for (kind, usual) in kinds {
            let is = |number, mask, value| {
                SeccompCondition::new(
                    number,
                    SeccompCmpArgLen::Dword,
                    SeccompCmpOp::MaskedEq(mask),
                    value,
                )
            };
            let not =
                |value| SeccompCondition::new(2, SeccompCmpArgLen::Dword, SeccompCmpOp::Ne, value);
            rules.push(SeccompRule::new(vec![
                is(0, ALL, bits(domain))?,
                is(1, KIND, kind)?,
                not(0)?,
                not(bits(usual))?,
            ])?);
        }
    }
    // Of netlink only that of the network's addresses and routes.
    let netlink = SeccompCondition::new(
        0,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Eq,
        bits(libc::AF_NETLINK),
    )?;
    let other = SeccompCondition::new(
        2,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::Ne,
        bits(libc::NETLINK_ROUTE),
    )?;
    rules.push(SeccompRule::new(vec![netlink, other])?);
    Ok(rules)
}

/// The bits of a socket's type that are not flags.
const KIND: u64 = 0xf;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_can_be_made() {
        let all = Needs {
            execute: vec!["/bin/true".into()],
            resolver: true,
            datagrams: true,
            ..Needs::default()
        };
        for arch in [TargetArch::x86_64, TargetArch::aarch64] {
            let (few, filters_of_few) =
                filters(SandboxLevel::Strict, &Needs::default(), arch).unwrap();
            let (more, _) = filters(SandboxLevel::Default, &all, arch).unwrap();
            assert!(few < more, "{few} {more}");
            // The kernel takes 4096 instructions.
            assert!(filters_of_few.iter().all(|filter| filter.len() < 2000));
        }
    }

    #[test]
    fn what_would_lead_out_is_not_among_them() {
        let rules = needed(&Needs::default()).unwrap();
        for call in [
            libc::SYS_execve,
            libc::SYS_execveat,
            libc::SYS_ptrace,
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_io_uring_setup,
            libc::SYS_process_vm_writev,
            libc::SYS_open_by_handle_at,
            libc::SYS_perf_event_open,
            libc::SYS_userfaultfd,
            libc::SYS_kill,
        ] {
            assert!(!rules.contains_key(&call), "{call}");
        }
        // An empty list is no condition.
        assert!(!rules[&libc::SYS_clone].is_empty());
        assert!(!rules[&libc::SYS_prctl].is_empty());
    }
}
