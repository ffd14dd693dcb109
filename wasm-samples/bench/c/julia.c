// SIMD written as such, in single precision: how many steps the points of a plane take to leave it,
// four points at a time. Clang's and GCC's vectors, for every target.

#include "bench.h"

typedef float Floats __attribute__((vector_size(16)));
typedef int32_t Ints __attribute__((vector_size(16)));

enum { WIDTH = 192, HEIGHT = 128, MOST = 120 };

static Ints steps(Floats x, Floats y, float add_x, float add_y) {
    Ints count = {0};
    for (int i = 0; i < MOST; i++) {
        Floats xx = x * x, yy = y * y;
        Ints inside = xx + yy < 4.0f;
        if ((inside[0] | inside[1] | inside[2] | inside[3]) == 0)
            break;
        count -= inside;
        y = 2.0f * x * y + add_y;
        x = xx - yy + add_x;
    }
    return count;
}

int main(int argc, char **argv) {
    uint32_t pictures = bench_size(argc, argv, 600, 1);
    uint32_t seed = 47;
    uint64_t sum = 0;
    for (uint32_t picture = 0; picture < pictures; picture++) {
        float add_x = -0.9f + 0.4f * (float)bench_random_unit(&seed);
        float add_y = 0.1f + 0.2f * (float)bench_random_unit(&seed);
        for (int row = 0; row < HEIGHT; row++)
            for (int column = 0; column < WIDTH; column += 4) {
                Floats x = {(float)column, (float)(column + 1), (float)(column + 2),
                            (float)(column + 3)};
                Floats y = {0};
                x = x * (3.2f / WIDTH) - 1.6f;
                y += (float)row * (2.2f / HEIGHT) - 1.1f;
                Ints count = steps(x, y, add_x, add_y);
                sum = bench_mix(sum, (uint64_t)(uint32_t)(count[0] << 16 | count[1]) << 32 |
                                         (uint32_t)(count[2] << 16 | count[3]));
            }
    }
    return bench_report("julia", pictures, sum);
}
