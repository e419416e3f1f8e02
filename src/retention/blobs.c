// A pass: drop what is unused ──▶ once an hour: forget interrupted uploads ──▶ list content, remove what is not known.
// One operation at a time is under way.
#include "retention/blobs.h"

#include "util/clock.h"
#include "util/id.h"

#define FIRST_MS    250           // before the first pass
#define PASS_MS     10000         // pause between passes, and after a failure
#define SLICE_MS    10            // pause between slices
#define LOOK_MS     (3600 * 1000) // between two looks at all content
#define QUEUE_SHORT 64            // while more operations wait in the store, it waits too
#define BUSY_MS     200

struct blob_sweep {
    struct blob_sweep_options options;
    struct timer *timer; // NULL once it has stopped
    void (*next)(struct blob_sweep *sweep);
    uint64_t looked_ms; // mono; when it last began to look at all content; 0: never
    int64_t before_ms;  // of this look: what was changed later stays
    struct store_blobs_unused unused;
    struct store_blob_drop drop;
    struct store_blobs_known known;
    struct blob_forget forget;
    struct blob_list list;
    struct blob_remove remove;
    const char *keys[BLOB_KNOWN_MAX]; // what is to be removed
    size_t key_count, removed;
    void (*after)(struct blob_sweep *sweep); // when they are
};

_Static_assert(BLOB_KNOWN_MAX >= BLOB_LIST_MAX && BLOB_KNOWN_MAX >= BLOB_DROP_MAX, "what is found fits");

static void ask_store(struct blob_sweep *sweep, struct store_op *op, enum store_op_kind kind,
                      void (*done)(struct store_op *op))
{
    *op = (struct store_op){.kind = kind, .reply_to = sweep->options.loop, .done = done, .scan = true};
    store_submit(sweep->options.store, op);
}

static void ask_blobs(struct blob_sweep *sweep, struct blob_op *op, enum blob_op_kind kind,
                      void (*done)(struct blob_op *op))
{
    *op = (struct blob_op){.kind = kind, .reply_to = sweep->options.loop, .done = done};
    blob_submit(sweep->options.blobs, op);
}

static void go_on_in(struct blob_sweep *sweep, uint64_t delay_ms, void (*next)(struct blob_sweep *sweep))
{
    sweep->next = next;
    if (sweep->timer)
        timer_start(sweep->timer, delay_ms);
}

static void begin_pass(struct blob_sweep *sweep);

// True after a failure, and when it has stopped. It begins anew later; what was removed stays removed.
static bool failed(struct blob_sweep *sweep, int err)
{
    if (err == 0 && sweep->timer)
        return false;
    if (sweep->timer)
        log_error(sweep->options.logger, "content that nothing refers to could not be removed; it is tried again",
                  LOG_S("error", error_word(err)));
    go_on_in(sweep, PASS_MS, begin_pass);
    return true;
}

// --- Removing, one after the other

static void remove_next(struct blob_sweep *sweep);

static void removed(struct blob_op *op)
{
    struct blob_sweep *sweep = CONTAINER_OF(op, struct blob_sweep, remove.op);
    if (failed(sweep, op->err))
        return;
    metrics_add(sweep->options.metrics, 0, METRIC_blobs_removed_total, 1);
    sweep->removed++;
    remove_next(sweep);
}

static void remove_next(struct blob_sweep *sweep)
{
    if (sweep->removed == sweep->key_count) {
        sweep->key_count = sweep->removed = 0;
        sweep->after(sweep);
        return;
    }
    sweep->remove.key = str_of(sweep->keys[sweep->removed]);
    ask_blobs(sweep, &sweep->remove.op, BLOB_REMOVE, removed);
}

static void remove_all(struct blob_sweep *sweep, void (*after)(struct blob_sweep *sweep))
{
    sweep->after = after;
    sweep->removed = 0;
    remove_next(sweep);
}

// --- All content

static void list_slice(struct blob_sweep *sweep);

static void end_pass(struct blob_sweep *sweep)
{
    go_on_in(sweep, PASS_MS, begin_pass);
}

static void slice_removed(struct blob_sweep *sweep)
{
    go_on_in(sweep, SLICE_MS, list_slice);
}

static void known(struct store_op *op)
{
    struct blob_sweep *sweep = CONTAINER_OF(op, struct blob_sweep, known.op);
    if (failed(sweep, op->err))
        return;
    sweep->key_count = 0;
    for (size_t i = 0; i < sweep->known.count; i++)
        if (!sweep->known.ret_known[i])
            sweep->keys[sweep->key_count++] = sweep->known.keys[i].data;
    remove_all(sweep, slice_removed);
}

static void listed(struct blob_op *op)
{
    struct blob_sweep *sweep = CONTAINER_OF(op, struct blob_sweep, list.op);
    if (failed(sweep, op->err))
        return;
    if (sweep->list.ret_count == 0) {
        end_pass(sweep);
        return;
    }
    sweep->known.count = 0;
    for (size_t i = 0; i < sweep->list.ret_count; i++)
        if (sweep->list.ret_entries[i].changed_ms < sweep->before_ms)
            sweep->known.keys[sweep->known.count++] = str_of(sweep->list.ret_entries[i].key);
    snprintf(sweep->list.after, sizeof(sweep->list.after), "%s",
             sweep->list.ret_entries[sweep->list.ret_count - 1].key);
    if (sweep->known.count == 0)
        slice_removed(sweep);
    else
        ask_store(sweep, &sweep->known.op, STORE_BLOBS_KNOWN, known);
}

static void list_slice(struct blob_sweep *sweep)
{
    ask_blobs(sweep, &sweep->list.op, BLOB_LIST, listed);
}

// What a store that was just restored does not name, another backup may: it stays for a day. Identifiers sort by time.
static bool just_restored(const struct blob_sweep *sweep)
{
    char then[ID_SORTABLE_LEN + 1];
    id_sortable_from(sweep->before_ms, (const uint8_t[ID_NOISE]){0}, then);
    return strcmp(store_incarnation(sweep->options.store), then) > 0;
}

static void forgotten(struct blob_op *op)
{
    struct blob_sweep *sweep = CONTAINER_OF(op, struct blob_sweep, forget.op);
    if (failed(sweep, op->err))
        return;
    if (just_restored(sweep)) {
        end_pass(sweep);
        return;
    }
    sweep->list.after[0] = '\0';
    list_slice(sweep);
}

static void look_at_all(struct blob_sweep *sweep)
{
    uint64_t now_ms = clock_mono_ms();
    if (sweep->looked_ms > 0 && now_ms - sweep->looked_ms < LOOK_MS) {
        end_pass(sweep);
        return;
    }
    sweep->looked_ms = MAX(now_ms, (uint64_t)1);
    sweep->before_ms = sweep->forget.before_ms = clock_real_ms() - BLOB_UNUSED_MS;
    ask_blobs(sweep, &sweep->forget.op, BLOB_FORGET, forgotten);
}

// --- What is not used any more

static void look_for_unused(struct blob_sweep *sweep);

static void dropped_removed(struct blob_sweep *sweep)
{
    go_on_in(sweep, SLICE_MS, look_for_unused);
}

static void dropped(struct store_op *op)
{
    struct blob_sweep *sweep = CONTAINER_OF(op, struct blob_sweep, drop.op);
    if (failed(sweep, op->err))
        return;
    for (size_t i = 0; i < sweep->drop.ret_count; i++)
        sweep->keys[i] = sweep->drop.ret_keys[i];
    sweep->key_count = sweep->drop.ret_count;
    remove_all(sweep, sweep->drop.ret_count > 0 ? dropped_removed : look_at_all);
}

// Nothing is written while there is nothing to drop.
static void unused_known(struct store_op *op)
{
    struct blob_sweep *sweep = CONTAINER_OF(op, struct blob_sweep, unused.op);
    if (failed(sweep, op->err))
        return;
    if (sweep->unused.ret_any)
        ask_store(sweep, &sweep->drop.op, STORE_BLOB_DROP, dropped);
    else
        look_at_all(sweep);
}

static void look_for_unused(struct blob_sweep *sweep)
{
    ask_store(sweep, &sweep->unused.op, STORE_BLOBS_UNUSED, unused_known);
}

static void begin_pass(struct blob_sweep *sweep)
{
    struct store_stats stats;
    if (store_stats(sweep->options.store, &stats) && stats.queue > QUEUE_SHORT)
        go_on_in(sweep, BUSY_MS, begin_pass);
    else
        look_for_unused(sweep);
}

// --- Life

static void tick(void *arg)
{
    struct blob_sweep *sweep = arg;
    sweep->next(sweep);
}

struct blob_sweep *blob_sweep_new(const struct blob_sweep_options *options)
{
    struct blob_sweep *sweep = xcalloc(1, sizeof(*sweep));
    sweep->options = *options;
    return sweep;
}

void blob_sweep_free(struct blob_sweep **sweep)
{
    free(TAKE_PTR(*sweep));
}

void blob_sweep_start(struct blob_sweep *sweep)
{
    sweep->timer = timer_new(sweep->options.loop, tick, sweep);
    go_on_in(sweep, FIRST_MS, begin_pass);
}

void blob_sweep_stop(struct blob_sweep *sweep)
{
    timer_free(&sweep->timer);
}
