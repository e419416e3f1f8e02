// What the streams of a run say, as chunks: their lines, the text that waits for its newline, and the chunk under way.
// No I/O and no clock of its own. One thread.
#pragma once

#include "model/chunk.h"

#define TRANSCRIPT_STREAMS    2 // stdout and stderr
#define TRANSCRIPT_PARTIAL_MS 1000

struct transcript;

struct transcript_options {
    size_t message_max;
    // Takes a finished chunk. A negative result is final: what comes after it is thrown away.
    int (*append)(void *arg, const struct chunk *chunk);
    void *arg;
};
struct transcript *transcript_new(const struct transcript_options *options);
void transcript_free(struct transcript **transcript);

struct transcript_bytes {
    enum record_stream stream; // stdout or stderr
    const void *data;
    size_t len;
    int64_t time_ms;
    bool onlcr; // as in struct capture
};
void transcript_feed(struct transcript *transcript, const struct transcript_bytes *bytes);
// A record that was made elsewhere. A message longer than message_max is cut into partial ones.
void transcript_add(struct transcript *transcript, const struct record *record);
void transcript_end(struct transcript *transcript, enum record_stream stream, int64_t time_ms);
// After each turn: what has waited for its newline long enough becomes a partial record; a wait begins for what is new.
void transcript_settle(struct transcript *transcript, uint64_t mono_ms);
// When transcript_settle is to be called at the latest (monotonic ms); 0: nothing waits.
uint64_t transcript_due_ms(const struct transcript *transcript);
// Nothing was read for a while, so the rest of a line may have come long ago: all waits begin anew.
void transcript_wait_anew(struct transcript *transcript, uint64_t mono_ms);
void transcript_flush(struct transcript *transcript); // what there is goes to `append`
int transcript_failed(const struct transcript *transcript);
