// The runner's side of the protocol, pure: events in, actions out; no I/O, no clock of its own. The driver owns the
// spool and the socket.
//
//   offline ──connect──▶ connecting ──opened──▶ greeting ──ready──▶ streaming ──(all acked, job ended)──▶ completing
//   ──completed──▶ done
//      ▲                      │                     │                   │                                      │
//      └──────────────────────┴──────── lost (any state but done/failed): back-off ◀────────────────────────────┘
#pragma once

#include "model/status.h"
#include "util/error.h"

#define UPLINK_WINDOW       (256u * 1024) // records
#define UPLINK_RETRY_MAX_MS 5000
#define UPLINK_STEADY_MS    5000 // a connection that lived so long was no failed attempt

enum uplink_state {
    UPLINK_OFFLINE,    // waiting for the next try
    UPLINK_CONNECTING, // the driver is opening the socket
    UPLINK_GREETING,   // open; `ready` has not come
    UPLINK_STREAMING,  // sending from `sent` on
    UPLINK_COMPLETING, // `complete` was sent
    UPLINK_DONE,       // sealed, and the server has shown that it has all that the spool has: that may be deleted
    UPLINK_FAILED,     // will never work: fenced, purged, refused; `error` says why; the spool stays
};

enum uplink_action_kind {
    UPLINK_WAIT,      // nothing to do before the next event, or before `at_ms`
    UPLINK_CONNECT,   // open the socket now
    UPLINK_SEND,      // send the records from counter `from` (below `to`): as one chunk frame; then call uplink_sent
    UPLINK_SEND_SKIP, // tell the server that [from, to) are lost: {"type":"skip","next_sequence":to,"reason"}; then
                      // call uplink_sent(to)
    UPLINK_SEND_COMPLETE, // send `complete`; then call uplink_complete_sent
    UPLINK_CLOSE,         // close the socket (after an error that needs a new start); then go on asking
};

struct uplink_action {
    enum uplink_action_kind kind;
    uint64_t from, to;
    uint64_t at_ms; // for WAIT: monotonic time to ask again; 0 = only on an event
};

// What the server says that it has of this producer's records.
struct uplink_stored {
    uint64_t next;   // the counter after the last one
    bool has_digest; // false: it does not say
    uint64_t digest; // running digest of all below `next`
};

struct uplink {
    enum uplink_state state;
    uint64_t spool_first, spool_next; // what the driver has
    uint64_t acked;                   // counters below it are durable at the server
    uint64_t sent;                    // counters below it were sent on this connection
    uint64_t window;                  // at most so many records (bytes: the driver's socket) unacked under way
    uint64_t epoch;                   // 0: none yet
    char incarnation[32];
    bool job_ended;
    uint64_t spool_digest; // of all that was ever recorded, once the job has ended
    bool tail_lost; // set by the driver: the recorder's machine went down, so the server may have more than the spool
    struct uplink_stored told; // its last word: of `ready` or `completed`, on this connection
    bool with_digest;          // dropped after the server refused it once
    bool close_wanted;         // UPLINK_CLOSE is due
    int error;                 // why FAILED; else the last refusal, for people
    unsigned attempts;         // failed ones in a row
    uint64_t retry_at_ms;
    uint64_t ready_at_ms; // when the present connection was first asked for work; 0: not yet
    uint64_t random;      // seed of the jitter; advanced by each use
};

void uplink_init(struct uplink *uplink, uint64_t spool_first, uint64_t spool_next, uint64_t epoch,
                 uint64_t random_seed);
// What to do next. Ask again after carrying it out, until UPLINK_WAIT. now_ms > 0.
struct uplink_action uplink_next(struct uplink *uplink, uint64_t now_ms);

// Events.
void uplink_spooled(struct uplink *uplink, uint64_t spool_first, uint64_t spool_next);
void uplink_opened(struct uplink *uplink);
void uplink_lost(struct uplink *uplink,
                 uint64_t now_ms); // could not open, or the socket ended; first retry at once, then jitter, ≤ 5 s apart
// Once after opening; again when the server has to go back.
// More than was ever sent is refused as ERR_UNPROVEN, unless tail_lost.
void uplink_ready(struct uplink *uplink, const struct uplink_stored *stored, uint64_t epoch, const char *incarnation);
void uplink_sent(struct uplink *uplink, uint64_t next);
void uplink_acked(struct uplink *uplink, uint64_t sequence_number); // all up to and with it
// An `error` message, or the answer to the handshake: gap, conflict, fenced, sealed, digest_mismatch, …
void uplink_refused(struct uplink *uplink, int err, bool has_next, uint64_t next_sequence, uint64_t now_ms);
void uplink_job_ended(struct uplink *uplink, uint64_t spool_digest);
void uplink_complete_sent(struct uplink *uplink);
// Only with the spool's own counter and digest is it the end. With others it is ERR_UNPROVEN: for good once the job has
// ended; before, nothing was asked for, and the connection begins anew.
void uplink_completed(struct uplink *uplink, const struct uplink_stored *stored, uint64_t now_ms);
uint64_t uplink_lag(const struct uplink *uplink);    // records captured and not yet durable at the server
bool uplink_awaits_ack(const struct uplink *uplink); // for something that was sent on this connection
bool uplink_delivered(
    const struct uplink *uplink); // `ready` came on this connection and nothing is left to send or to be acked
