// clock_res_get, clock_time_get.
#include "check.h"

int main(void) {
    for (__wasi_clockid_t id = 0; id < 4; id++) {
        __wasi_timestamp_t res = 0, a = 0, b = 0;
        CHECK_OK(__wasi_clock_res_get(id, &res));
        CHECK(res > 0 && res <= 100000000);
        CHECK_OK(__wasi_clock_time_get(id, 0, &a));
        CHECK_OK(__wasi_clock_time_get(id, UINT64_MAX, &b)); // the precision is a hint
        if (id != __WASI_CLOCKID_REALTIME) CHECK(b >= a);    // the wall clock may be set back
    }
    // After 2020 and before 2100, so neither zero nor seconds nor microseconds.
    uint64_t real = now(__WASI_CLOCKID_REALTIME);
    CHECK(real > 1577836800000000000ull && real < 4102444800000000000ull);

    // All that moves, moves. CPU time needs work to be done.
    uint64_t mono = now(__WASI_CLOCKID_MONOTONIC);
    uint64_t process = now(__WASI_CLOCKID_PROCESS_CPUTIME_ID);
    uint64_t thread = now(__WASI_CLOCKID_THREAD_CPUTIME_ID);
    volatile unsigned work = 0;
    while (now(__WASI_CLOCKID_MONOTONIC) < mono + 50000000) work++;
    CHECK(now(__WASI_CLOCKID_REALTIME) > real);
    CHECK(now(__WASI_CLOCKID_PROCESS_CPUTIME_ID) > process);
    CHECK(now(__WASI_CLOCKID_THREAD_CPUTIME_ID) > thread);

    __wasi_timestamp_t t;
    CHECK_ERRNO(__wasi_clock_res_get(4, &t), INVAL);
    CHECK_ERRNO(__wasi_clock_res_get(UINT32_MAX, &t), INVAL);
    CHECK_ERRNO(__wasi_clock_time_get(4, 0, &t), INVAL);
    CHECK_ERRNO(__wasi_clock_time_get(UINT32_MAX, 0, &t), INVAL);
    return check_done();
}
