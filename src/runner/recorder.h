// The thread that makes records of what the pumps have read, gathers them into chunks, compresses these and appends
// them to the spool. While it is busy with one chunk, the next one gathers; when nothing waits, it appends at once what
// it has.
//
// Text whose newline does not come becomes a partial record after RECORDER_PARTIAL_MS; the timer runs only while such
// text waits. So what a stream costs is bounded however it is written: a record for each line, one for each message_max
// bytes, and one for each RECORDER_PARTIAL_MS, also for a bar that is drawn again by '\r' many times a second.
//
// Memory is bounded by the slots: RECORDER_SLOTS for each stream. When the spool is full no slot becomes free, so that
// the pump does not read, and the child blocks as on any pipe.
#pragma once

#include "loop/loop.h"
#include "model/record.h"
#include "runner/spool.h"

#define RECORDER_SLOT_SIZE  (256u * 1024)
#define RECORDER_SLOTS      4
#define RECORDER_CHUNK_RAW  (256u * 1024) // a chunk is closed at this many bytes
#define RECORDER_STREAMS    2             // stdout and stderr
#define RECORDER_PARTIAL_MS 1000

struct recorder;

struct recorder_slot { // filled by one pump; shared by the recorder and the pump until both are done with it
    struct list_node node;
    enum record_stream stream;
    _Atomic unsigned refs;
    size_t len;
    int64_t time_ms;
    bool onlcr;      // as in struct capture
    uint64_t serial; // set by recorder_put, from 1
    char data[RECORDER_SLOT_SIZE];
};

// On the loop's thread.
struct recorder_events {
    void (*spooled)(void *arg); // the spool has more, and notice is due; once for many appends
    void (*waiting)(void *arg); // the spool is full, for the first time
    void (*finished)(void *arg,
                     int err); // after recorder_close: all is in the spool, or the error that ended the recording
};

struct recorder_options {
    struct spool *spool;
    struct loop *loop;
    size_t message_max;
    const struct recorder_events *events;
    void *arg;
};
int recorder_new(const struct recorder_options *options, struct recorder **ret);
// Only after `finished`, which is the last that the thread sends.
void recorder_free(struct recorder **recorder);

// --- For pumps, any thread.
// Waits for a free slot. The pump fills data, len, time_ms and onlcr and puts it; both put and drop give one reference
// away.
struct recorder_slot *recorder_take(struct recorder *recorder, enum record_stream stream);
void recorder_put(struct recorder *recorder,
                  struct recorder_slot *slot); // in order per stream; the pump keeps its own reference
// Waits until the slot's whole lines are in the spool (or the recording has failed): a line that is shown is recorded,
// even if we are killed the moment after. Text without its newline is not waited for; it is recorded
// RECORDER_PARTIAL_MS after it came at the latest.
void recorder_wait_spooled(struct recorder *recorder, const struct recorder_slot *slot);
void recorder_drop(struct recorder *recorder, struct recorder_slot *slot); // the pump's reference
void recorder_end(struct recorder *recorder, enum record_stream stream);   // after its last slot

// --- For the loop.
// A line of our own, in order with what was put before.
void recorder_add_line(struct recorder *recorder, enum record_stream stream, struct str line, int64_t time_ms);
void recorder_room(struct recorder *recorder); // something was acked: try again if the spool was full
// The job has ended and nobody waits for the server any more: what is still in pipes and buffers, some MiB at most,
// goes beyond the spool's limit rather than being lost. Only a full disk loses it.
void recorder_overrun(struct recorder *recorder);
void recorder_close(struct recorder *recorder); // all streams have ended: finish
void recorder_abandon(
    struct recorder *recorder); // stop waiting for room; what does not fit is lost, and `finished` says ERR_STORE_FULL
