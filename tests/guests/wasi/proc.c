// proc_exit, sched_yield, and proc_raise, which the first drafts of preview 1 still had.
// The harness runs this once for each case and looks at the exit status.
#include "check.h"

__attribute__((import_module("wasi_snapshot_preview1"), import_name("proc_raise"))) int32_t
proc_raise(int32_t signal);

static void at_exit(void) {
    printf("at exit\n");
}

int main(int argc, char **argv) {
    const char *what = argc > 1 ? argv[1] : "";
    if (strcmp(what, "yield") == 0) {
        for (int i = 0; i < 1000; i++) CHECK_OK(__wasi_sched_yield());
        return check_done();
    }
    if (strcmp(what, "proc_exit") == 0) {
        // No destructor runs, nothing after it runs.
        atexit(at_exit);
        printf("before\n");
        fflush(stdout);
        __wasi_proc_exit((uint32_t)atoi(argv[2]));
        printf("after\n");
        fflush(stdout);
    }
    if (strcmp(what, "exit") == 0) {
        atexit(at_exit);
        exit(atoi(argv[2]));
    }
    if (strcmp(what, "return") == 0) return atoi(argv[2]);
    if (strcmp(what, "abort") == 0) abort();
    if (strcmp(what, "unreachable") == 0) __builtin_trap();
    if (strcmp(what, "raise") == 0) {
        // Either the module ends, or it gets an error: success would be a lie (but for signal 0).
        printf("before\n");
        fflush(stdout);
        int32_t err = proc_raise(atoi(argv[2]));
        printf("raise returned %d\n", err);
        fflush(stdout);
        return err != 0 ? 99 : 0;
    }
    return 0;
}
