// random_get.
#include "check.h"
#include "raw.h"

static uint8_t big[1 << 20];

int main(void) {
    uint8_t a[64], b[64];
    memset(a, 0, sizeof a);
    memset(b, 0, sizeof b);
    CHECK_OK(__wasi_random_get(a, sizeof a));
    CHECK_OK(__wasi_random_get(b, sizeof b));
    CHECK(memcmp(a, b, sizeof a) != 0);

    // Exactly as many bytes as asked for.
    memset(a, 0x55, sizeof a);
    CHECK_OK(__wasi_random_get(a, 0));
    CHECK_EQ(a[0], 0x55);
    CHECK_OK(__wasi_random_get(a, 32));
    for (int i = 32; i < 64; i++) CHECK_EQ(a[i], 0x55);

    // Larger than what the kernel gives at once (256 bytes are promised), up to the last byte.
    CHECK_OK(__wasi_random_get(big, sizeof big));
    unsigned counts[256] = {0}, missing = 0;
    for (size_t i = 0; i < sizeof big; i++) counts[big[i]]++;
    for (int i = 0; i < 256; i++) missing += counts[i] < 2048 || counts[i] > 8192;
    CHECK_EQ(missing, 0);
    unsigned tail = 0;
    for (size_t i = sizeof big - 64; i < sizeof big; i++) tail += big[i] != 0;
    CHECK(tail > 32);

    // A buffer that ends where memory ends.
    CHECK_OK(raw_random_get((ptr)(memory_end() - 8), 8));
    return check_done();
}
