// The other servers of the database: what they are told of this one's commits, and what is heard of theirs. Two
// threads: the bus's, for hints (engine/hints.h), and one that reads the news once a second, or when a hint says so.
#pragma once

#include "store/engine/write/transaction.h"

struct peers;
struct postgres_store;

// A random number that tells this process from the other servers.
uint64_t peers_sender(void);
int peers_start(struct postgres_store *store, struct peers **ret);
void peers_free(struct peers **peers); // ends the threads; does nothing for NULL
// The writer has committed: others hear of it. Never waits.
void peers_committed(struct peers *peers, const struct transaction *tx);

// log_engine.tell
int peers_tell(struct transaction *tx, const struct store_news *news, const int64_t *subjects, size_t count,
               int64_t *ret_number);
