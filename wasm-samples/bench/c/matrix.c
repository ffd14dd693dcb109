// Dense floating point: products of matrices of doubles, and the solution of a system of linear
// equations by elimination. The matrices fit the second-level cache.

#include "bench.h"

enum { N = 192 };

static double a[N][N], b[N][N], c[N][N], right[N];

static void fill(uint32_t seed) {
    for (int i = 0; i < N; i++) {
        for (int j = 0; j < N; j++) {
            a[i][j] = bench_random_unit(&seed) - 0.5;
            b[i][j] = bench_random_unit(&seed) - 0.5;
        }
        right[i] = bench_random_unit(&seed);
    }
}

static void multiply(void) {
    memset(c, 0, sizeof(c));
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++) {
            double factor = a[i][k];
            for (int j = 0; j < N; j++)
                c[i][j] += factor * b[k][j];
        }
}

// Makes `right` the x of c x = right; c has a large diagonal, so no row need be exchanged.
static void solve(void) {
    for (int i = 0; i < N; i++)
        c[i][i] += 100.0;
    for (int k = 0; k < N; k++) {
        double pivot = 1.0 / c[k][k];
        for (int i = k + 1; i < N; i++) {
            double factor = c[i][k] * pivot;
            for (int j = k; j < N; j++)
                c[i][j] -= factor * c[k][j];
            right[i] -= factor * right[k];
        }
    }
    for (int i = N - 1; i >= 0; i--) {
        double sum = right[i];
        for (int j = i + 1; j < N; j++)
            sum -= c[i][j] * right[j];
        right[i] = sum / c[i][i];
    }
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 180, 1);
    uint64_t sum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        fill(round + 1);
        multiply();
        solve();
        for (int i = 0; i < N; i++)
            sum = bench_mix_double(sum, right[i]);
    }
    return bench_report("matrix", rounds, sum);
}
