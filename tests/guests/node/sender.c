// The sending half of a measurement: sender [COUNT [WINDOW [SIZE [DATA [BACK]]]]]. See stream.h.
// Starts when the receiver says that it is there. Prints how many messages were refused (modules
// of the same runtime have got those all the same), and how often it went on without an answer.
#include "stream.h"

static char message[LARGEST];

int main(int argc, char **argv) {
    uint64_t count = number_arg(argc, argv, 1, 100000);
    uint64_t window = number_arg(argc, argv, 2, 1000);
    size_t size = number_arg(argc, argv, 3, 64);
    int data = open_channel(text_arg(argc, argv, 4, "realm/stream/data"), CH_WRITE);
    int back = open_channel(text_arg(argc, argv, 5, "realm/stream/back"), CH_READ);
    if (window < 1 || size < SMALLEST || size > sizeof message)
        return 2;

    uint64_t received = 0; // as far as the receiver has said
    say("sending");
    while (ch_poll(&back, 1, 0) > 0 && ch_read_msg(back, (char *)&received, sizeof received) <= 0)
        continue;

    unsigned long refused = 0, unanswered = 0;
    received = 0;
    for (uint64_t number = 0; number < count; number++) {
        while (number - received >= window) {
            uint64_t so_far;
            if (ch_read_msg(back, (char *)&so_far, sizeof so_far) == sizeof so_far) {
                if (so_far > received && so_far <= number)
                    received = so_far;
            } else if (ch_poll(&back, 1, 1000) <= 0) {
                unanswered++; // lost, as it may be: the receiver will say so
                received = number;
            }
        }
        struct stream_message head = {number, is_timed(number, window) ? now_ns() : 0};
        memcpy(message, &head, sizeof head);
        if (ch_write_msg(data, message, size) < 0)
            refused++;
    }
    say("sent %llu refused %lu unanswered %lu", count, refused, unanswered);
    return 0;
}
