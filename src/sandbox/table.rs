//! The system calls that the process makes, without conditions.
//!
//! They are those that the tests of the node need with the C libraries of glibc and musl, and what
//! stands for them in other versions of these and of the kernel: where a call is, the newer or
//! older ones of the same meaning are, too. What takes more than is needed has conditions, in
//! `calls.rs`, or is not here.

macro_rules! numbers {
    ($($name:ident)+) => { &[$(libc::$name),+] };
}

/// On every architecture.
pub(super) const EVERYWHERE: &[i64] = numbers! {
    // Files and descriptors.
    SYS_openat SYS_openat2 SYS_close SYS_close_range SYS_read SYS_write SYS_readv SYS_writev
    SYS_pread64 SYS_pwrite64 SYS_preadv SYS_pwritev SYS_preadv2 SYS_pwritev2 SYS_lseek
    SYS_fstat SYS_newfstatat SYS_statx SYS_statfs SYS_fstatfs SYS_faccessat SYS_faccessat2
    SYS_getdents64 SYS_readlinkat SYS_mkdirat SYS_unlinkat SYS_renameat2 SYS_linkat
    SYS_symlinkat SYS_utimensat SYS_fchmod SYS_fchmodat SYS_ftruncate SYS_fallocate SYS_fadvise64
    SYS_fsync SYS_fdatasync SYS_flock SYS_fcntl SYS_dup SYS_dup3 SYS_pipe2 SYS_memfd_create
    SYS_umask SYS_getcwd SYS_chdir SYS_copy_file_range SYS_sendfile SYS_splice
    // Waiting.
    SYS_ppoll SYS_pselect6 SYS_epoll_create1 SYS_epoll_ctl SYS_epoll_pwait SYS_epoll_pwait2
    SYS_eventfd2 SYS_timerfd_create SYS_timerfd_settime SYS_timerfd_gettime
    SYS_futex SYS_nanosleep SYS_clock_nanosleep SYS_restart_syscall
    // Memory. It can be made executable: native code of modules is.
    SYS_mmap SYS_munmap SYS_mremap SYS_mprotect SYS_madvise SYS_mincore SYS_msync SYS_brk
    SYS_membarrier
    // Sockets. Which ones can be made, and how one sends, has conditions; ports are Landlock's.
    SYS_socket SYS_connect SYS_bind SYS_shutdown SYS_recvfrom SYS_recvmsg SYS_recvmmsg
    SYS_getsockname SYS_getpeername SYS_getsockopt SYS_setsockopt
    // Threads, signals, time. clone3 is answered by calls.rs.
    SYS_clone3 SYS_exit SYS_exit_group SYS_set_robust_list SYS_get_robust_list
    SYS_set_tid_address SYS_rseq SYS_gettid SYS_getpid SYS_getppid SYS_sched_yield
    SYS_sched_getaffinity SYS_sched_setaffinity SYS_sched_getattr SYS_sched_setattr
    SYS_sched_getparam SYS_sched_setparam SYS_sched_getscheduler SYS_sched_setscheduler
    SYS_sched_get_priority_min SYS_sched_get_priority_max SYS_getpriority SYS_getcpu
    SYS_rt_sigaction SYS_rt_sigprocmask SYS_rt_sigreturn SYS_rt_sigsuspend SYS_rt_sigtimedwait
    SYS_sigaltstack
    SYS_clock_gettime SYS_clock_getres SYS_gettimeofday SYS_times
    // What it is and has.
    SYS_getuid SYS_geteuid SYS_getgid SYS_getegid SYS_getgroups SYS_capget SYS_uname SYS_sysinfo
    SYS_getrusage SYS_getrandom
};

/// Those that newer architectures have no more.
#[cfg(target_arch = "x86_64")]
pub(super) const OLDER: &[i64] = numbers! {
    SYS_open SYS_creat SYS_stat SYS_lstat SYS_access SYS_getdents SYS_readlink SYS_mkdir SYS_rmdir
    SYS_unlink SYS_rename SYS_renameat SYS_link SYS_symlink SYS_chmod SYS_utimes SYS_utime
    SYS_futimesat SYS_dup2 SYS_pipe SYS_poll SYS_select SYS_epoll_create SYS_epoll_wait
    SYS_eventfd SYS_time SYS_getpgrp SYS_arch_prctl
};

/// `renameat`, by which glibc renames there; the constant is not in all of libc.
#[cfg(target_arch = "aarch64")]
pub(super) const OLDER: &[i64] = &[38];

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub(super) const OLDER: &[i64] = &[];

/// How musl sends a signal to a thread; glibc's way has a condition.
#[cfg(target_env = "musl")]
pub(super) const OF_LIBRARY: &[i64] = numbers! { SYS_tkill };

#[cfg(not(target_env = "musl"))]
pub(super) const OF_LIBRARY: &[i64] = &[];

/// What starting a program takes, with the conditions of `calls.rs`, and what a compiler does beside
/// what is above: it bounds itself, and gives up its own rights.
pub(super) const PROGRAMS: &[i64] = numbers! {
    SYS_execve SYS_wait4 SYS_waitid SYS_kill SYS_pidfd_open SYS_pidfd_send_signal
    SYS_setpriority SYS_landlock_create_ruleset SYS_landlock_add_rule SYS_landlock_restrict_self
    SYS_seccomp
};
