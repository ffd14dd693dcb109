// Allocation: blocks of all sizes taken and given back in no order, trees of nodes, and buffers that
// grow. It measures the C library's malloc as much as the engine, and natively that is another one.

#include "bench.h"

enum { SLOTS = 4096, KEYS = 3000 };

typedef struct Node {
    struct Node *left, *right;
    uint32_t key, count;
} Node;

static Node *insert(Node *node, uint32_t key) {
    if (node == NULL) {
        node = bench_allocate(sizeof(*node));
        *node = (Node){NULL, NULL, key, 1};
    } else if (key < node->key) {
        node->left = insert(node->left, key);
    } else if (key > node->key) {
        node->right = insert(node->right, key);
    } else {
        node->count++;
    }
    return node;
}

// Adds the keys up in their order, and frees the tree.
static uint64_t take_apart(Node *node, uint64_t sum) {
    if (node == NULL)
        return sum;
    sum = take_apart(node->left, sum);
    sum = bench_mix(sum, node->key + node->count);
    sum = take_apart(node->right, sum);
    free(node);
    return sum;
}

static uint32_t block_size(uint32_t random) {
    // Mostly small, seldom large.
    uint32_t bits = random % 100 < 80 ? 6 : random % 100 < 98 ? 9 : 14;
    return 8 + (random >> 8) % (1u << bits);
}

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 300, 2);
    uint32_t seed = 37;
    uint64_t sum = 0;
    static uint8_t *slots[SLOTS];
    static uint32_t sizes[SLOTS];
    for (uint32_t round = 0; round < rounds; round++) {
        for (int i = 0; i < 20000; i++) {
            uint32_t slot = bench_random(&seed) % SLOTS;
            if (slots[slot] != NULL) {
                sum += slots[slot][0] + slots[slot][sizes[slot] - 1];
                free(slots[slot]);
            }
            sizes[slot] = block_size(bench_random(&seed));
            slots[slot] = bench_allocate(sizes[slot]);
            slots[slot][0] = (uint8_t)slot;
            slots[slot][sizes[slot] - 1] = (uint8_t)i;
        }
        Node *tree = NULL;
        for (int i = 0; i < KEYS; i++)
            tree = insert(tree, bench_random(&seed) % 100000);
        sum = take_apart(tree, sum);
        uint32_t capacity = 16, used = 0;
        uint32_t *grows = bench_allocate(capacity * sizeof(*grows));
        for (; used < 20000; used++) {
            if (used == capacity) {
                capacity += capacity / 2;
                grows = realloc(grows, capacity * sizeof(*grows));
                if (grows == NULL) {
                    fputs("no memory\n", stderr);
                    return 1;
                }
            }
            grows[used] = bench_random(&seed);
        }
        sum = bench_mix(sum, grows[used / 2]);
        free(grows);
    }
    for (uint32_t slot = 0; slot < SLOTS; slot++)
        free(slots[slot]);
    return bench_report("alloc", rounds, sum);
}
