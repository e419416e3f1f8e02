// The runner's side of the protocol. Pure: events in, actions out; no I/O and no clock of its own. The driver owns the
// spool and the socket.
//
//   offline ──connect──▶ connecting ──opened──▶ greeting ──ready──▶ streaming ──(all acked, job ended)──▶ completing
//   ──completed──▶ done
//      ▲                      │                     │                   │                                      │
//      └──────────────────────┴──────── lost (any state but done/failed): back-off ◀────────────────────────────┘
#pragma once

#include "model/status.h"
#include "util/backoff.h"
#include "util/error.h"

#define UPLINK_WINDOW (256u * 1024) // records

enum uplink_state {
    UPLINK_OFFLINE,    // waiting for the next try
    UPLINK_CONNECTING, // the driver is opening the socket
    UPLINK_GREETING,   // the socket is open; `ready` has not come
    UPLINK_STREAMING,  // sends from `sent` on
    UPLINK_COMPLETING, // `complete` was sent
    UPLINK_DONE,       // the log is sealed, and the server has shown that it has all of the spool, which may be deleted
    UPLINK_FAILED,     // it will never work: fenced, purged, refused; `error` says why; the spool stays
};

enum uplink_action_kind {
    UPLINK_WAIT,    // nothing to do before the next event or before `at_ms`
    UPLINK_CONNECT, // open the socket now
    UPLINK_SEND,    // send the records from counter `from` to below `to` as one chunk frame; then call uplink_sent
    // Tell the server that [from, to) are lost: {"type":"skip","next_sequence":to,"reason"}; then call uplink_sent(to).
    UPLINK_SEND_SKIP,
    UPLINK_SEND_COMPLETE, // send `complete`; then call uplink_complete_sent
    UPLINK_CLOSE,         // close the socket, because an error needs a new start; then ask again
};

struct uplink_action {
    enum uplink_action_kind kind;
    uint64_t from, to;
    uint64_t at_ms; // for WAIT: monotonic time of the next call; 0 = only after an event
};

// What the server says that it has from this producer.
struct uplink_stored {
    uint64_t next;   // the counter after the last record
    bool has_digest; // false: the server does not say
    uint64_t digest; // running digest of all records below `next`
};

struct uplink {
    enum uplink_state state;
    uint64_t spool_first, spool_next; // what the spool has
    uint64_t acked;                   // counters below it are durable at the server
    uint64_t sent;                    // counters below it were sent on this connection
    // At most so many records may be sent and not acked (the driver's socket limits the bytes).
    uint64_t window;
    uint64_t epoch; // 0: there is none yet
    char incarnation[32];
    bool job_ended;
    uint64_t spool_digest; // of everything that was ever recorded; set when the job has ended
    // Set by the driver: the machine that recorded went down, so the server may have more than the spool.
    bool tail_lost;
    struct uplink_stored told; // what `ready` or `completed` last said on this connection
    bool with_digest;          // false after the server has refused it once
    bool close_wanted;         // UPLINK_CLOSE must come next
    int error;                 // why it has FAILED; otherwise the last refusal, for people
    struct backoff backoff;
    uint64_t retry_at_ms;
    uint64_t ready_at_ms; // when the present connection was first asked for work; 0: not yet
};

void uplink_init(struct uplink *uplink, uint64_t spool_first, uint64_t spool_next, uint64_t epoch,
                 uint64_t random_seed);
// Returns what to do next. Carry it out and ask again, until UPLINK_WAIT. now_ms > 0.
struct uplink_action uplink_next(struct uplink *uplink, uint64_t now_ms);

// Events.
void uplink_spooled(struct uplink *uplink, uint64_t spool_first, uint64_t spool_next);
void uplink_opened(struct uplink *uplink);
// The socket could not be opened, or it has ended. The first retry is immediate; later ones wait a random time of at
// most 5 s.
void uplink_lost(struct uplink *uplink, uint64_t now_ms);
// Comes once after opening, and again when the server must go back. If the server claims more than was ever sent, that
// is refused as ERR_UNPROVEN, unless tail_lost.
void uplink_ready(struct uplink *uplink, const struct uplink_stored *stored, uint64_t epoch, const char *incarnation);
void uplink_sent(struct uplink *uplink, uint64_t next);
void uplink_acked(struct uplink *uplink, uint64_t sequence_number); // all records up to and including that number
// For an `error` message, or the answer to the handshake: gap, conflict, fenced, sealed, digest_mismatch, …
void uplink_refused(struct uplink *uplink, int err, bool has_next, uint64_t next_sequence, uint64_t now_ms);
void uplink_job_ended(struct uplink *uplink, uint64_t spool_digest);
void uplink_complete_sent(struct uplink *uplink);
// It is the end only with the spool's own counter and digest. Otherwise it is ERR_UNPROVEN: final if the job has ended;
// before that nothing was asked for, and a new connection is made.
void uplink_completed(struct uplink *uplink, const struct uplink_stored *stored, uint64_t now_ms);
uint64_t uplink_lag(const struct uplink *uplink);    // records that were captured and are not yet durable at the server
bool uplink_awaits_ack(const struct uplink *uplink); // true if something that was sent on this connection is not acked
// True if `ready` came on this connection and nothing is left to send or to be acked.
bool uplink_delivered(const struct uplink *uplink);
