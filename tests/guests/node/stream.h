// What the sender and the receiver of a measurement agree on. The sender has at most `window`
// messages under way; the receiver says on the other channel how many it has got, each time that
// half a window has come. With a window of 1 that measures how long a message takes, with a large
// one how many there can be in a second.
#ifndef ARENA_STREAM_H
#define ARENA_STREAM_H

#include "node.h"

struct stream_message {
    uint64_t number; // from 0
    uint64_t sent_ns; // 0 where the time is not taken
};

enum { SMALLEST = sizeof(struct stream_message), LARGEST = 65536 };

// How often the time is taken: reading the clock would be most of the work otherwise.
static inline bool is_timed(uint64_t number, uint64_t window) {
    return window == 1 || number % 64 == 0;
}

#endif
