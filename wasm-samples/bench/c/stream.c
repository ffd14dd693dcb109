// Memory bandwidth: copies, sums and scaled additions over arrays that no second-level cache holds,
// and memcpy, memmove and memset of whole blocks.

#include "bench.h"

enum { N = 1 << 20 };

static uint32_t from[N], to[N], other[N];

static void scale(uint32_t *restrict out, const uint32_t *restrict in, uint32_t by) {
    for (uint32_t i = 0; i < N; i++)
        out[i] = in[i] * by + 1;
}

static void combine(uint32_t *restrict out, const uint32_t *restrict a,
                    const uint32_t *restrict b, uint32_t by) {
    for (uint32_t i = 0; i < N; i++)
        out[i] = a[i] + b[i] * by;
}

static uint32_t total(const uint32_t *in) {
    uint32_t sum = 0;
    for (uint32_t i = 0; i < N; i++)
        sum += in[i] ^ in[i] >> 7;
    return sum;
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 350, 1);
    uint64_t sum = 0;
    for (uint32_t i = 0; i < N; i++)
        from[i] = i * 2654435761u;
    for (uint32_t round = 0; round < rounds; round++) {
        scale(to, from, round * 2 + 1);
        combine(other, to, from, round + 3);
        memcpy(from, other, sizeof(from));
        memmove(from + 1000, from, sizeof(from) / 2);
        memset(to + N / 2, (int)(round & 255), sizeof(to) / 4);
        sum = bench_mix(sum, (uint64_t)total(from) << 32 | total(to));
    }
    return bench_report("stream", rounds, sum);
}
