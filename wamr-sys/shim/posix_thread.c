/*
 * WAMR's posix_thread.c with another way to install the fault handler.
 *
 * Upstream installs its SIGSEGV and SIGBUS handler anew for each thread and
 * remembers "the previous action" in one static. From the second thread on,
 * that is its own handler, so that a genuine fault in host code is forwarded
 * to itself for ever. It also leaves out SA_ONSTACK (in builds that do not
 * touch stack pages), so that a stack overflow in host code dies without a
 * word.
 *
 * Here the handler is installed once for the process, on the alternate stack,
 * and what upstream takes for the previous action is always our forwarder.
 */
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "platform_api_vmcore.h"
#include "platform_api_extension.h"

static pthread_mutex_t install_lock = PTHREAD_MUTEX_INITIALIZER;

/* What was installed before WAMR: the Rust runtime's handler, as a rule. */
static struct fault {
    int signo;
    bool installed;
    struct sigaction previous;
} faults[] = { { .signo = SIGSEGV }, { .signo = SIGBUS } };

static struct fault *
fault_of(int signo)
{
    for (size_t i = 0; i < sizeof(faults) / sizeof(faults[0]); i++)
        if (faults[i].signo == signo)
            return &faults[i];
    return NULL;
}

/* Async-signal-safe: says what happened, in one line on stderr. */
static void
report(int signo, const siginfo_t *info)
{
    static const char digits[] = "0123456789abcdef";
    char line[128];
    size_t n = 0;
    uintptr_t address = (uintptr_t)info->si_addr;
    const char *parts[] = { "arena: fatal: ",
                            signo == SIGSEGV ? "SIGSEGV" : "SIGBUS",
                            " in native code at address 0x" };

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        size_t length = strlen(parts[i]);
        memcpy(line + n, parts[i], length);
        n += length;
    }
    int shift = (int)sizeof(address) * 8 - 4;
    while (shift > 0 && ((address >> shift) & 15) == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        line[n++] = digits[(address >> shift) & 15];
    line[n++] = '\n';
    ssize_t ignored = write(STDERR_FILENO, line, n);
    (void)ignored;
}

/* Gets the faults that are not a module's. */
static void
forward_fault(int signo, siginfo_t *info, void *ucontext)
{
    struct fault *fault = fault_of(signo);
    struct sigaction default_action = { .sa_handler = SIG_DFL };

    /* Ends the process with a message if it knows the fault (a stack
       overflow in Rust), else returns. */
    if (fault->previous.sa_flags & SA_SIGINFO)
        fault->previous.sa_sigaction(signo, info, ucontext);
    else if (fault->previous.sa_handler != SIG_DFL
             && fault->previous.sa_handler != SIG_IGN)
        fault->previous.sa_handler(signo);

    report(signo, info);
    /* The instruction runs again when we return, and ends the process with
       the signal's own default: a core dump. A signal that somebody sent does
       not come back by itself. */
    sigaction(signo, &default_action, NULL);
    if (info->si_code <= 0)
        raise(signo);
}

/* Stands in for sigaction() in upstream's os_thread_signal_init. */
static int
install_fault_handler(int signo, const struct sigaction *action,
                      struct sigaction *previous)
{
    struct fault *fault = fault_of(signo);
    int result = 0;

    pthread_mutex_lock(&install_lock);
    if (!fault->installed) {
        struct sigaction on_alternate_stack = *action;
        on_alternate_stack.sa_flags |= SA_ONSTACK;
        result = sigaction(signo, &on_alternate_stack, &fault->previous);
        fault->installed = result == 0;
    }
    pthread_mutex_unlock(&install_lock);

    previous->sa_flags = SA_SIGINFO;
    previous->sa_sigaction = forward_fault;
    return result;
}

/* Upstream gives the threads that modules start 128 KiB of stack, most of which
   is kept for host functions (WASM_STACK_GUARD_SIZE). */
#define GUEST_THREAD_STACK (512 * 1024)
#define pthread_attr_setstacksize(attributes, size)                        \
    pthread_attr_setstacksize(attributes, (size) < GUEST_THREAD_STACK      \
                                              ? GUEST_THREAD_STACK         \
                                              : (size))
/* The wake signal stays unblocked in the threads that modules start: outside
   of system calls it ends AOT code. */
#define os_end_blocking_op() ((void)0)
/* Upstream clears the remembered actions before it asks for them again; a fault
   on another thread just then must not find them empty. */
#define memset(block, byte, size) ((void)(block))
#define sigaction(signo, action, previous) \
    install_fault_handler(signo, action, previous)
#include "shared/platform/common/posix/posix_thread.c"
