// Indirect calls: many small objects of several kinds, each with a table of functions, that react to
// events and cause further ones. Which function comes next cannot be foreseen.

#include "bench.h"

enum { OBJECTS = 4096, QUEUE = 8192 };

typedef struct Object Object;

typedef struct {
    uint32_t (*react)(Object *self, uint32_t event);
    Object *(*next)(const Object *self, uint32_t event);
    uint32_t (*value)(const Object *self);
} Kind;

struct Object {
    const Kind *kind;
    uint32_t state, index;
};

static Object objects[OBJECTS];

static uint32_t count_react(Object *self, uint32_t event) {
    self->state += event & 7;
    return event + 1;
}

static uint32_t toggle_react(Object *self, uint32_t event) {
    self->state ^= event | 1;
    return event ^ self->state >> 3;
}

static uint32_t delay_react(Object *self, uint32_t event) {
    uint32_t before = self->state;
    self->state = event;
    return before * 5 + 1;
}

static uint32_t limit_react(Object *self, uint32_t event) {
    if (event > self->state)
        self->state++;
    else if (self->state != 0)
        self->state--;
    return event < self->state ? event : self->state + event / 2;
}

static uint32_t mix_react(Object *self, uint32_t event) {
    self->state = (self->state << 7 | self->state >> 25) + event;
    return self->state * 0x9e3779b1u;
}

static Object *near_next(const Object *self, uint32_t event) {
    return &objects[(self->index + 1 + event % 13) % OBJECTS];
}

static Object *far_next(const Object *self, uint32_t event) {
    return &objects[(self->index * 31 + event) % OBJECTS];
}

static Object *mirrored_next(const Object *self, uint32_t event) {
    return &objects[OBJECTS - 1 - (self->index ^ (event & 255))];
}

static uint32_t plain_value(const Object *self) { return self->state; }
static uint32_t folded_value(const Object *self) { return self->state ^ self->state >> 16; }

static const Kind kinds[] = {
    {count_react, near_next, plain_value},   {toggle_react, far_next, folded_value},
    {delay_react, mirrored_next, plain_value}, {limit_react, near_next, folded_value},
    {mix_react, far_next, plain_value},      {toggle_react, mirrored_next, plain_value},
    {mix_react, near_next, folded_value},    {count_react, far_next, folded_value},
};

int main(int argc, char **argv) {
    uint32_t rounds = bench_size(argc, argv, 30000, 50);
    uint32_t seed = 29;
    for (uint32_t i = 0; i < OBJECTS; i++)
        objects[i] = (Object){&kinds[bench_random(&seed) % 8], bench_random(&seed), i};
    uint64_t sum = 0;
    static Object *waiting[QUEUE];
    static uint32_t event[QUEUE];
    for (uint32_t round = 0; round < rounds; round++) {
        uint32_t head = 0, tail = 0;
        waiting[tail] = &objects[round % OBJECTS];
        event[tail++] = round;
        // Every event causes one or two more, until there have been a thousand.
        while (head != tail && head < 1000) {
            Object *object = waiting[head];
            uint32_t caused = object->kind->react(object, event[head++]);
            waiting[tail] = object->kind->next(object, caused);
            event[tail++] = caused;
            if (caused % 4 == 0) {
                waiting[tail] = &objects[caused / 4 % OBJECTS];
                event[tail++] = caused >> 3;
            }
        }
        Object *last = &objects[round * 7 % OBJECTS];
        sum = bench_mix(sum, last->kind->value(last));
    }
    return bench_report("dispatch", rounds, sum);
}
