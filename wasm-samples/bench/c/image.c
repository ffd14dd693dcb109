// SIMD written as such, over bytes: a picture is blurred, sharpened, and blended with another one.
// The vectors are those of GCC and Clang, so that the same source is for every target.

#include "bench.h"

typedef uint8_t Bytes __attribute__((vector_size(16)));
typedef uint8_t Half __attribute__((vector_size(8)));
typedef uint16_t Words __attribute__((vector_size(16)));

enum { WIDTH = 512, HEIGHT = 256, EDGE = 16 };

// With room around it, so that no vector leaves it.
typedef struct {
    uint8_t pixels[HEIGHT + 2][WIDTH + 2 * EDGE];
} Picture;

static Bytes load(const uint8_t *from) {
    Bytes bytes;
    memcpy(&bytes, from, sizeof(bytes));
    return bytes;
}

static void store(uint8_t *to, Bytes bytes) { memcpy(to, &bytes, sizeof(bytes)); }

static Words low(Bytes b) {
    return __builtin_convertvector(__builtin_shufflevector(b, b, 0, 1, 2, 3, 4, 5, 6, 7), Words);
}

static Words high(Bytes b) {
    return __builtin_convertvector(__builtin_shufflevector(b, b, 8, 9, 10, 11, 12, 13, 14, 15),
                                   Words);
}

// Of the low bytes of each word.
static Bytes narrow(Words low_half, Words high_half) {
    return __builtin_shufflevector((Bytes)low_half, (Bytes)high_half, 0, 2, 4, 6, 8, 10, 12, 14,
                                   16, 18, 20, 22, 24, 26, 28, 30);
}

// Nine pixels, the middle one four times, its neighbours twice.
static void blur(Picture *restrict to, const Picture *restrict from) {
    for (int y = 1; y <= HEIGHT; y++)
        for (int x = EDGE; x < WIDTH + EDGE; x += 16) {
            Words sum_low = {0}, sum_high = {0};
            for (int row = -1; row <= 1; row++) {
                const uint8_t *at = &from->pixels[y + row][x];
                Bytes left = load(at - 1), middle = load(at), right = load(at + 1);
                int shift = row == 0;
                sum_low += (low(left) + 2 * low(middle) + low(right)) << shift;
                sum_high += (high(left) + 2 * high(middle) + high(right)) << shift;
            }
            store(&to->pixels[y][x], narrow(sum_low >> 4, sum_high >> 4));
        }
}

// Twice the picture less its blurred one, from 0 to 255, in steps that bytes can hold.
static void sharpen(Picture *restrict picture, const Picture *restrict blurred) {
    for (int y = 1; y <= HEIGHT; y++)
        for (int x = EDGE; x < WIDTH + EDGE; x += 16) {
            Bytes here = load(&picture->pixels[y][x]), soft = load(&blurred->pixels[y][x]);
            Bytes more = (here - soft) & (Bytes)(here > soft);
            Bytes less = (soft - here) & (Bytes)(soft > here);
            Bytes raised = here + more;
            raised |= (Bytes)(raised < here);
            Bytes lowered = (raised - less) & (Bytes)(raised > less);
            store(&picture->pixels[y][x], lowered);
        }
}

static void blend(Picture *restrict to, const Picture *restrict with, uint16_t part) {
    Words own = {0};
    own += (uint16_t)(256 - part);
    for (int y = 1; y <= HEIGHT; y++)
        for (int x = EDGE; x < WIDTH + EDGE; x += 16) {
            Bytes a = load(&to->pixels[y][x]), b = load(&with->pixels[y][x]);
            Words blended_low = low(a) * own + low(b) * part;
            Words blended_high = high(a) * own + high(b) * part;
            store(&to->pixels[y][x], narrow(blended_low >> 8, blended_high >> 8));
        }
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 6000, 20);
    static Picture picture, blurred, other;
    uint32_t seed = 43;
    for (int y = 0; y < HEIGHT + 2; y++)
        for (int x = 0; x < WIDTH + 2 * EDGE; x++) {
            picture.pixels[y][x] = (uint8_t)(bench_random(&seed) >> 24);
            other.pixels[y][x] = (uint8_t)(x * y >> 4 ^ x);
        }
    for (uint32_t round = 0; round < rounds; round++) {
        blur(&blurred, &picture);
        sharpen(&picture, &blurred);
        blend(&picture, &other, (uint16_t)(round % 64));
    }
    uint64_t sum = 0;
    for (int y = 1; y <= HEIGHT; y++)
        for (int x = EDGE; x < WIDTH + EDGE; x += 8) {
            uint64_t eight;
            memcpy(&eight, &picture.pixels[y][x], sizeof(eight));
            sum = bench_mix(sum, eight);
        }
    return bench_report("image", rounds, sum);
}
