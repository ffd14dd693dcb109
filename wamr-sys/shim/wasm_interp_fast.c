/*
 * WAMR's wasm_interp_fast.c with another way to lock shared memory (see
 * atomic_access.h) and with other code for some instructions on floats.
 *
 * Upstream leaves roundings to the C library's functions. What gcc puts in
 * their place, and what Rust's compiler_builtins has under their names, keep a
 * signalling NaN as it is, where WebAssembly wants a quiet one.
 *
 * Vector instructions come from simde, whose code is wrong at the edges:
 * minima and maxima of zeros with different signs and of signalling NaNs,
 * roundings as above and to a zero of the wrong sign, and the one product that
 * does not fit in 16 bits.
 */
#include "platform_common.h"

#if WASM_ENABLE_FAST_INTERP != 0

#include <math.h>
#include <string.h>

/* The sum of a NaN and anything is a quiet NaN. */
#define QUIET(type, function)                   \
    static inline type quiet_##function(type x) \
    {                                           \
        return isnan(x) ? x + x : function(x);  \
    }

QUIET(float, ceilf)
QUIET(float, floorf)
QUIET(float, truncf)
QUIET(float, rintf)
QUIET(double, ceil)
QUIET(double, floor)
QUIET(double, trunc)
QUIET(double, rint)

#if WASM_ENABLE_SIMDE != 0
#include "simde/wasm/simd128.h"

#define LANES(type) ((int)(sizeof(simde_v128_t) / sizeof(type)))

#define UNARY(name, type, expression)                     \
    static inline simde_v128_t name(simde_v128_t operand) \
    {                                                     \
        type lanes[LANES(type)];                          \
        memcpy(lanes, &operand, sizeof(lanes));           \
        for (int i = 0; i < LANES(type); i++) {           \
            type x = lanes[i];                            \
            lanes[i] = (expression);                      \
        }                                                 \
        memcpy(&operand, lanes, sizeof(lanes));           \
        return operand;                                   \
    }

#define BINARY(name, type, expression)                                     \
    static inline simde_v128_t name(simde_v128_t left, simde_v128_t right) \
    {                                                                      \
        type lefts[LANES(type)], rights[LANES(type)];                      \
        memcpy(lefts, &left, sizeof(lefts));                               \
        memcpy(rights, &right, sizeof(rights));                            \
        for (int i = 0; i < LANES(type); i++) {                            \
            type x = lefts[i], y = rights[i];                              \
            lefts[i] = (expression);                                       \
        }                                                                  \
        memcpy(&left, lefts, sizeof(lefts));                               \
        return left;                                                       \
    }

#define SMALLER(x, y)                \
    (isnan(x) || isnan(y) ? x + y    \
     : x == y ? (signbit(x) ? x : y) \
     : x < y  ? x                    \
              : y)
#define LARGER(x, y)                 \
    (isnan(x) || isnan(y) ? x + y    \
     : x == y ? (signbit(x) ? y : x) \
     : x > y  ? x                    \
              : y)

BINARY(f32x4_min, float, SMALLER(x, y))
BINARY(f32x4_max, float, LARGER(x, y))
BINARY(f64x2_min, double, SMALLER(x, y))
BINARY(f64x2_max, double, LARGER(x, y))
UNARY(f32x4_ceil, float, quiet_ceilf(x))
UNARY(f32x4_floor, float, quiet_floorf(x))
UNARY(f32x4_trunc, float, quiet_truncf(x))
UNARY(f32x4_nearest, float, quiet_rintf(x))
UNARY(f64x2_ceil, double, quiet_ceil(x))
UNARY(f64x2_floor, double, quiet_floor(x))
UNARY(f64x2_trunc, double, quiet_trunc(x))
UNARY(f64x2_nearest, double, quiet_rint(x))
BINARY(i16x8_q15mulr_sat, int16_t,
       x == INT16_MIN && y == INT16_MIN
           ? INT16_MAX
           : (int16_t)(((int32_t)x * y + 0x4000) >> 15))

#undef LANES
#undef UNARY
#undef BINARY
#undef SMALLER
#undef LARGER

#define simde_wasm_f32x4_min f32x4_min
#define simde_wasm_f32x4_max f32x4_max
#define simde_wasm_f64x2_min f64x2_min
#define simde_wasm_f64x2_max f64x2_max
#define simde_wasm_f32x4_ceil f32x4_ceil
#define simde_wasm_f32x4_floor f32x4_floor
#define simde_wasm_f32x4_trunc f32x4_trunc
#define simde_wasm_f32x4_nearest f32x4_nearest
#define simde_wasm_f64x2_ceil f64x2_ceil
#define simde_wasm_f64x2_floor f64x2_floor
#define simde_wasm_f64x2_trunc f64x2_trunc
#define simde_wasm_f64x2_nearest f64x2_nearest
#define simde_wasm_i16x8_q15mulr_sat i16x8_q15mulr_sat
#endif /* WASM_ENABLE_SIMDE */

#include "atomic_access.h"

/* Upstream assigns a vector to a place that may overlap the one it is read
   from, which C leaves undefined. */
#include "wasm_runtime_common.h"
#undef PUT_V128_TO_ADDR
#define PUT_V128_TO_ADDR(addr, value)              \
    do {                                           \
        V128 copied_v128 = (value);                \
        memcpy((addr), &copied_v128, sizeof(V128)); \
    } while (0)

#define ceilf quiet_ceilf
#define floorf quiet_floorf
#define truncf quiet_truncf
#define rintf quiet_rintf
#define ceil quiet_ceil
#define floor quiet_floor
#define trunc quiet_trunc
#define rint quiet_rint

#include "iwasm/interpreter/wasm_interp_fast.c"

#endif /* WASM_ENABLE_FAST_INTERP */
