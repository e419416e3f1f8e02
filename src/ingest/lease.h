// Which runner holds an execution. Pure: times come in, verdicts come out. Anything that its runner says keeps a lease
// alive. A lease that runs out makes the execution `lost`. After a long grace it is sealed.
//
//   (none) ──claim──▶ CLAIMING ──granted──▶ HELD ──silent past the lease──▶ LOST ──grace ran out──▶ (sealed, none)
//                        └──refused──▶ as before   ▲                          │
//                                                  └──────── resume ──────────┘
#pragma once

#include "util/error.h"
#include "util/map.h"

enum lease_state {
    LEASE_CLAIMING, // a claim is being committed; nobody else may claim
    LEASE_HELD,     // its runner was heard of within the lease; it may be connected or not
    LEASE_LOST,     // silent for longer than the lease; the same epoch may come back, and another runner may claim
};

struct lease {
    struct map_node node;
    int64_t row; // the execution
    enum lease_state state, before_claim;
    bool was_there; // it existed before the claim that is under way
    uint64_t epoch;
    uint64_t holder;      // connection number; 0: none
    uint64_t deadline_ms; // HELD: when it is lost; LOST: when it is sealed
    uint64_t lag_records;
    bool has_lag, cancel_asked;
    bool recovered; // the runner was heard of again, and the stored status is, or may be, still `lost`
    bool unspoken;  // it was granted, but its runner has not learned of it so far
    char cancel_reason[64];
};

struct lease_table {
    struct map leases;
    uint64_t lease_ms, lost_seal_ms;
    bool shared;        // other servers use the store too, so a lease may have gone to one of them unnoticed
    uint64_t unsure_ms; // when it could last not judge (lease_expire); 0: it always could
};

enum lease_verdict {
    LEASE_NEW,       // commit a claim, then call lease_granted or lease_refused
    LEASE_RETURN,    // another server may have it: ask the store for the lease, then call lease_returned
    LEASE_RESUME,    // the same runner is back and continues with its epoch; its former connection must be closed
    LEASE_TAKEN,     // another runner holds it
    LEASE_ELSEWHERE, // as TAKEN, but only the store knows of it: ask the store whose lease it is
    LEASE_FENCED,    // the epoch is no longer the newest
};

void lease_table_init(struct lease_table *table, uint64_t lease_ms, uint64_t lost_seal_ms);
void lease_table_release(struct lease_table *table);

// The store says that its lease belongs to this server now. It begins again, also if it was this server's before; if it
// is `lost` in both places, its grace does.
void lease_restore(struct lease_table *table, int64_t row, uint64_t epoch, bool lost, uint64_t now_ms);
struct lease_stored { // what the store says; it counts for executions without a lease here
    uint64_t epoch;   // 0: it never had a runner
    bool lost;
    bool ended; // it was told how; then it refuses each claim
};
// A runner connects. `epoch` is 0 if it brings none.
enum lease_verdict lease_connect(struct lease_table *table, int64_t row, uint64_t epoch, struct lease_stored stored,
                                 uint64_t holder, uint64_t now_ms, uint64_t *ret_former_holder);
// To be called after LEASE_RETURN, when the store has given the lease to this server. `lost`: it was lost there.
enum lease_verdict lease_returned(struct lease_table *table, int64_t row, uint64_t epoch, bool lost, uint64_t holder,
                                  uint64_t now_ms, uint64_t *ret_former_holder);
void lease_granted(struct lease_table *table, int64_t row, uint64_t epoch, uint64_t holder, uint64_t now_ms);
void lease_refused(struct lease_table *table, int64_t row);
// Its runner was heard of. Returns true if the execution was lost and must be `running` again.
bool lease_touch(struct lease_table *table, int64_t row, uint64_t holder, uint64_t now_ms);
// The status that lease_expire (LEASE_BECAME_LOST) or lease_touch asked for could not be stored. They will ask for it
// again; of LEASE_BECAME_LOST no sooner than a lease after the table could last not judge.
void lease_change_failed(struct lease_table *table, int64_t row, uint64_t epoch, bool to_lost, uint64_t now_ms);
void lease_disconnect(struct lease_table *table, int64_t row, uint64_t holder);
// Its runner went away before it was told its epoch, so anyone may claim at once.
void lease_abandon(struct lease_table *table, int64_t row, uint64_t holder);
void lease_end(struct lease_table *table, int64_t row); // the log was sealed
// The store says that a lease with this epoch no longer belongs to this server. Returns false if the lease has changed
// since, and keeps it.
bool lease_forget(struct lease_table *table, int64_t row, uint64_t epoch, uint64_t holder);
// Forgets all leases. Calls `forgotten` for each that a connection held.
void lease_forget_all(struct lease_table *table, void (*forgotten)(void *arg, int64_t row, uint64_t holder), void *arg);
bool lease_held_by(const struct lease *lease, uint64_t holder); // and nobody is about to take it
struct lease *lease_find(const struct lease_table *table, int64_t row);

enum lease_expiry { LEASE_BECAME_LOST, LEASE_TO_BE_SEALED };
// Calls the function for each lease that ran out. LEASE_TO_BE_SEALED is repeated each minute until lease_end.
// `may_judge`: see node_may_judge. While it may not, nothing runs out, and runners have the time of a lease to come
// back.
void lease_expire(struct lease_table *table, uint64_t now_ms, bool may_judge,
                  void (*expired)(void *arg, struct lease *lease, enum lease_expiry what), void *arg);
