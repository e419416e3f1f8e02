// A thread that turns what the pumps have read into records. It gathers records into chunks, compresses the chunks and
// appends them to the spool. While it works on one chunk, the next one gathers. When nothing waits, it appends at once
// what it has.
//
// Text without a newline becomes a partial record after TRANSCRIPT_PARTIAL_MS. The timer runs only while such text
// waits. So the cost of a stream is bounded, however it is written: one record per line, one per message_max bytes, and
// one per TRANSCRIPT_PARTIAL_MS. The last limits a progress bar that is redrawn with '\r' many times a second.
//
// Memory is bounded by the slots: RECORDER_SLOTS for each stream. When the spool is full, no slot becomes free. Then
// the pump does not read, and the child blocks, as on any pipe.
#pragma once

#include "loop/loop.h"
#include "model/mask.h"
#include "model/record.h"
#include "model/result.h"
#include "runner/spool.h"

#define RECORDER_SLOT_SIZE (256u * 1024)
#define RECORDER_SLOTS     4

struct recorder;

struct recorder_slot { // One pump fills it. The recorder and the pump share it until both are done with it.
    struct list_node node;
    enum record_stream stream;
    _Atomic unsigned refs;
    size_t len;
    int64_t time_ms;
    bool onlcr;      // as in struct capture
    uint64_t serial; // set by recorder_put, from 1
    char data[RECORDER_SLOT_SIZE];
};

// Called on the loop's thread.
struct recorder_events {
    void (*spooled)(void *arg); // the spool has more, and a notice is due; one call for many appends
    void (*waiting)(void *arg); // the spool is full for the first time
    void (*added)(void *arg);   // records that were added are in the spool, or will never be: recorder_added tells
    // After recorder_close. Everything is in the spool, or `err` has ended the recording.
    void (*finished)(void *arg, int err);
};

struct recorder_options {
    struct spool *spool;
    struct loop *loop;
    size_t message_max;
    const struct mask *mask; // as in struct transcript_options
    const struct recorder_events *events;
    void *arg;
    struct result_reader *result; // for transcript_new; the thread's until `finished`
};
int recorder_new(const struct recorder_options *options, struct recorder **ret);
// Only after `finished`, which is the last event.
void recorder_free(struct recorder **recorder);

// --- For pumps; any thread.

// Waits for a free slot. The pump fills data, len, time_ms and onlcr, and puts it. recorder_put and recorder_drop each
// give up one reference.
struct recorder_slot *recorder_take(struct recorder *recorder, enum record_stream stream);
// Puts slots in order per stream. The pump keeps its own reference.
void recorder_put(struct recorder *recorder, struct recorder_slot *slot);
// Waits until the complete lines of the slot are in the spool (or the recording has failed). So a line that is shown is
// recorded, even if we are killed directly afterwards. Text without a newline is not waited for; it is recorded at most
// TRANSCRIPT_PARTIAL_MS after it came.
void recorder_wait_spooled(struct recorder *recorder, const struct recorder_slot *slot);
void recorder_drop(struct recorder *recorder, struct recorder_slot *slot); // gives up the pump's reference
void recorder_end(struct recorder *recorder, enum record_stream stream);   // after the last slot of the stream

// --- For the loop.
// Adds a record that was made elsewhere, in order after what was put before. Copies its bytes.
void recorder_add(struct recorder *recorder, const struct record *record);
// 1 if all that was added is in the spool, 0 if not yet; an error if the recording has ended with it.
int recorder_added(struct recorder *recorder);
void recorder_room(struct recorder *recorder); // something was acked: tries again if the spool was full
// The job has ended, and nobody waits for the server any more. What is still in pipes and buffers, at most a few MiB,
// is stored beyond the spool's limit. Only a full disk loses it.
void recorder_overrun(struct recorder *recorder);
void recorder_close(struct recorder *recorder); // all streams have ended: finish
// Stops waiting for room. What does not fit is lost, and `finished` gets ERR_STORE_FULL.
void recorder_abandon(struct recorder *recorder);
