// The records of one request that belong to several executions: what collectors of logs send. Each execution gets its
// records in the order in which they were added, or those of a late source as ingest/late.h numbers them; one that does
// not exist is made if the caller may. On the loop's thread.
#pragma once

#include "api/call.h"
#include "source/arrival.h"

#define GATHER_EXECUTIONS_MAX 1000 // in one request; what is for further ones is refused

struct gather_answer {
    uint64_t taken, refused; // records; those taken before (the same body was sent again) count as taken
    const char *reason;      // why the last ones were refused; NULL: none were
    // Nothing is wrong with the records, but the server cannot take them now (503, 507, 429): the client should send
    // all of them again. What was taken already is not taken twice.
    int err;
    void *arg; // of gather_new_late
};

struct gather;
// `body` names the records: the same ones, sent again within the time that idempotency keys are kept, are not taken
// again. `done` is called once, by gather_send; the gatherer is freed after it.
struct gather *gather_new(struct call *call, struct str body,
                          void (*done)(struct call *call, const struct gather_answer *answer));
struct arrival_reader gather_reader(struct gather *gather); // what is handed over to it is gathered
// The same for events of a late source: each is taken once, by its id, whichever body it comes in.
struct gather *gather_new_late(struct call *call, void (*done)(struct call *call, const struct gather_answer *answer),
                               void *arg);
void gather_send(struct gather *gather);
void gather_free(struct gather **gather); // one that was not sent
