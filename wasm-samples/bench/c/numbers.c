// Integer loops: 64-bit products, remainders, shifts and counted bits. Primes by sieve and by
// test, greatest common divisors, and how long numbers take to fall to one.

#include "bench.h"

enum { SIEVE = 1 << 16 };

static uint32_t sieve(void) {
    static uint8_t composite[SIEVE];
    memset(composite, 0, sizeof(composite));
    uint32_t primes = 0;
    for (uint32_t i = 2; i < SIEVE; i++) {
        if (composite[i])
            continue;
        primes++;
        for (uint32_t multiple = i + i; multiple < SIEVE; multiple += i)
            composite[multiple] = 1;
    }
    return primes;
}

static uint32_t power(uint64_t base, uint32_t exponent, uint32_t modulus) {
    uint64_t result = 1;
    for (base %= modulus; exponent != 0; exponent >>= 1) {
        if (exponent & 1)
            result = result * base % modulus;
        base = base * base % modulus;
    }
    return (uint32_t)result;
}

// Whether an odd number above 7 is prime: these three bases decide below 2^32.
static int is_prime(uint32_t n) {
    static const uint32_t bases[] = {2, 7, 61};
    int twos = __builtin_ctz(n - 1);
    for (int i = 0; i < 3; i++) {
        uint32_t x = power(bases[i], (n - 1) >> twos, n);
        if (x == 0 || x == 1)
            continue;
        int left = twos;
        while (x != n - 1 && --left > 0)
            x = (uint32_t)((uint64_t)x * x % n);
        if (x != n - 1)
            return 0;
    }
    return 1;
}

// By subtraction and shifts alone.
static uint64_t common_divisor(uint64_t a, uint64_t b) {
    if (a == 0 || b == 0)
        return a | b;
    int twos = __builtin_ctzll(a | b);
    a >>= __builtin_ctzll(a);
    while (b != 0) {
        b >>= __builtin_ctzll(b);
        if (a > b) {
            uint64_t swapped = a;
            a = b;
            b = swapped;
        }
        b -= a;
    }
    return a << twos;
}

static uint32_t steps_to_one(uint64_t n) {
    uint32_t steps = 0;
    while (n != 1) {
        n = n & 1 ? 3 * n + 1 : n >> 1;
        steps++;
    }
    return steps;
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 240, 1);
    uint32_t seed = 3;
    uint64_t sum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        sum = bench_mix(sum, sieve() + round);
        uint32_t primes = 0, bits = 0;
        for (int i = 0; i < 3000; i++)
            primes += (uint32_t)is_prime(bench_random(&seed) | 0x40000001);
        for (int i = 0; i < 3000; i++) {
            uint64_t a = (uint64_t)bench_random(&seed) * bench_random(&seed);
            uint64_t b = (uint64_t)bench_random(&seed) * bench_random(&seed);
            bits += (uint32_t)__builtin_popcountll(common_divisor(a, b) ^ a);
        }
        for (int i = 0; i < 4000; i++)
            bits += steps_to_one((bench_random(&seed) >> 8) + 1);
        sum = bench_mix(bench_mix(sum, primes), bits);
    }
    return bench_report("numbers", rounds, sum);
}
