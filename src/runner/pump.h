// One thread that reads a descriptor, hands the bytes to the recorder and writes them on unchanged. Blocking on
// purpose: its stdin and stdout are shared with other processes, so they must not be made non-blocking, and a slow
// reader of our output has to slow the child down.
#pragma once

#include "loop/loop.h"
#include "runner/recorder.h"

struct pump;

struct pump_options {
    int from;                  // borrowed; open until pump_free
    bool from_tty;             // `from` is the master of a pseudo-terminal
    int to;                    // borrowed; -1: nowhere. When it fails, the reading goes on
    bool end_with_reader;      // when `to` has no reader any more: reads what waits at that moment, and ends
    struct recorder *recorder; // NULL: only passes on
    // Without a recorder, may be NULL: how many bytes are before the first one that is a key for us. The pump leaves
    // that one out, tells `keyed`, and pauses. On the pump's thread.
    size_t (*before_key)(void *arg, const char *data, size_t len);
    void (*keyed)(void *arg); // on the loop
    bool paused;              // from the start
    enum record_stream stream;
    struct loop *loop;        // where `ended` runs
    void (*ended)(void *arg); // everything was read and passed on; or pump_stop; or its reader has gone
    // Once, there too: `to` has failed. -EPIPE: nobody reads it any more. May be NULL.
    void (*lost)(void *arg, enum record_stream stream, int err);
    // Once, there too: whoever writes into `from` seems to keep its output back (buffering.h). NULL: that is not looked
    // at.
    void (*kept_back)(void *arg, uint64_t quiet_ms);
    void *arg;
    uint64_t grace_ms; // after pump_writer_exited: read on until nothing came for 1 s, at most so long
};
int pump_new(const struct pump_options *options, struct pump **ret);
// The child is gone. What it wrote is read in any case; what others write who have the pipe as well, for the grace.
void pump_writer_exited(struct pump *pump);
// It has ended because nobody reads `to`; its `from` is not read any more.
bool pump_ended_with_reader(const struct pump *pump);
void pump_pause(struct pump *pump, bool pause); // reads nothing while it is paused
void pump_stop(struct pump *pump);              // reads nothing more
void pump_join(struct pump *pump);  // waits for the thread, which has been stopped or is at its end; NULL is fine
void pump_free(struct pump **pump); // after pump_join, and the calls that are due, which loop_free delivers if need be
