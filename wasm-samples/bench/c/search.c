// Recursion: the best move in "four in a row", by looking ahead with alpha-beta on boards of bits,
// from positions that random moves have led to.

#include "bench.h"

enum { COLUMNS = 7, ROWS = 6, COLUMN_BITS = ROWS + 1, DEPTH = 8 };

// A column is seven bits, the lowest first; the seventh stays empty and parts it from the next.
typedef struct {
    uint64_t mine, all;
} Board;

static uint64_t visited;

static int wins(uint64_t stones) {
    static const int directions[] = {1, COLUMN_BITS, COLUMN_BITS - 1, COLUMN_BITS + 1};
    for (int i = 0; i < 4; i++) {
        uint64_t two = stones & stones >> directions[i];
        if (two & two >> 2 * directions[i])
            return 1;
    }
    return 0;
}

// The lowest empty place of a column, 0 if it is full.
static uint64_t place(uint64_t all, int column) {
    uint64_t bottom = (uint64_t)1 << column * COLUMN_BITS;
    uint64_t places = (bottom << ROWS) - bottom;
    return (all + bottom) & places;
}

// How many more lines of three of ours could still grow than of theirs.
static int judge(Board board) {
    int balance = 0;
    uint64_t theirs = board.mine ^ board.all;
    static const int directions[] = {1, COLUMN_BITS, COLUMN_BITS - 1, COLUMN_BITS + 1};
    for (int i = 0; i < 4; i++) {
        int by = directions[i];
        uint64_t ours = board.mine & board.mine >> by, other = theirs & theirs >> by;
        balance += __builtin_popcountll(ours) - __builtin_popcountll(other);
        balance += 3 * (__builtin_popcountll(ours & board.mine >> 2 * by) -
                        __builtin_popcountll(other & theirs >> 2 * by));
    }
    return balance;
}

// What the position is worth to whose turn it is.
static int best(Board board, int depth, int at_least, int at_most) {
    static const int order[COLUMNS] = {3, 2, 4, 1, 5, 0, 6};
    visited++;
    if (depth == 0)
        return judge(board);
    int moved = 0;
    for (int i = 0; i < COLUMNS; i++) {
        uint64_t stone = place(board.all, order[i]);
        if (stone == 0)
            continue;
        moved = 1;
        int worth;
        if (wins(board.mine | stone)) {
            worth = 1000 + depth;
        } else {
            Board next = {board.mine ^ board.all, board.all | stone};
            worth = -best(next, depth - 1, -at_most, -at_least);
        }
        if (worth > at_least)
            at_least = worth;
        if (at_least >= at_most)
            break;
    }
    return moved ? at_least : 0;
}

int main(int argc, char **argv) {
    uint32_t positions = bench_size(argc, argv, 600, 2);
    uint32_t seed = 31;
    uint64_t sum = 0;
    for (uint32_t i = 0; i < positions; i++) {
        Board board = {0, 0};
        for (int moves = 0; moves < 8;) {
            uint64_t stone = place(board.all, (int)(bench_random(&seed) % COLUMNS));
            if (stone == 0 || wins(board.mine | stone))
                continue;
            board = (Board){board.mine ^ board.all, board.all | stone};
            moves++;
        }
        sum = bench_mix(sum, (uint64_t)(best(board, DEPTH, -2000, 2000) + 2000));
    }
    return bench_report("search", positions, bench_mix(sum, visited));
}
