// Uses a part of a processor: cpu_burner [PERCENT [SECONDS]], for ever without SECONDS. Each second
// and at its end it prints its thread's own CPU time and how long it has run, in nanoseconds.
#include <wasi/api.h>

#include "node.h"

enum { SLICE = 10 * 1000 * 1000 }; // of the processor's time, in nanoseconds

static uint64_t cpu_ns(void) {
    __wasi_timestamp_t time = 0;
    if (__wasi_clock_time_get(__WASI_CLOCKID_THREAD_CPUTIME_ID, 1, &time) != 0)
        exit(1);
    return time;
}

static volatile unsigned counter; // volatile: the compiler must keep the loop

int main(int argc, char **argv) {
    uint64_t percent = number_arg(argc, argv, 1, 50);
    uint64_t seconds = number_arg(argc, argv, 2, 0);
    if (percent > 100)
        percent = 100;

    uint64_t begin = now_ns(), next_report = begin + 1000000000u, allowance = cpu_ns();
    for (uint64_t slice = begin; seconds == 0 || slice < begin + seconds * 1000000000u;) {
        // CPU time, not time: on a busy machine it takes as much of it all the same.
        allowance += SLICE * percent / 100;
        while (cpu_ns() < allowance)
            for (int i = 0; i < 200; i++)
                counter++;
        slice += SLICE;
        uint64_t now = now_ns();
        if (now < slice) {
            usleep((useconds_t)((slice - now) / 1000));
        } else { // late: it does not try to catch up
            slice = now;
            allowance = cpu_ns();
        }
        if (now >= next_report) {
            next_report += 1000000000u;
            say("cpu %llu wall %llu", cpu_ns(), now_ns() - begin);
        }
    }
    say("end: cpu %llu wall %llu", cpu_ns(), now_ns() - begin);
    return 0;
}
