// What the guests of the node's tests share. None checks much of itself: the tests look at what
// it prints and does.
#ifndef ARENA_NODE_H
#define ARENA_NODE_H

#include <arena.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

// A line on stdout, at once.
__attribute__((format(printf, 1, 2))) static inline void say(const char *format, ...) {
    va_list values;
    va_start(values, format);
    vprintf(format, values);
    va_end(values);
    putchar('\n');
    fflush(stdout);
}

// argv[i], or what stands in for it.
static inline const char *text_arg(int argc, char **argv, int i, const char *otherwise) {
    return argc > i ? argv[i] : otherwise;
}

static inline unsigned long long number_arg(int argc, char **argv, int i,
                                            unsigned long long otherwise) {
    return argc > i ? strtoull(argv[i], NULL, 10) : otherwise;
}

static inline int open_channel(const char *path, int flags) {
    int channel = ch_open(path, flags, 0);
    if (channel < 0) {
        say("cannot open %s", path);
        exit(1);
    }
    return channel;
}

static inline int open_signals(void) {
    int fd = open(ARENA_SIGNALS, O_RDONLY);
    if (fd < 0) {
        perror(ARENA_SIGNALS);
        exit(1);
    }
    return fd;
}

// Whether signal 3 has come. Does not wait.
static inline bool told_to_save(int signals) {
    struct arena_signal signal;
    while (read(signals, &signal, sizeof signal) == sizeof signal)
        if (signal.number == ARENA_SIGNAL_SAVE)
            return true;
    return false;
}

static inline void sleep_for_ever(void) {
    for (;;)
        sleep(1000000);
}

// A clock that is the same for all modules of a machine.
static inline uint64_t now_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

#endif
