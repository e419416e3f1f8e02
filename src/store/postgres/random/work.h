// What is done in a world as long as nothing fails: each operation is run at a server, its answer is compared with the
// model's, and what was done is applied to the model. What a server refuses as unavailable was not done (world_run).
// As for threads and failures: world.h.
#pragma once

#include "store/postgres/random/world.h"

// --- work.c
// Some steps of those that may be taken while something is under way.
void world_work(struct world *world, size_t steps);

// --- appends.c
struct model_append world_fresh(struct world *world, const struct model_log *log, int producer); // the next one
int world_any_producer(struct world *world); // the first one most often
struct store_append world_append_of(const struct model_log *log, const struct model_append *asked, struct chunk *chunk);
void world_check_append(const struct store_append *append, const struct model_answer *wanted);
void world_note_append(struct world *world, const struct world_server *server, const struct model_log *log,
                       const struct model_append *asked, const char *what, int err);
int world_append(struct world *world, struct world_server *server, struct model_log *log,
                 const struct model_append *asked); // returns what the operation says
// Steps:
void world_append_fresh(struct world *world);
void world_append_again(struct world *world); // as a whole; or with more behind it; or something else
void world_append_wrong(struct world *world);
void world_append_behind_gap(struct world *world);
void world_come_home(struct world *world); // what a server keeps, with its next commit

// --- together.c
// Begins an append. `call` is one of the world's and has the answer after world_await, which waits for all that is
// under way; `calls`: how many of the world's were begun.
void world_call(struct world *world, struct world_call *call, struct world_server *server, struct model_log *log,
                const struct model_append *asked);
void world_await(struct world *world, size_t calls);
void world_append_together(struct world *world); // a step

// --- outcomes.c
struct outcome_ask world_ask_of_end(const struct store_complete *complete);
struct store_complete world_right_end(const struct model_log *log, int producer);
void world_complete(struct world *world, struct world_server *server, struct model_log *log,
                    struct store_complete *complete, int producer); // releases what was answered
// What comes of it is the model's; the answer `err` must be the same.
void world_expect_outcome(struct world *world, struct model_log *log, const struct outcome_ask *ask, int err);
// Steps:
void world_claim(struct world *world);
void world_change(struct world *world);
void world_end(struct world *world);

// --- executions.c
void world_make(struct world *world, struct model_log *log); // anew: the log that was there is forgotten
// Steps:
void world_make_another(struct world *world);
void world_cut(struct world *world);
void world_purge(struct world *world);

// --- reads.c
void world_read_from(struct world_server *server, const struct model_log *log, uint64_t from);
void world_check_status(struct world *world, struct world_server *server, const struct model_log *log);
void world_check_producer(struct world *world, struct world_server *server, const struct model_log *log, int number);
// Steps:
void world_read_some(struct world *world);
void world_look(struct world *world);
