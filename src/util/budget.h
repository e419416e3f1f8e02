// One budget for the memory that the server holds for others: what they sent and is not durable yet, and what was made
// for them and they have not taken yet. Each holder has a part of the whole; the parts add up to it. Thread-safe,
// without a lock on the way: two atomic counters a step, so a step is a chunk, a body or an answer, never a line.
//
// Fair by account: whoever holds nothing may take what is left; else an account may hold no more than is still free
// afterwards, so none holds more than half of what the others leave. What comes without a credential is one account, of
// BUDGET_STRANGERS bytes. Fair by connection: what one may hold has limits of its own, and never more than
// budget_connection_max.
#pragma once

#include "util/map.h"

#include <pthread.h>
#include <stdatomic.h>

// X(name, sixteenths of the whole, most in MiB, what it holds, at the bound). docs/internals/memory.md and the metrics
// are of this table.
#define BUDGET_HOLDERS(X)                                                                                           \
    X(requests, 2, 256, "heads, bodies and messages on their way in",                                               \
      "a body gets 503 with Retry-After before it is read; the rest of a runner's message waits, after 10 s it is " \
      "told to come back (1013)")                                                                                   \
    X(answers, 4, 512, "answers that their reader has not taken",                                                   \
      "a page in the making ends early, with its cursor; what is whole becomes 503 with Retry-After; an answer "    \
      "that makes no progress for 10 s is cut")                                                                     \
    X(intake, 3, 128, "records on their way to the store",                                                          \
      "no more is read from the runner's socket until what it sent is committed")                                   \
    X(scans, 1, 128, "chunks that are filtered for followers", "the next follower waits until one is done")         \
    X(cache, 4, 0, "the log cache, with what it was encoded to", "the least recently used goes")                    \
    X(pinned, 2, 256, "records handed to followers' sockets, beyond the first 64 KiB of each",                      \
      "a follower is handed no more than 64 KiB at once; what it has not taken a second later is copied, its "      \
      "chunk let go, and read again when it is wanted")

enum budget_holder {
#define BUDGET_ENUM(name, sixteenths, most, what, policy) BUDGET_##name,
    BUDGET_HOLDERS(BUDGET_ENUM)
#undef BUDGET_ENUM
        BUDGET_HOLDER_COUNT
};

#define BUDGET_STRANGERS ((size_t)16 * 1024 * 1024)
#define BUDGET_NOBODY    INT64_C(0) // the account of what comes without a credential

struct budget;
struct budget_account;

struct budget *budget_new(uint64_t memory_max);
void budget_free(struct budget **budget); // after all of its accounts were given back
uint64_t budget_max(const struct budget *budget);
size_t budget_bound(const struct budget *budget, enum budget_holder holder);
size_t budget_held(const struct budget *budget, enum budget_holder holder);
uint64_t budget_refused(const struct budget *budget, enum budget_holder holder); // how often it said no
// What one connection may hold at most: an eighth of the holder's part. NULL: SIZE_MAX.
size_t budget_connection_max(const struct budget *budget, enum budget_holder holder);

// An account's counters; one reference each. NULL for a NULL budget, and NULL may be given to all that follows: it
// holds nothing and may take everything.
struct budget_account *budget_account(struct budget *budget, int64_t id);
struct budget_account *budget_account_ref(struct budget_account *account);
void budget_account_unref(struct budget_account **account);

// False, and nothing is taken, if that is more than its share.
MUST_USE bool budget_take(struct budget_account *account, enum budget_holder holder, size_t bytes);
// For what is there already, whether it fits or not.
void budget_charge(struct budget_account *account, enum budget_holder holder, size_t bytes);
void budget_give(struct budget_account *account, enum budget_holder holder, size_t bytes);
// How much more it may take now.
size_t budget_room(const struct budget_account *account, enum budget_holder holder);
// Whether it may hold as much as it does.
bool budget_within(const struct budget_account *account, enum budget_holder holder);
// Whether more than three quarters of the holder's part, or half of what the account may have, is held: what is slow is
// given up then.
bool budget_tight(const struct budget_account *account, enum budget_holder holder);

// What one owner holds. Zero is nothing. One thread at a time.
struct budget_lease {
    struct budget_account *account; // its own reference while `bytes` > 0
    enum budget_holder holder;
    size_t bytes;
};
// Grows or shrinks it; false, and it stays as it was, if it may not grow so far.
MUST_USE bool budget_lease_set(struct budget_lease *lease, struct budget_account *account, enum budget_holder holder,
                               size_t bytes);
void budget_lease_charge(struct budget_lease *lease, struct budget_account *account, enum budget_holder holder,
                         size_t bytes); // the same, for what is there already
void budget_lease_release(struct budget_lease *lease);
