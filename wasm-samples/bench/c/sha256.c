// Hashing: SHA-256 of buffers of many lengths. 32-bit additions and rotations, most of the state
// in registers.

#include "bench.h"

enum { LONGEST = 64 * 1024 };

static const uint32_t round_constant[64] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

static uint32_t rotate(uint32_t x, int by) { return x >> by | x << (32 - by); }

static void block(uint32_t state[8], const uint8_t *bytes) {
    uint32_t w[64];
    for (int i = 0; i < 16; i++)
        w[i] = (uint32_t)bytes[4 * i] << 24 | (uint32_t)bytes[4 * i + 1] << 16 |
               (uint32_t)bytes[4 * i + 2] << 8 | bytes[4 * i + 3];
    for (int i = 16; i < 64; i++) {
        uint32_t early = rotate(w[i - 15], 7) ^ rotate(w[i - 15], 18) ^ w[i - 15] >> 3;
        uint32_t late = rotate(w[i - 2], 17) ^ rotate(w[i - 2], 19) ^ w[i - 2] >> 10;
        w[i] = w[i - 16] + early + w[i - 7] + late;
    }
    uint32_t a = state[0], b = state[1], c = state[2], d = state[3];
    uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
    for (int i = 0; i < 64; i++) {
        uint32_t choice = (e & f) ^ (~e & g);
        uint32_t one = h + (rotate(e, 6) ^ rotate(e, 11) ^ rotate(e, 25)) + choice +
                       round_constant[i] + w[i];
        uint32_t majority = (a & b) ^ (a & c) ^ (b & c);
        uint32_t two = (rotate(a, 2) ^ rotate(a, 13) ^ rotate(a, 22)) + majority;
        h = g;
        g = f;
        f = e;
        e = d + one;
        d = c;
        c = b;
        b = a;
        a = one + two;
    }
    state[0] += a;
    state[1] += b;
    state[2] += c;
    state[3] += d;
    state[4] += e;
    state[5] += f;
    state[6] += g;
    state[7] += h;
}

static void sha256(uint32_t state[8], const uint8_t *bytes, uint32_t length) {
    static const uint32_t begin[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    memcpy(state, begin, sizeof(begin));
    uint32_t whole = length / 64 * 64;
    for (uint32_t at = 0; at < whole; at += 64)
        block(state, bytes + at);
    uint8_t tail[128] = {0};
    uint32_t rest = length - whole, tail_length = rest < 56 ? 64 : 128;
    memcpy(tail, bytes + whole, rest);
    tail[rest] = 0x80;
    for (uint32_t i = 0; i < 5; i++)
        tail[tail_length - 1 - i] = (uint8_t)((uint64_t)length * 8 >> 8 * i);
    for (uint32_t at = 0; at < tail_length; at += 64)
        block(state, tail + at);
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 4000, 10);
    static uint8_t bytes[LONGEST];
    uint32_t state[8], seed = 11;
    for (uint32_t i = 0; i < LONGEST; i++)
        bytes[i] = (uint8_t)bench_random(&seed);
    sha256(state, (const uint8_t *)"abc", 3);
    if (state[0] != 0xba7816bf || state[7] != 0xf20015ad) {
        fputs("sha256: wrong for \"abc\"\n", stderr);
        return 1;
    }
    uint64_t sum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        // Each hash depends on the one before.
        sha256(state, bytes, bench_random(&seed) % LONGEST);
        memcpy(bytes + bench_random(&seed) % (LONGEST - 32), state, 32);
        for (int i = 0; i < 8; i++)
            sum = bench_mix(sum, state[i]);
    }
    return bench_report("sha256", rounds, sum);
}
