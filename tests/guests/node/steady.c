// Publishes the numbers from 0 on one channel, and counts what comes back on another:
// steady [OUT [BACK [MILLISECONDS]]]. Prints "number N" at each 50th, and on signal 3 "sent N refused
// R answered A longest_ms G": what was refused is not sent again, A is counted until a second passes
// without an answer, and G is the longest time between two answers.
#include "node.h"

static unsigned long answered;
static uint64_t last, longest;

static void count_answers(int back) {
    char message[32];
    while (ch_read_msg(back, message, sizeof message) > 0) {
        answered++;
        uint64_t now = now_ns();
        if (last != 0 && now - last > longest)
            longest = now - last;
        last = now;
    }
}

int main(int argc, char **argv) {
    int out = open_channel(text_arg(argc, argv, 1, "out"), CH_WRITE);
    int back = open_channel(text_arg(argc, argv, 2, "back"), CH_READ);
    uint64_t interval = number_arg(argc, argv, 3, 10) * 1000000;
    int signals = open_signals();
    say("begins");

    unsigned long number = 0, refused = 0;
    uint64_t next = now_ns();
    bool ending = false;
    while (!ending || answered < number) {
        if (!ending && now_ns() >= next) {
            char text[32];
            int size = snprintf(text, sizeof text, "%lu", number);
            if (ch_write_msg(out, text, (size_t)size) != size)
                refused++;
            if (number % 50 == 0)
                say("number %lu", number);
            number++;
            next = now_ns() + interval;
        }
        uint64_t now = now_ns();
        // At least a millisecond: 0 would wait for ever.
        int wait = next > now ? (int)((next - now) / 1000000) + 1 : 1;
        int ready = ch_poll(&back, 1, ending ? 1000 : wait);
        if (ready < 0)
            return 1;
        if (ending && ready == 0)
            break;
        count_answers(back);
        ending = ending || told_to_save(signals);
    }
    say("sent %lu refused %lu answered %lu longest_ms %lu", number, refused, answered,
        (unsigned long)(longest / 1000000));
    return 0;
}
