// Sparse floating point: the method of conjugate gradients on a matrix that stores only what is not
// zero, so that most loads go where another load says.

#include "bench.h"

#include <math.h>

enum { N = 20000, LINKS = 6, MOST = N * (2 * LINKS + 1) };

// Row i has the columns column[begin[i]] up to column[begin[i + 1]].
static uint32_t begin[N + 1], column[MOST];
static double value[MOST];
static double x[N], residual[N], direction[N], product[N];

// A symmetric matrix with a diagonal that outweighs the rest: from each point a few links, to
// points near and far.
static void build(void) {
    static uint32_t from[N * LINKS], to[N * LINKS], count[N];
    static double weight[N * LINKS], diagonal[N];
    uint32_t seed = 99;
    for (uint32_t i = 0; i < N * LINKS; i++) {
        from[i] = i / LINKS;
        uint32_t reach = i % LINKS < 4 ? 64 : N;
        to[i] = (from[i] + 1 + bench_random(&seed) % (reach - 1)) % N;
        weight[i] = 0.1 + bench_random_unit(&seed);
        count[from[i]]++;
        count[to[i]]++;
    }
    for (uint32_t i = 0; i < N; i++)
        begin[i + 1] = begin[i] + count[i] + 1;
    for (uint32_t i = 0; i < N; i++)
        count[i] = begin[i] + 1;
    for (uint32_t i = 0; i < N * LINKS; i++) {
        column[count[from[i]]] = to[i];
        value[count[from[i]]++] = -weight[i];
        column[count[to[i]]] = from[i];
        value[count[to[i]]++] = -weight[i];
        diagonal[from[i]] += weight[i];
        diagonal[to[i]] += weight[i];
    }
    for (uint32_t i = 0; i < N; i++) {
        column[begin[i]] = i;
        value[begin[i]] = diagonal[i] + 0.01;
    }
}

static void multiply(void) {
    for (uint32_t i = 0; i < N; i++) {
        double sum = 0;
        for (uint32_t k = begin[i]; k < begin[i + 1]; k++)
            sum += value[k] * direction[column[k]];
        product[i] = sum;
    }
}

static double dot(const double *left, const double *right) {
    double sum = 0;
    for (uint32_t i = 0; i < N; i++)
        sum += left[i] * right[i];
    return sum;
}

int main(int argc, char **argv) {
    uint32_t steps = bench_size(argc, argv, 1600, 3);
    build();
    double size = 0;
    for (uint32_t step = 0; step < steps; step++) {
        // Now and then another system, before this one is solved to the last digit.
        if (step % 40 == 0) {
            uint32_t seed = step + 1;
            for (uint32_t i = 0; i < N; i++) {
                x[i] = 0;
                residual[i] = direction[i] = bench_random_unit(&seed) - 0.5;
            }
            size = dot(residual, residual);
        }
        multiply();
        double length = size / dot(direction, product);
        for (uint32_t i = 0; i < N; i++) {
            x[i] += length * direction[i];
            residual[i] -= length * product[i];
        }
        double next = dot(residual, residual);
        double turn = next / size;
        size = next;
        for (uint32_t i = 0; i < N; i++)
            direction[i] = residual[i] + turn * direction[i];
    }
    uint64_t sum = bench_mix_double(0, sqrt(size));
    for (uint32_t i = 0; i < N; i += 7)
        sum = bench_mix_double(sum, x[i]);
    return bench_report("sparse", steps, sum);
}
