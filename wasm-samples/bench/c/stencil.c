// Single-precision floating point on a grid, a loop that compilers turn into vector instructions:
// heat that spreads in a plate whose material is not the same everywhere.

#include "bench.h"

enum { WIDTH = 512, HEIGHT = 256 };

static float heat[2][HEIGHT][WIDTH];
static float conducts[HEIGHT][WIDTH];

static void step(float (*restrict to)[WIDTH], float (*restrict from)[WIDTH]) {
    for (int y = 1; y < HEIGHT - 1; y++)
        for (int x = 1; x < WIDTH - 1; x++) {
            float here = from[y][x];
            float straight = from[y - 1][x] + from[y + 1][x] + from[y][x - 1] + from[y][x + 1];
            float across = from[y - 1][x - 1] + from[y - 1][x + 1] + from[y + 1][x - 1] +
                           from[y + 1][x + 1];
            to[y][x] = here + conducts[y][x] * (straight * 0.2f + across * 0.05f - here);
        }
}

int main(int argc, char **argv) {
    uint32_t steps = bench_size(argc, argv, 8000, 10);
    uint32_t seed = 7;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            conducts[y][x] = 0.25f + 0.5f * (float)bench_random_unit(&seed);
            heat[0][y][x] = heat[1][y][x] = (x / 32 + y / 32) % 2 ? 100.0f : 0.0f;
        }
    for (uint32_t i = 0; i < steps; i++)
        step(heat[(i + 1) % 2], heat[i % 2]);
    uint64_t sum = 0;
    for (int y = 0; y < HEIGHT; y += 5)
        for (int x = 0; x < WIDTH; x += 3)
            sum = bench_mix_double(sum, (double)heat[steps % 2][y][x]);
    return bench_report("stencil", steps, sum);
}
