// Teaches: a module without main(), whose functions the host calls one by one, with arguments
// and results of each of WebAssembly's number types.
//
//   arena run --invoke add wasm-samples/build/library.wasm 2 3
//   arena run --invoke fib wasm-samples/build/library.wasm 50
//   arena run --invoke hypot wasm-samples/build/library.wasm 3 4
//
// build: -mexec-model=reactor

#include <math.h>
#include <stdint.h>

#define EXPORT(name) __attribute__((export_name(name)))

// Unsigned inside, so that it wraps around as WebAssembly's i32.add does.
EXPORT("add") int32_t add(int32_t a, int32_t b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}

EXPORT("fib") int64_t fib(int64_t n) {
    uint64_t current = 0, next = 1;
    for (; n > 0; n--) {
        uint64_t sum = current + next;
        current = next;
        next = sum;
    }
    return (int64_t)current;
}

EXPORT("hypot") double hypotenuse(double a, double b) {
    return sqrt(a * a + b * b);
}

EXPORT("mul_f32") float mul_f32(float a, float b) {
    return a * b;
}

// Traps if b is 0, and for INT32_MIN / -1.
EXPORT("divide") int32_t divide(int32_t a, int32_t b) {
    return a / b;
}

// Counts its calls: an instance keeps its memory between two calls, a new instance starts at 1.
EXPORT("count") int32_t count(void) {
    static int32_t calls;
    return ++calls;
}
