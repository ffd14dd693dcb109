// Teaches: the trap "unreachable", which abort() and a failed assert() end in, and how the
// stack of a trap reads: fail, check, main (which clang calls __original_main), innermost first.
//
//   arena run wasm-samples/build/trap-unreachable.wasm

#include <stdio.h>

__attribute__((noinline)) static void fail(void) {
    __builtin_trap();
}

// noinline, and work after the call, so that each function keeps a frame of its own.
__attribute__((noinline)) static void check(volatile int *answer) {
    if (*answer != 42)
        fail();
    *answer = 0;
}

int main(void) {
    volatile int answer = 41;
    puts("about to execute unreachable");
    fflush(stdout);
    check(&answer);
    return answer;
}
