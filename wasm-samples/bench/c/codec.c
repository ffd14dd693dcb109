// Byte shuffling: CRC-32 by tables, base64 there and back, and a packer that finds repetitions by
// a hash of three bytes, with its unpacker.

#include "bench.h"

enum { BYTES = 48 * 1024, TEXT = BYTES / 3 * 4, WINDOW_BITS = 12, LONGEST_MATCH = 18 };

static uint32_t crc_table[4][256];

static void make_crc_table(void) {
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        crc_table[0][i] = crc;
    }
    for (uint32_t i = 0; i < 256; i++)
        for (int t = 1; t < 4; t++)
            crc_table[t][i] = crc_table[t - 1][i] >> 8 ^ crc_table[0][crc_table[t - 1][i] & 255];
}

// Four bytes at a time.
static uint32_t crc32(const uint8_t *bytes, uint32_t length) {
    uint32_t crc = ~0u, i = 0;
    for (; i + 4 <= length; i += 4) {
        crc ^= (uint32_t)bytes[i] | (uint32_t)bytes[i + 1] << 8 | (uint32_t)bytes[i + 2] << 16 |
               (uint32_t)bytes[i + 3] << 24;
        crc = crc_table[3][crc & 255] ^ crc_table[2][crc >> 8 & 255] ^
              crc_table[1][crc >> 16 & 255] ^ crc_table[0][crc >> 24];
    }
    for (; i < length; i++)
        crc = crc >> 8 ^ crc_table[0][(crc ^ bytes[i]) & 255];
    return ~crc;
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void to_base64(char *to, const uint8_t *from) {
    for (uint32_t i = 0; i < BYTES; i += 3, to += 4) {
        uint32_t three = (uint32_t)from[i] << 16 | (uint32_t)from[i + 1] << 8 | from[i + 2];
        to[0] = digits[three >> 18];
        to[1] = digits[three >> 12 & 63];
        to[2] = digits[three >> 6 & 63];
        to[3] = digits[three & 63];
    }
}

// Returns whether all were digits.
static int from_base64(uint8_t *to, const char *from) {
    static int8_t value[256];
    if (value[0] == 0) {
        memset(value, -1, sizeof(value));
        for (int i = 0; i < 64; i++)
            value[(uint8_t)digits[i]] = (int8_t)i;
    }
    int bad = 0;
    for (uint32_t i = 0; i < TEXT; i += 4, to += 3) {
        int a = value[(uint8_t)from[i]], b = value[(uint8_t)from[i + 1]];
        int c = value[(uint8_t)from[i + 2]], d = value[(uint8_t)from[i + 3]];
        bad |= a | b | c | d;
        uint32_t three = (uint32_t)a << 18 | (uint32_t)b << 12 | (uint32_t)c << 6 | (uint32_t)d;
        to[0] = (uint8_t)(three >> 16);
        to[1] = (uint8_t)(three >> 8);
        to[2] = (uint8_t)three;
    }
    return bad >= 0;
}

// Groups of eight items with a byte before them that says which are copies: twelve bits how far
// back, four how long. Returns the packed length.
static uint32_t pack(uint8_t *to, const uint8_t *from, uint32_t length) {
    static uint32_t last[1 << WINDOW_BITS];
    memset(last, 0xff, sizeof(last));
    uint32_t out = 0, flags = 0, item = 0;
    for (uint32_t at = 0; at < length; item++) {
        if (item % 8 == 0) {
            flags = out++;
            to[flags] = 0;
        }
        uint32_t match = 0, back = 0;
        if (at + LONGEST_MATCH < length) {
            uint32_t three = (uint32_t)from[at] | (uint32_t)from[at + 1] << 8 |
                             (uint32_t)from[at + 2] << 16;
            uint32_t *slot = &last[three * 0x9e3779b1u >> (32 - WINDOW_BITS)];
            if (*slot != ~0u && at - *slot < 1u << WINDOW_BITS) {
                back = at - *slot;
                while (match < LONGEST_MATCH && from[at + match] == from[at - back + match])
                    match++;
            }
            *slot = at;
        }
        if (match >= 3) {
            to[flags] |= (uint8_t)(1 << item % 8);
            to[out++] = (uint8_t)back;
            to[out++] = (uint8_t)(back >> 8 << 4 | (match - 3));
            at += match;
        } else {
            to[out++] = from[at++];
        }
    }
    return out;
}

static void unpack(uint8_t *to, uint32_t length, const uint8_t *from) {
    uint32_t flags = 0, item = 0;
    for (uint32_t at = 0; at < length; item++) {
        if (item % 8 == 0)
            flags = *from++;
        if (flags >> item % 8 & 1) {
            uint32_t back = from[0] | (uint32_t)(from[1] >> 4) << 8, match = (from[1] & 15) + 3u;
            from += 2;
            for (; match != 0; match--, at++)
                to[at] = to[at - back];
        } else {
            to[at++] = *from++;
        }
    }
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 1200, 2);
    static uint8_t bytes[BYTES], decoded[BYTES], packed[BYTES * 9 / 8 + 16];
    static char text[TEXT];
    uint32_t seed = 17;
    uint64_t sum = 0;
    make_crc_table();
    if (crc32((const uint8_t *)"123456789", 9) != 0xcbf43926) {
        fputs("codec: the CRC is wrong\n", stderr);
        return 1;
    }
    for (uint32_t i = 0; i < BYTES; i++)
        bytes[i] = (uint8_t)(bench_random(&seed) >> 29);
    for (uint32_t round = 0; round < rounds; round++) {
        // Something else each time: a stretch is copied, another one is new.
        uint32_t length = 16 + bench_random(&seed) % 400;
        uint32_t from = bench_random(&seed) % (BYTES - length);
        uint32_t to = bench_random(&seed) % (BYTES - length);
        memmove(bytes + to, bytes + from, length);
        bytes[bench_random(&seed) % BYTES] = (uint8_t)bench_random(&seed);

        sum = bench_mix(sum, crc32(bytes, BYTES));
        to_base64(text, bytes);
        int good = from_base64(decoded, text);
        uint32_t packed_length = pack(packed, decoded, BYTES);
        memset(decoded, 0, sizeof(decoded));
        unpack(decoded, BYTES, packed);
        if (!good || memcmp(bytes, decoded, BYTES) != 0) {
            fputs("codec: what comes back is not what went in\n", stderr);
            return 1;
        }
        sum = bench_mix(sum, (uint64_t)crc32(packed, packed_length) << 32 | packed_length);
    }
    return bench_report("codec", rounds, sum);
}
