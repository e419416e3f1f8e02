// The other servers of the database: what they are told of this one's commits, and what is heard of theirs. Two
// threads: the bus's, for hints (engine/hints.h), and one that reads the news once a second, or when a hint says so.
#pragma once

#include "bus/bus.h"
#include "store/engine/write/transaction.h"

struct peers;
struct postgres_options;
struct postgres_store;

// A random number that tells this process from the other servers.
uint64_t peers_sender(void);
// *ret_reason tells of ERR_INVALID: the bus.
int peers_start(struct postgres_store *store, const struct postgres_options *options, struct peers **ret,
                struct buf *ret_reason);
void peers_free(struct peers **peers);                 // ends the threads; does nothing for NULL
const char *peers_bus_away(const struct peers *peers); // as store_bus_away
// The writer has committed: others hear of it. Never waits.
void peers_committed(struct peers *peers, const struct transaction *tx);
// It is not known whether this transaction of the writer's was committed, and its operations have failed. If it turns
// out that it was, this server hears of it as the others do. Never waits.
void peers_unsure(struct peers *peers, uint64_t transaction);

// log_engine.tell
int peers_tell(struct transaction *tx, const struct store_news *news, const int64_t *subjects, size_t count,
               int64_t *ret_number);
