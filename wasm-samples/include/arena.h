// What a module of the ARENA can call beside WASI: channels, signals, uuids, periods.
//
// A channel binds a path of the module to an MQTT topic. Whoever starts the module says which
// (`arena run --channel light=realm/kitchen/light`, or "channels" in a create message). The
// module opens it by its path, and reads and writes whole messages.
//
//     int light = ch_open("light", CH_READ_WRITE, 0);
//     ch_write_msg(light, "on", 2);
//     while (ch_poll(&light, 1, 0) > 0) {
//         char message[256];
//         int size = ch_read_msg(light, message, sizeof message);
//         printf("%.*s\n", size, message);
//     }
//
// A channel whose path is /ch/NAME is also a directory, for programs that would rather use files:
//     /ch/NAME/data   open() subscribes; read() takes what has come, and gives 0 bytes at once
//                     when there is nothing; each write() publishes one message
//     /ch/NAME/info   read: the topic, the mode and counters, as JSON
//     /ch/NAME/ctl    reserved
// poll() waits for these files, /sys/signals and stdin together. Descriptors of ch_open() are
// none of WASI's: ch_poll() takes the one kind, poll() the other.
//
// Everything here is for one module. No function has an errno: -1 says that it failed.
#ifndef ARENA_H
#define ARENA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ARENA_IMPORT(name) __attribute__((import_module("env"), import_name(#name)))

// --- Channels ------------------------------------------------------------------------------

// The flags of ch_open(). They are not those of open().
enum { CH_READ = 0, CH_WRITE = 1, CH_READ_WRITE = 2 };

// Opens a channel, and subscribes to its topic if it is to be read. `path` is
//   - the path of a channel that was declared: its topic, or
//   - such a path and more ("light/status" for the channel "light"): its topic and "/status", or
//   - else a topic, if the node allows that: by default all of its realm but the control topics.
// A topic to be read may have the wildcards + and #. A declared channel's mode limits `flags`.
// `mode` has no meaning, 0 will do. Opening a path again gives the same descriptor.
// Returns a descriptor, or -1.
ARENA_IMPORT(ch_open) int ch_open(const char *path, int flags, int mode);

// Closes a channel. What was not read is lost. Returns 0, or -1.
ARENA_IMPORT(ch_close) int ch_close(int fd);

// Publishes one message. Never waits: when the link to the broker has too much to send already,
// the message is refused with -1, and then modules of the same runtime have got it all the same.
// Returns `size`, or -1.
ARENA_IMPORT(ch_write_msg) int ch_write_msg(int fd, const char *buf, size_t size);

// Takes the next message, never waits. What of it does not fit into `size` bytes is kept for the
// next calls, so take a buffer that is larger than any message: a full one may hold only a part.
// Returns the number of bytes, 0 if there is no message (or an empty one), or -1.
ARENA_IMPORT(ch_read_msg) int ch_read_msg(int fd, char *buf, size_t size);

// Waits until one of `nchs` channels has a message, at most `timeout` milliseconds; 0 waits for
// ever. Costs no processor time. Returns how many channels have a message (try to read each), 0
// if the time is over, or -1.
ARENA_IMPORT(ch_poll) int ch_poll(int *chs, int nchs, int timeout);

// --- Who and where -------------------------------------------------------------------------

enum { ARENA_UUID_SIZE = 37 }; // 36 characters and a NUL

// The uuid of the runtime, of this module, into ARENA_UUID_SIZE bytes. Return 0, or -1.
ARENA_IMPORT(runtime_get_uuid) int runtime_get_uuid(char *buf);
ARENA_IMPORT(module_get_uuid) int module_get_uuid(char *buf);

// --- Periods -------------------------------------------------------------------------------
// A period is one round of a module's work. How long they take is part of its profile.

enum { PERIOD_AUTOMATIC = 0, PERIOD_MANUAL = 1 };

// Manual: periods are what period_start() and period_end() say. Automatic, as it is at first:
// each ch_poll() begins one.
ARENA_IMPORT(period_set_flags) void period_set_flags(int flags);

ARENA_IMPORT(period_start) void period_start(void);
ARENA_IMPORT(period_end) void period_end(void);

// Ends the period, and gives what is left of this scheduling period to others.
ARENA_IMPORT(period_yield) void period_yield(void);

// --- Signals -------------------------------------------------------------------------------

// Each read() of ARENA_SIGNALS gives one of these for a signal that has come, or 0 bytes. poll()
// waits for it.
#define ARENA_SIGNALS "/sys/signals"

struct arena_signal {
    uint32_t number;
    uint8_t reserved[124];
};

// Save your state and exit: the module is about to be stopped, or moved to another runtime.
// After a grace time (5 seconds by default) it is ended anyway.
enum { ARENA_SIGNAL_SAVE = 3 }; // SIGQUIT

#ifdef __cplusplus
}
#endif

#endif
