// What the files of store/shards/ share: the stores, and tasks: operations that are carried out by operations on some
// of them.
#pragma once

#include "store/adapter.h"
#include "store/shards/shards.h"

struct shards;
struct shards_route;

struct member { // one of the stores
    struct shards *shards;
    struct store *store; // store/shards/awaited.h, if it was away at the start
    char *name, *why;    // `why` it was away at the start; may be NULL
    unsigned number;
    bool closed, empty, awaited;
    _Atomic int64_t node;                  // this server's, as far as the store was told; 0: it was not
    atomic_bool behind;                    // it may not have all accounts as they are in the home
    _Atomic uint64_t cold_epoch, cold_for; // of the mover's lease; and the home's, with which it was claimed
    atomic_int away;                       // why it last served nothing: ERR_UNAVAILABLE; 0: it serves
    _Atomic uint64_t probed_ms;            // clock_mono_ms of the probe that it has not answered yet; 0: there is none
};

#define COUNTED_MAX 64
struct counted { // what was open of an account, in all stores, and what was made since
    int64_t account;
    uint64_t queued, others, made, at_ms; // at_ms: by clock_mono_ms; 0: it was not counted
};

struct shards {
    struct store base;
    const struct shards_route *routes; // by kind
    struct member members[STORE_SHARDS_MAX];
    unsigned count;
    char set[SHARD_SET_MAX]; // the name of all of them
    unsigned known;          // so many had come before this start
    uint64_t moved_until_ms; // clock_mono_ms; till then an idempotency key may be where its share was before
    _Atomic int64_t former;  // the node that this server was before; 0: it is not known
    atomic_bool placing;     // accounts are being told to those that are behind
    pthread_mutex_t counted_mutex;
    struct counted counted[COUNTED_MAX];
};

static inline struct shards *shards_of(struct store *store)
{
    return CONTAINER_OF(store, struct shards, base);
}

static inline struct member *home_of(struct shards *shards)
{
    return &shards->members[0];
}

// The row as it is seen outside; 0 stays 0. What does not fit is refused where it is made (create.c).
static inline int64_t row_outside(const struct member *member, int64_t row)
{
    return row > 0 ? row | (int64_t)member->number << STORE_SHARD_SHIFT : row;
}

static inline struct member *member_at(struct shards *shards, int64_t row) // NULL: there is no such store
{
    uint64_t number = (uint64_t)row >> STORE_SHARD_SHIFT;
    return number < shards->count ? &shards->members[number] : NULL;
}

// --- routes.c: which way each kind of operation goes
typedef void shards_route_fn(struct shards *shards, struct store_op *op);
struct shards_route {
    shards_route_fn *go;
    // Offsets of the members that are rows of executions, or of what lies with them; they end with 0.
    size_t rows[6];
    // Rows in what it gives beyond these; may be NULL.
    void (*outward)(const struct member *member, struct store_op *op);
};
extern const struct shards_route shards_routes[STORE_OP_KINDS];

// --- task.c
struct task;

// An operation on one of the stores, for a task or in the place of one that lies there.
struct part {
    struct member *member;
    struct task *task;
    struct store_op *outer; // that it takes the place of; or NULL
    void *own;              // freed with it: arrays that it was given in the place of the caller's
    bool given;             // its results are the caller's now
    _Alignas(16) unsigned char op[];
};
static inline struct store_op *part_op(struct part *part)
{
    return (struct store_op *)(void *)part->op;
}
#define PART(part, type) CONTAINER_OF(part_op(part), struct type, op)

#define TASK_PARTS_MAX (3 * STORE_SHARDS_MAX + 1)
typedef void task_fn(struct task *task);
struct task {
    struct shards *shards;
    struct store_op *op;                // the caller's
    struct part *parts[TASK_PARTS_MAX]; // of this step
    unsigned count;
    atomic_uint left;
    task_fn *next;
    // For whoever carries it out:
    struct member *member;
    void *own; // freed at its end
    int64_t number;
    // Freed at its end in the same way, if there are any.
    struct telling *telling; // parents.c
    void (*telling_free)(struct telling *telling);
    struct order *order; // order.c
    void (*order_free)(struct order *order);
};
#define TASK(task, type) CONTAINER_OF((task)->op, struct type, op)

struct task *task_new(struct shards *shards, struct store_op *op);
// A part of the next step. `like`: begins as a copy of this operation (of the same kind), with its rows as they are
// there; NULL: all zero.
struct part *task_part(struct task *task, struct member *member, enum store_op_kind kind, const struct store_op *like);
// Submits the parts; `next` is called, on some thread, when all are answered. It must not wait.
void task_go(struct task *task, task_fn *next);
// Frees the parts with their results, before the parts of another step.
void task_forget(struct task *task);
void task_end(struct task *task, int err); // answers the operation
// The results of the part become those of the operation, with rows as they are seen outside.
void task_give(struct task *task, struct part *part);
int task_error(const struct task *task); // of the first part that failed; 0
// One operation of the caller's, on the store that has it.
void go_there(struct shards *shards, struct store_op *op, struct member *member);
void refuse(struct store_op *op, int err); // answers it
// Asks whether it answers, unless it has not yet answered that; nobody waits. `away` and `probed_ms` tell.
void member_probe(struct member *member);

// --- The ways
shards_route_fn go_home, go_by_row;                                           // task.c
shards_route_fn go_get, go_batch_get, go_count_open, go_waits_due;            // ask_all.c
shards_route_fn go_cold_backlog;                                              // ask_all.c
shards_route_fn go_cold_known, go_blobs_known, go_blobs_unused;               // ask_all.c
shards_route_fn go_list;                                                      // lists.c
shards_route_fn go_jobs_ready, go_job_lines, go_jobs_claimed, go_job_limited; // jobs.c
shards_route_fn go_job_settle;                                                // parents.c
shards_route_fn go_job_waits, go_job_links;                                   // links.c
shards_route_fn go_batch_create, go_batch_add;                                // batches.c
shards_route_fn go_walk;                                                      // walk.c
shards_route_fn go_look, go_mirror_advance, go_cold_swap;                     // scatter.c
shards_route_fn go_lease;                                                     // leases.c
shards_route_fn go_create;                                                    // create.c
shards_route_fn go_account;                                                   // accounts.c
shards_route_fn go_node_start, go_node_beat, go_lease_adopt;                  // nodes.c
shards_route_fn go_artifact_put, go_blob_drop;                                // artifacts.c
shards_route_fn go_backup;                                                    // backup.c

// --- jobs.c: see struct shards_route
void batch_change_outward(const struct member *member, struct store_op *op);
void batch_failures_outward(const struct member *member, struct store_op *op);

// --- parents.c
struct parent_key parent_outside(const struct member *member, struct parent_key key);
struct member *parent_member(struct shards *shards, struct parent_key key);          // of one as it is outside
struct parent_key parent_within(const struct member *member, struct parent_key key); // as this store knows it
// Something of `child` waits for this one, as it is outside.
void telling_add(struct task *task, struct member *child, struct parent_key key);
// Looks how all that was added stands, and tells those who wait what is over. What a store that is away would have to
// do is left out. Then goes on with `then`.
void parents_tell(struct task *task, task_fn *then);
unsigned telling_told(const struct task *task); // how many jobs

// --- order.c: what executions are made with that lies in other stores: what they wait for, and, in the home, secrets,
// workflows and contents
void order_begin(struct task *task, int64_t account, const struct store_create *creates, size_t count);
// Looks for what they wait for, in all stores.
void order_find_parents(struct task *task, task_fn *then);
// The store of the first one that is not over and takes new executions; NULL: there is none.
struct member *order_parent_member(const struct task *task);
// Of jobs of this batch: whether what they wait for waits for it.
void order_find_circles(struct task *task, struct parent_key batch, task_fn *then);
// What the store in which they are made must know of the home.
void order_ask_home(struct task *task, struct member *member, task_fn *then);
int order_error(const struct task *task); // of what was asked; 0
// The copy of one of them becomes what that store is to make. ERR_NOT_FOUND: see store_create.asking_user.
int order_fill(struct task *task, struct member *member, struct store_create *create);
// It is made, and waits for what lies in other stores; `create` is the caller's.
void order_made(struct task *task, struct member *member, const struct store_create *create);

// --- create.c: where an execution of this identifier, or idempotency key, lies if no store was added since
struct member *member_for(struct shards *shards, int64_t account, struct str name);
// An identifier by which it is looked for where it is made; of any store that serves, if `member` is NULL.
char *id_for(struct shards *shards, int64_t account, const struct member *member, const char *prefix);
// Whether a row that it gave out is too high to be one of several stores; says so.
bool row_is_too_high(const struct member *member, int64_t row);

// --- limits.c
// Asks the stores how many executions of the account are open, unless so many more are far from the limit: `max`, of
// queued jobs or of the others; 0: there is none.
void ask_open(struct task *task, int64_t account, bool queued, uint64_t more, uint64_t max);
struct open_elsewhere { // than in the member, of what was asked; a store that is away is not counted
    uint64_t queued, others;
};
struct open_elsewhere open_elsewhere(const struct task *task, const struct member *member);
// What is left of a limit; 0: there is none.
int limit_left(uint64_t max, uint64_t elsewhere, uint64_t *ret);

// --- leases.c
uint64_t cold_epoch_of(struct member *member, uint64_t home_epoch);

// --- accounts.c
// Tells the stores that are behind what accounts there are, in the background.
void accounts_place_behind(struct shards *shards);

// Places it, under the number that it has in the home, in a store that was away. Waits.
int node_place_late(struct member *member, struct store *store);

// --- join.c
// One operation that is waited for.
struct awaiting {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    bool over;
};
#define AWAITING                                                             \
    {                                                                        \
        .mutex = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER \
    }
void awaiting_end(struct awaiting *awaiting); // its `done` calls this
void awaiting_wait(struct awaiting *awaiting, struct store *store, struct store_op *op);

int shards_join(struct shards *shards, struct buf *ret_error);
// Of one that was away when the others joined; `store`: it, now that it is there.
int shards_join_late(struct member *member, struct store *store, struct buf *ret_error);
