// The receiving half of a measurement: receiver [COUNT [WINDOW [DATA [BACK]]]], with the COUNT and
// WINDOW of the sender. See stream.h. Prints a line of figures, and ends with 1 if a message was
// lost, came twice or came in the wrong order.
#include "stream.h"

// How many messages took so many tenths of a microsecond; the last one also for more.
enum { LONGEST = 1000000 };
static uint32_t tenths[LONGEST + 1];
static uint64_t timed;

static void take_time(uint64_t ns) {
    tenths[ns < LONGEST * 100ull ? ns / 100 : LONGEST]++;
    timed++;
}

// The time that this part of the messages took at the most, in microseconds.
static double quantile(double part) {
    uint64_t below = 0;
    for (int i = 0; i <= LONGEST; i++)
        if ((below += tenths[i]) > part * (double)timed)
            return i / 10.0;
    return LONGEST / 10.0;
}

static char message[LARGEST];

int main(int argc, char **argv) {
    uint64_t count = number_arg(argc, argv, 1, 100000);
    uint64_t window = number_arg(argc, argv, 2, 1000);
    int data = open_channel(text_arg(argc, argv, 3, "realm/stream/data"), CH_READ);
    int back = open_channel(text_arg(argc, argv, 4, "realm/stream/back"), CH_WRITE);
    if (window < 1)
        return 2;

    // "I am here", until the first message comes.
    say("receiving");
    uint64_t said = 0;
    do
        ch_write_msg(back, (char *)&said, sizeof said);
    while (ch_poll(&data, 1, 100) == 0);

    uint64_t received = 0, expected = 0, disordered = 0, begin = now_ns(), end = begin;
    while (expected < count) {
        if (ch_read_msg(data, message, sizeof message) < SMALLEST) {
            if (ch_poll(&data, 1, 5000) <= 0)
                break; // the rest is lost
            continue;
        }
        struct stream_message head;
        memcpy(&head, message, sizeof head);
        if (head.sent_ns != 0)
            take_time(now_ns() - head.sent_ns);
        received++;
        if (head.number < expected)
            disordered++;
        else
            expected = head.number + 1;
        if (expected - said >= (window + 1) / 2) {
            said = expected;
            ch_write_msg(back, (char *)&said, sizeof said);
        }
    }
    end = now_ns();
    double seconds = (double)(end - begin) / 1e9;
    say("received %llu lost %llu disordered %llu median_us %.1f p99_us %.1f per_second %.0f",
        received, count - (received - disordered), disordered, quantile(0.5), quantile(0.99),
        seconds > 0 ? (double)received / seconds : 0.0);
    return received == count && disordered == 0 ? 0 : 1;
}
