// Branches that cannot be foreseen: quicksort, a heap and binary search over numbers, and an
// insertion sort of what is left in small parts.

#include "bench.h"

enum { N = 50000, SMALL = 16 };

static uint32_t numbers[N], heap[N];

static void insertion(uint32_t *from, uint32_t *to) {
    for (uint32_t *next = from + 1; next < to; next++) {
        uint32_t value = *next, *hole = next;
        for (; hole > from && hole[-1] > value; hole--)
            *hole = hole[-1];
        *hole = value;
    }
}

static void quicksort(uint32_t *from, uint32_t *to) {
    while (to - from > SMALL) {
        uint32_t a = *from, b = from[(to - from) / 2], c = to[-1];
        uint32_t pivot = a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
        uint32_t *left = from, *right = to - 1;
        for (;;) {
            while (*left < pivot)
                left++;
            while (*right > pivot)
                right--;
            if (left >= right)
                break;
            uint32_t swapped = *left;
            *left++ = *right;
            *right-- = swapped;
        }
        quicksort(from, left);
        from = left;
    }
    insertion(from, to);
}

static void sink(uint32_t hole, uint32_t size, uint32_t value) {
    for (uint32_t child; (child = 2 * hole + 1) < size; hole = child) {
        if (child + 1 < size && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= value)
            break;
        heap[hole] = heap[child];
    }
    heap[hole] = value;
}

static uint32_t position(uint32_t value) {
    uint32_t low = 0, high = N;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (numbers[middle] < value)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 40, 1);
    uint32_t seed = 23;
    uint64_t sum = 0;
    for (uint32_t round = 0; round < rounds; round++) {
        for (uint32_t i = 0; i < N; i++)
            numbers[i] = heap[i] = bench_random(&seed) >> round % 16;
        quicksort(numbers, numbers + N);
        for (uint32_t i = N / 2; i-- > 0;)
            sink(i, N, heap[i]);
        // The smallest half leaves the heap in order.
        uint32_t size = N;
        for (uint32_t i = 0; i < N / 2; i++) {
            if (heap[0] != numbers[i]) {
                fputs("sort: the heap and quicksort do not agree\n", stderr);
                return 1;
            }
            size--;
            sink(0, size, heap[size]);
        }
        uint64_t found = 0;
        for (uint32_t i = 0; i < N; i++)
            found += position(bench_random(&seed) >> round % 16);
        sum = bench_mix(bench_mix(sum, found), numbers[N / 3]);
    }
    return bench_report("sort", rounds, sum);
}
