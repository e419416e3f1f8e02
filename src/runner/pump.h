// A thread that reads a descriptor, gives the bytes to the recorder, and writes them on unchanged. It blocks on
// purpose: stdin and stdout are shared with other processes, so they must not be made non-blocking, and a slow reader
// of our output must slow the child down.
#pragma once

#include "loop/loop.h"
#include "runner/recorder.h"

struct pump;

struct pump_options {
    int from;                  // borrowed; must stay open until pump_free
    bool from_tty;             // `from` is the master of a pseudo-terminal
    int to;                    // borrowed; -1: nowhere. If writing fails, reading goes on
    bool end_with_reader;      // when `to` has lost its reader: reads what is waiting at that moment, and ends
    struct recorder *recorder; // NULL: the bytes are only passed on
    // Only without a recorder; may be NULL. Returns how many bytes come before the first one that is a key for us. The
    // pump leaves that key out, calls `keyed`, and pauses. Called on the pump's thread.
    size_t (*before_key)(void *arg, const char *data, size_t len);
    void (*keyed)(void *arg); // called on the loop
    bool paused;              // whether it begins paused
    enum record_stream stream;
    struct loop *loop;        // `ended` and the other events run here
    void (*ended)(void *arg); // everything was read and passed on; or pump_stop was called; or the reader is gone
    // Called once, on the loop: writing to `to` has failed. -EPIPE: it has no reader any more. May be NULL.
    void (*lost)(void *arg, enum record_stream stream, int err);
    // Called once, on the loop: the writer seems to keep its output in a buffer (buffering.h). NULL: do not look for
    // that.
    void (*kept_back)(void *arg, uint64_t quiet_ms);
    void *arg;
    uint64_t grace_ms; // after pump_writer_exited: reads until nothing has come for 1 s, but at most for so long
};
int pump_new(const struct pump_options *options, struct pump **ret);
// The child is gone. Everything that it wrote is read. What other holders of the pipe write is read during the grace.
void pump_writer_exited(struct pump *pump);
// True if it has ended because `to` lost its reader. Then nobody reads `from` any more.
bool pump_ended_with_reader(const struct pump *pump);
void pump_pause(struct pump *pump, bool pause); // while it is paused it reads nothing
void pump_stop(struct pump *pump);              // reads nothing more
void pump_join(struct pump *pump); // waits for the thread, which must be stopped or at its end; NULL is fine
// Only after pump_join, and after the calls that are due (loop_free delivers them, too).
void pump_free(struct pump **pump);
