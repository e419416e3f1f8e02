// One writer with group commits over the real rules of numbering and of outcomes. What the adapters decide around them
// is repeated here in its shortest form.
#include "sim.h"

void store_init(struct world *world)
{
    struct store *store = &world->store;
    store->incarnation = 1;
    store->disk.head.status = STATUS_QUEUED;
    store->disk.restored_from = UINT64_MAX;
}

void writer_init(struct writer *writer)
{
    writer->queue_tail = &writer->queue;
}

// --- What operations do

static void put(struct world *world, const struct entry *entry)
{
    struct state *disk = &world->store.disk;
    if (disk->head.next == disk->log_capacity) {
        disk->log_capacity = MAX((size_t)64, disk->log_capacity * 2);
        disk->log = xrealloc(disk->log, disk->log_capacity * sizeof(*disk->log));
    }
    disk->log[disk->head.next++] = *entry;
    disk->digest = content_digest(&entry->content, disk->digest);
}

static int apply_append(struct world *world, struct op *op)
{
    struct state *disk = &world->store.disk;
    bool known = op->producer != ANONYMOUS;
    struct sequence_producer producer = known ? disk->producers[op->producer] : (struct sequence_producer){0};
    struct sequence_offer offer = {
        .first = op->first, .count = op->count, .epoch = op->epoch, .skip_ahead = op->skip_ahead};
    if (producer.next > op->first && producer.next - op->first <= op->count) {
        offer.has_repeat_hash = true;
        offer.repeat_hash = content_hash(&op->contents[producer.next - 1 - op->first]);
    }
    uint64_t repeated, from = disk->head.next;
    op->ret_producer_next = producer.next;
    int err = sequence_admit(&disk->head, &producer, &offer, &repeated);
    if (err < 0)
        return err;
    struct sequence_producer before = producer;
    struct sequence_head head = disk->head;
    for (uint64_t i = repeated; i < op->count; i++)
        put(world, &(struct entry){op->contents[i], op->producer, op->first + i, op->epoch});
    if (repeated < op->count && known) {
        producer.next = op->first + op->count;
        producer.last_hash = content_hash(&op->contents[op->count - 1]);
        for (uint64_t i = repeated; i < op->count && !op->skip_ahead; i++)
            producer.digest = content_digest(&op->contents[i], producer.digest);
        if (op->skip_ahead)
            sequence_skip_digest(&producer, &op->skip_digest);
        disk->producers[op->producer] = producer;
    }
    op->ret_producer_next = producer.next;
    op->ret_appended = op->count - (unsigned)repeated;
    if (op->ret_appended > 0 && head.sealed)
        violate(world, "appended after the seal");
    check_applied(world, op, &before, from);
    return 0;
}

static struct outcome outcome_of(const struct state *state)
{
    return (struct outcome){
        .status = state->head.status,
        .sealed = state->head.sealed,
        .waits = state->waits,
        .has_exit_code = state->has_exit_code,
        .exit_code = state->exit_code,
        .epoch = state->head.epoch,
        .started_ms = state->started_ms,
        .completed_ms = state->completed_ms,
        .sealed_ms = state->sealed_ms,
    };
}

static int apply_outcome(struct world *world, const struct outcome_ask *ask)
{
    struct state *disk = &world->store.disk;
    struct outcome before = outcome_of(disk), after;
    int err = outcome_next(&before, ask, (int64_t)world->now_ms, &after);
    if (err < 0)
        return err;
    check_outcome(world, ask->cause, &before, &after);
    if (after.sealed)
        disk->lease = (struct node_lease){0};
    else if ((after.status == STATUS_LOST) != (before.status == STATUS_LOST))
        disk->lease.deadline_ms = after.status == STATUS_LOST ? (int64_t)world->now_ms : 0;
    disk->head.status = after.status;
    disk->head.sealed = after.sealed;
    disk->head.epoch = after.epoch;
    disk->waits = after.waits;
    disk->has_exit_code = after.has_exit_code;
    disk->exit_code = after.exit_code;
    disk->started_ms = after.started_ms;
    disk->completed_ms = after.completed_ms;
    disk->sealed_ms = after.sealed_ms;
    return 0;
}

static int apply_complete(struct world *world, struct op *op)
{
    struct state *disk = &world->store.disk;
    if (op->epoch != disk->head.epoch)
        return ERR_FENCED;
    op->ret_producer = disk->producers[op->producer];
    op->ret_producer_next = op->ret_producer.next;
    if (!disk->head.sealed) {
        if (op->final_next > op->ret_producer_next)
            return ERR_GAP;
        if (op->final_next < op->ret_producer_next)
            return ERR_CONFLICT;
        if (op->has_digest && op->digest != disk->digest)
            return ERR_DIGEST;
    }
    return apply_outcome(world, &op->outcome);
}

static int apply_update(struct world *world, const struct op *op)
{
    struct state *disk = &world->store.disk;
    if (op->epoch != 0 && op->epoch != disk->head.epoch)
        return ERR_FENCED;
    if (op->node != 0 && op->node != disk->lease.node)
        return ERR_FENCED;
    if (world->shared && op->node != 0)
        check_by_lease(op);
    bool had_runner = disk->head.epoch > 0 && !disk->head.sealed && !status_terminal(disk->head.status);
    int err = apply_outcome(world, &op->outcome);
    if (err < 0 || !world->shared || op->outcome.cause != OUTCOME_CANCELLED || !had_runner || disk->head.sealed)
        return err;
    disk->cancel_asked = true;
    world->cancelled_ms = world->now_ms;
    database_tell(world, op, true, 1);
    return 0;
}

static int apply_lease(struct world *world, const struct node_lease_ask *ask)
{
    struct state *disk = &world->store.disk;
    bool shared = world->shared;
    const struct node_sign holder = {.fenced = shared ? database_sign(world, disk->lease.node).fenced
                                                      : disk->lease.node != disk->node};
    if (shared ? database_sign(world, ask->node).fenced : ask->node != disk->node)
        return ERR_NODE_FENCED;
    return node_lease_next(&disk->lease, &holder, ask, (int64_t)world->now_ms, &disk->lease);
}

struct claim_key claim_key_of(unsigned key)
{
    struct claim_key ret = {0};
    if (key > 0)
        snprintf(ret.text, sizeof(ret.text), "%u", key);
    return ret;
}

static int apply_claim(struct world *world, const struct op *op)
{
    struct state *disk = &world->store.disk;
    const struct outcome_ask claimed = {.cause = OUTCOME_CLAIMED};
    struct outcome before = outcome_of(disk), after;
    int err = outcome_next(&before, &claimed, (int64_t)world->now_ms, &after);
    const struct node_lease lease = disk->lease;
    if (err == 0)
        err = apply_lease(world, &(struct node_lease_ask){NODE_LEASE_CLAIM, op->node, after.epoch, 0, 0});
    if (err == 0 && world->shared)
        check_taken_over(op, &lease, &before);
    if (err == 0)
        err = apply_outcome(world, &claimed);
    if (err == 0 && op->key > 0)
        disk->claim_mark = execution_claim_mark(str_of(claim_key_of(op->key).text), after.epoch);
    return err;
}

// What several servers have of each other, and not the log.
static bool is_of_nodes(const struct world *world, const struct op *op)
{
    bool of_one = op->kind == OP_ADOPT && world->store.disk.exists;
    return of_one || (world->shared && (op->kind == OP_JOIN || op->kind == OP_BEAT || op->kind == OP_TELL));
}

static void apply(struct world *world, struct op *op)
{
    struct state *disk = &world->store.disk;
    if (is_of_nodes(world, op)) {
        database_apply(world, op);
    } else if (op->kind == OP_JOIN) {
        op->node = ++disk->node;
        op->err = 0;
    } else if (op->kind == OP_CREATE) {
        op->err = disk->exists ? ERR_CONFLICT : 0;
        disk->exists = true;
    } else if (!disk->exists) {
        op->err = ERR_NOT_FOUND;
    } else if (op->kind == OP_APPEND) {
        op->err = apply_append(world, op);
    } else if (op->kind == OP_CLAIM) {
        op->err = apply_claim(world, op);
    } else if (op->kind == OP_LEASE) {
        op->err = apply_lease(world, &op->ask);
    } else if (op->kind == OP_COMPLETE) {
        op->err = apply_complete(world, op);
    } else {
        op->err = apply_update(world, op);
    }
    op->ret_state = *disk;
    op->ret_state.log = NULL;
}

// --- Commits

struct told {
    struct server *server;
    struct op *ops; // to be answered
    bool changed;   // false: nothing was applied, as far as the store knows
    bool news;
    struct state state;
};

static void tell(struct world *world, void *arg, uint64_t life)
{
    struct told *told = arg;
    if (server_misses(told->server, tell, arg, life))
        return;
    if (told->changed) {
        told->server->told = true;
        server_changed(told->server, &told->state);
    }
    const struct store_change change = change_of(&told->state);
    if (told->changed || told->news)
        bus_tell(told->server, &change, told->changed, told->news);
    for (struct op *op = told->ops, *next; op; op = next) {
        next = op->next;
        op->done(world, op);
    }
}

void tell_later(struct server *server, uint64_t delay_ms, struct op *ops, bool changed)
{
    const struct writer *writer = &server->writer;
    struct world *world = server->world;
    struct told *told = make(world, sizeof(*told));
    *told = (struct told){.server = server, .ops = ops, .changed = changed, .state = world->store.disk};
    if (world->shared) {
        told->changed = changed && writer->changes;
        told->news = changed && writer->tells;
        told->state = writer->committed;
    }
    later(world, delay_ms, tell, told, server->life);
}

uint64_t disk_delay(struct world *world)
{
    bool slow = world->now_ms < world->store.slow_until_ms;
    return slow ? draw(world, 100, 4000) : draw(world, 1, 10);
}

static void begin_later(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    (void)world;
    if (!server_misses(server, begin_later, arg, life))
        commit_begin(server);
}

void commit_begin(struct server *server)
{
    struct writer *writer = &server->writer;
    if (writer->batch || !writer->queue)
        return;
    if (server->world->now_ms < server->peer.paused_until_ms) {
        later(server->world, 0, begin_later, server, server->life);
        return;
    }
    writer->batch = writer->queue;
    writer->queue = NULL;
    writer->queue_tail = &writer->queue;
    if (server->world->shared)
        database_begin(server);
    later(server->world, disk_delay(server->world), commit_end, server, writer->life);
}

void apply_batch(struct world *world, struct op *batch)
{
    for (struct op *op = batch; op && !world->failed; op = op->next)
        apply(world, op);
}

void fail_batch(struct op *batch, int err)
{
    for (struct op *op = batch; op; op = op->next) {
        op->err = err;
        op->ret_producer_next = 0;
        op->ret_appended = 0;
    }
}

void commit_end(struct world *world, void *arg, uint64_t life)
{
    const struct store *store = &world->store;
    struct server *server = arg;
    struct writer *writer = &server->writer;
    struct op *batch = writer->batch;
    if (life != writer->life)
        return;
    if (world->shared) {
        database_end(server);
        return;
    }
    writer->batch = NULL;
    bool failing = world->now_ms < store->failing_until_ms && chance(world, 500);
    bool ambiguous = failing && chance(world, 400);
    bool full = world->now_ms < store->full_until_ms;
    if (full || (failing && !ambiguous)) {
        trace(world, "store: a commit failed%s", full ? ": full" : "");
        fail_batch(batch, full ? ERR_STORE_FULL : ERR_UNAVAILABLE);
        tell_later(server, draw(world, 0, 3), batch, false);
    } else if (ambiguous) {
        trace(world, "store: a commit was applied, and its answer lost");
        apply_batch(world, batch);
        fail_batch(batch, ERR_UNAVAILABLE);
        tell_later(server, draw(world, 0, 3), batch, false);
        tell_later(server, 1000, NULL, true); // a lost hint costs at most a second
    } else {
        apply_batch(world, batch);
        tell_later(server, draw(world, 0, 3), batch, true);
    }
    commit_begin(server);
}

void store_submit_op(struct world *world, struct op *op)
{
    struct writer *writer = &op->server->writer;
    (void)world;
    op->next = NULL;
    *writer->queue_tail = op;
    writer->queue_tail = &op->next;
    commit_begin(op->server);
}

static void answer(struct world *world, void *arg, uint64_t life)
{
    struct op *op = arg;
    if (!server_misses(op->server, answer, arg, life))
        op->done(world, op);
}

static void look(struct world *world, void *arg, uint64_t life)
{
    struct op *op = arg;
    struct state *disk = &world->store.disk;
    if (!op->server->up || life != op->server->life)
        return;
    op->err = !disk->exists ? ERR_NOT_FOUND : 0;
    if (world->now_ms < world->store.failing_until_ms && chance(world, 300))
        op->err = ERR_UNAVAILABLE;
    if (world->shared && !database_reached(op->server))
        op->err = ERR_UNAVAILABLE;
    op->ret_state = *disk;
    op->ret_state.log = NULL;
    op->ret_producer = op->producer < PRODUCERS ? disk->producers[op->producer] : (struct sequence_producer){0};
    op->ret_producer_next = op->ret_producer.next;
    later(world, draw(world, 0, 3), answer, op, life);
}

void store_ask(struct world *world, struct op *op)
{
    later(world, disk_delay(world), look, op, op->server->life);
}

// --- Crashes and backups

void writer_crash(struct world *world, struct server *server)
{
    struct writer *writer = &server->writer;
    // What was being committed has reached the disk, or it has not; what waited is lost. Nobody is told.
    if (world->shared)
        database_crash(server);
    else if (writer->batch && chance(world, 500))
        apply_batch(world, writer->batch);
    writer->batch = writer->queue = NULL;
    writer->queue_tail = &writer->queue;
    writer->life++;
}

static void copy_state(struct state *to, const struct state *from)
{
    struct entry *log = to->log;
    size_t capacity = to->log_capacity;
    if (capacity < from->log_capacity) {
        capacity = from->log_capacity;
        log = xrealloc(log, capacity * sizeof(*log));
    }
    *to = *from;
    to->log = log;
    to->log_capacity = capacity;
    if (from->head.next > 0)
        memcpy(log, from->log, from->head.next * sizeof(*log));
}

void store_backup_now(struct world *world)
{
    copy_state(&world->store.backup, &world->store.disk);
    world->store.has_backup = true;
    trace(world, "store: backup at %llu", (unsigned long long)world->store.backup.head.next);
}

void store_restore(struct world *world)
{
    struct store *store = &world->store;
    if (!store->has_backup)
        return;
    copy_state(&store->disk, &store->backup);
    store->disk.restored_from = MIN(store->disk.restored_from, store->disk.head.next);
    store->incarnation++;
    world->restores++;
    trace(world, "store: restored at %llu, incarnation %llu", (unsigned long long)store->disk.head.next,
          (unsigned long long)store->incarnation);
}

// Cuts off the records before `end` if they may go. False if they are to stay.
static bool cut_to(struct world *world, const struct retention_log *limits, uint64_t end)
{
    struct state *disk = &world->store.disk;
    if (end > disk->head.next ||
        !retention_log_lets_go(limits, disk->head.next - end, (disk->head.next - end) * RECORD_BYTES))
        return false;
    for (; disk->first < end; disk->first++)
        disk->cut_digest = content_digest(&disk->log[disk->first].content, disk->cut_digest);
    return true;
}

// Who limits it to so many records: the server, the execution itself, or its bytes. Whoever does not says something
// else, which is not to count.
static void limits_of(uint64_t kept, uint64_t random, struct retention *ret_rules, struct retention_own *ret_own)
{
    *ret_rules = (struct retention){.log.records_max = kept};
    *ret_own = (struct retention_own){.log.records_max = random % 7};
    if (random % 3 == 0)
        return;
    ret_rules->log.records_max = random % 5;
    ret_own->has_records = true;
    ret_own->log.records_max = random % 3 == 1 ? kept : 0;
    ret_own->has_bytes = random % 3 == 2;
    ret_own->log.bytes_max = kept * RECORD_BYTES;
}

// One draw, as chunks and limits are not what a world is about: what else there is follows from it.
void store_expire(struct world *world)
{
    struct state *disk = &world->store.disk;
    struct retention rules;
    struct retention_own own;
    uint64_t before = disk->first;
    if (disk->head.next <= disk->first)
        return;
    uint64_t wanted = draw(world, disk->first, disk->head.next);
    uint64_t random = (wanted + world->now_ms) * UINT64_C(0x9e3779b97f4a7c15) >> 32;
    limits_of(disk->head.next - wanted, random, &rules, &own);
    struct retention_log limits = retention_log_of(&rules, &own);
    // The last chunk that may go ends where the limit says.
    while (disk->first < wanted && cut_to(world, &limits, MIN(disk->first + 1 + random % BATCH_MAX, wanted)))
        ;
    cut_to(world, &limits, wanted + 1);
    check_cut(world, before, &rules, &own);
    trace(world, "store: retention leaves %llu and after", (unsigned long long)disk->first);
    struct server *server = server_any(world); // that has the sweep
    if (server->up)
        server_changed(server, disk);
    const struct store_change change = change_of(disk);
    if (server->up && world->shared)
        bus_tell(server, &change, 1, false);
}
