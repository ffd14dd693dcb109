// Teaches: clocks and random numbers come from the host. The real-time clock tells the date,
// the monotonic one never goes back, and every run gets other random bytes.
//
//   arena run wasm-samples/build/clock-random.wasm

#include <stdio.h>
#include <time.h>
#include <unistd.h>

static struct timespec now(clockid_t clock) {
    struct timespec t = {0};
    if (clock_gettime(clock, &t) != 0)
        perror("clock_gettime");
    return t;
}

int main(void) {
    struct timespec before = now(CLOCK_MONOTONIC);

    struct timespec date = now(CLOCK_REALTIME);
    char text[32];
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime(&date.tv_sec));
    printf("realtime: %s.%09ldZ\n", text, date.tv_nsec);

    unsigned char bytes[16];
    if (getentropy(bytes, sizeof bytes) != 0) {
        perror("getentropy");
        return 1;
    }
    printf("random: ");
    for (size_t i = 0; i < sizeof bytes; i++)
        printf("%02x", bytes[i]);
    putchar('\n');

    struct timespec after = now(CLOCK_MONOTONIC);
    long long passed =
        (after.tv_sec - before.tv_sec) * 1000000000LL + (after.tv_nsec - before.tv_nsec);
    printf("monotonic: %lld ns passed\n", passed);
    return passed < 0;
}
