//! System calls: those that compiling takes, once everything that it needs is open.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, Error, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter,
};

type Rules = BTreeMap<i64, Vec<SeccompRule>>;
type Result<T> = std::result::Result<T, Error>;

/// What a compilation was seen to call, and what stands for it in other versions of the C library,
/// with the addresses of musl's. Files are Landlock's.
const NEEDED: &[i64] = &[
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_lseek,
    libc::SYS_ftruncate,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_readlinkat,
    libc::SYS_fcntl,
    libc::SYS_memfd_create,
    libc::SYS_getcwd,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_rseq,
    libc::SYS_membarrier,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_restart_syscall,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_yield,
    libc::SYS_getcpu,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getrusage,
    libc::SYS_getrandom,
    libc::SYS_sysinfo,
    libc::SYS_uname,
];

/// Those that newer architectures have no more.
#[cfg(target_arch = "x86_64")]
const OLDER: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_readlink,
];
#[cfg(not(target_arch = "x86_64"))]
const OLDER: &[i64] = &[];

/// All else fails, for this thread and all that it starts: no sockets, no other programs or
/// processes, nothing that steers the system. A kernel without such filters has none.
///
/// # Errors
/// When a kernel that has them refuses.
pub(crate) fn restrict() -> Result<()> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).map_err(Error::Backend)?;
    let filter = |rules, otherwise, then| -> Result<BpfProgram> {
        Ok(SeccompFilter::new(rules, otherwise, then, arch)?.try_into()?)
    };
    let errno = |number: i32| SeccompAction::Errno(number.unsigned_abs());
    // Threads are then made by clone, whose flags can be seen.
    let no_clone3 = Rules::from([(libc::SYS_clone3, Vec::new())]);
    let filters = [
        filter(no_clone3, SeccompAction::Allow, errno(libc::ENOSYS))?,
        filter(needed()?, errno(libc::EPERM), SeccompAction::Allow)?,
    ];
    for filter in filters {
        match apply_filter(&filter) {
            Err(Error::Seccomp(error) | Error::Prctl(error))
                if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::EINVAL)) => {}
            applied => applied?,
        }
    }
    Ok(())
}

fn needed() -> Result<Rules> {
    let mut rules: Rules = NEEDED
        .iter()
        .chain(OLDER)
        .map(|call| (*call, Vec::new()))
        .collect();
    // The first filter has answered it.
    rules.insert(libc::SYS_clone3, Vec::new());
    let thread = u64::from(libc::CLONE_THREAD.unsigned_abs());
    let of_thread = argument(0, SeccompCmpOp::MaskedEq(thread), thread)?;
    rules.insert(libc::SYS_clone, vec![of_thread]);
    // As `abort` ends the process.
    let own = argument(0, SeccompCmpOp::Eq, u64::from(std::process::id()))?;
    rules.insert(libc::SYS_tgkill, vec![own]);
    // A thread's name.
    let name = u64::from(libc::PR_SET_NAME.unsigned_abs());
    rules.insert(libc::SYS_prctl, vec![argument(0, SeccompCmpOp::Eq, name)?]);
    Ok(rules)
}

fn argument(number: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule> {
    let condition = SeccompCondition::new(number, SeccompCmpArgLen::Dword, operator, value)?;
    Ok(SeccompRule::new(vec![condition])?)
}
