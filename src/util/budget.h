// One budget for the memory that the server holds for others: data that they sent and that is not durable yet, and data
// that was made for them and that they have not taken yet. Each holder (a kind of use) has a part of the whole, and the
// parts add up to it. Thread-safe. The usual path takes no lock: one step is two atomic counters. A step is a chunk, a
// body or an answer, never a line.
//
// It is fair by account. An account that holds nothing may take what is left. Any other account may hold no more than
// what is still free afterwards; so no account holds more than half of what the others leave. Everything that comes
// without a credential is one account, with BUDGET_STRANGERS bytes.
//
// It is fair by connection. What one connection may hold has limits of its own, and is never more than
// budget_connection_max.
#pragma once

#include "util/map.h"

#include <pthread.h>
#include <stdatomic.h>

// X(name, sixteenths of the whole, maximum in MiB, what it holds, what happens at the limit). docs/internals/memory.md
// and the metrics follow this table.
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
#define BUDGET_NOBODY    INT64_C(0) // the account of everything that comes without a credential

struct budget;
struct budget_account;

struct budget *budget_new(uint64_t memory_max);
void budget_free(struct budget **budget); // only after all of its accounts were given back
uint64_t budget_max(const struct budget *budget);
size_t budget_bound(const struct budget *budget, enum budget_holder holder);
size_t budget_held(const struct budget *budget, enum budget_holder holder);
uint64_t budget_refused(const struct budget *budget, enum budget_holder holder); // how often it refused
// What one connection may hold at most: an eighth of the holder's part. SIZE_MAX if `budget` is NULL.
size_t budget_connection_max(const struct budget *budget, enum budget_holder holder);

// Returns the counters of an account; each call takes one reference. Returns NULL for a NULL budget. All functions
// below take NULL as an account that holds nothing and may take everything.
struct budget_account *budget_account(struct budget *budget, int64_t id);
struct budget_account *budget_account_ref(struct budget_account *account);
void budget_account_unref(struct budget_account **account);

// Takes the bytes. Returns false, and takes nothing, if that is more than the account's share.
MUST_USE bool budget_take(struct budget_account *account, enum budget_holder holder, size_t bytes);
// Counts bytes that are held already, whether they fit or not.
void budget_charge(struct budget_account *account, enum budget_holder holder, size_t bytes);
void budget_give(struct budget_account *account, enum budget_holder holder, size_t bytes);
// Returns how much more the account may take now.
size_t budget_room(const struct budget_account *account, enum budget_holder holder);
// Whether the account holds no more than it may.
bool budget_within(const struct budget_account *account, enum budget_holder holder);
// Whether more than three quarters of the holder's part is held, or more than half of what the account may have. The
// server then gives up what is slow.
bool budget_tight(const struct budget_account *account, enum budget_holder holder);

// What one owner holds. A zeroed lease holds nothing. For one thread at a time.
struct budget_lease {
    struct budget_account *account; // the lease's own reference, while `bytes` > 0
    enum budget_holder holder;
    size_t bytes;
};
// Grows or shrinks the lease. Returns false, and changes nothing, if it may not grow so far.
MUST_USE bool budget_lease_set(struct budget_lease *lease, struct budget_account *account, enum budget_holder holder,
                               size_t bytes);
// Sets the lease to bytes that are held already, whether they fit or not.
void budget_lease_charge(struct budget_lease *lease, struct budget_account *account, enum budget_holder holder,
                         size_t bytes);
void budget_lease_release(struct budget_lease *lease);
