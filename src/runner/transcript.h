// Turns what the streams of a run say into chunks: their lines, the text that waits for its newline, and the chunk that
// is being made. No I/O and no clock of its own. For one thread.
#pragma once

#include "model/chunk.h"
#include "model/mask.h"
#include "model/result.h"

#define TRANSCRIPT_STREAMS    2 // stdout and stderr
#define TRANSCRIPT_PARTIAL_MS 1000

struct transcript;

struct transcript_options {
    size_t message_max;
    // What is masked in all that comes, before it is a record; NULL: nothing. Borrowed. What may be the beginning of
    // such a text is no text that waits: it does not become a partial record.
    const struct mask *mask;
    // Takes a finished chunk. A negative result is final: everything after it is thrown away.
    int (*append)(void *arg, const struct chunk *chunk);
    void *arg;
    struct result_reader *result; // is given what comes on stdout, as it is recorded; may be NULL
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
// Adds a record that was made elsewhere. A message longer than message_max is cut into partial ones.
void transcript_add(struct transcript *transcript, const struct record *record);
void transcript_end(struct transcript *transcript, enum record_stream stream, int64_t time_ms);
// Called after each turn: text that has waited long enough for its newline becomes a partial record; for new text a
// wait begins.
void transcript_settle(struct transcript *transcript, uint64_t mono_ms);
// When transcript_settle must be called at the latest (monotonic ms); 0: nothing waits.
uint64_t transcript_due_ms(const struct transcript *transcript);
// Nothing was read for a while, so the rest of a line may have come long ago. All waits begin again.
void transcript_wait_anew(struct transcript *transcript, uint64_t mono_ms);
void transcript_flush(struct transcript *transcript); // gives everything to `append`
int transcript_failed(const struct transcript *transcript);
