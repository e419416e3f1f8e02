// The log cache: the newest and the recently read chunks of followed executions. Each loop has one budget of bytes for
// it.
#include "fanout/fanout_private.h"
#include "fanout/heard.h"
#include "util/clock.h"

#define INBOX_BYTES_MAX    (64u * 1024 * 1024)
#define FETCHES_PER_TOPIC  8
#define AHEAD_LIVE_RECORDS 4096

struct fetch {
    struct list_node node;
    struct topic *topic;
    uint64_t stored;       // of the topic, when it began
    struct filter *filter; // chunks that it excludes by their headers may stay closed; may be NULL
    enum follow_format format;
    struct store_read read;
    char execution_id[256];
    struct encoded *encoded[STORE_READ_SEGMENTS];
};

// --- Eviction

// Evicts the least recently used first. To evict what a socket still holds would free nothing, so it stays and counts.
static void fanout_evict(struct deferred *deferred)
{
    struct fanout *fanout = CONTAINER_OF(deferred, struct fanout, evict);
    // New entries are first offered to those who wait for them. Otherwise a cache full of bytes that sockets hold would
    // starve them for ever.
    fanout->evict_next = !fanout->evict_next;
    if (fanout->evict_next) {
        loop_defer(fanout->options.loop, &fanout->evict);
        return;
    }
    LIST_FOR_EACH_SAFE(node, next, &fanout->entries) {
        if (fanout->cache_bytes <= fanout->options.cache_bytes)
            return;
        struct entry *entry = CONTAINER_OF(node, struct entry, by_use);
        if (entry_pinned(entry))
            continue;
        struct topic *topic = entry->topic;
        topic_remove(entry);
        // At this point closing frees only the topic itself: it has no entry that could be `next`.
        topic_close_if_idle(topic);
    }
}

// --- Topics

static struct topic *fanout_topic(struct fanout *fanout, int64_t row)
{
    struct map_node *node = map_find(&fanout->topics, str_n((const char *)&row, sizeof(row)));
    return node ? CONTAINER_OF(node, struct topic, node) : NULL;
}

const struct execution_live *topic_live(struct topic *topic)
{
    const struct fanout_options *options = &topic->fanout->options;
    if (!topic->live_known)
        options->live(options->live_arg, topic->execution.row, &topic->live);
    topic->live_known = true;
    return &topic->live;
}

static void topic_wake(struct topic *topic)
{
    topic->live_known = false;
    if (!list_empty(&topic->waiters))
        loop_defer(topic->fanout->options.loop, &topic->wake);
}

static void topic_wake_now(struct deferred *deferred)
{
    struct topic *topic = CONTAINER_OF(deferred, struct topic, wake);
    // A waiter that ends may close the topic, so it is kept open meanwhile.
    topic->refreshes++;
    LIST_FOR_EACH_SAFE(node, next, &topic->waiters) {
        struct topic_waiter *waiter = CONTAINER_OF(node, struct topic_waiter, node);
        waiter->wake(waiter);
    }
    topic->refreshes--;
    topic_close_if_idle(topic);
}

static void topic_failed(struct topic *topic, int err)
{
    topic->refreshes++;
    LIST_FOR_EACH_SAFE(node, next, &topic->waiters) {
        struct topic_waiter *waiter = CONTAINER_OF(node, struct topic_waiter, node);
        waiter->failed(waiter, err);
    }
    topic->refreshes--;
}

// What was heard of its state is taken already.
static void topic_heard(struct topic *topic, unsigned heard)
{
    if (heard & HEARD_CHANGED)
        topic->changes++;
    if (heard & HEARD_READ)
        topic_refresh(topic);
    if (heard & HEARD_WAKE)
        topic_wake(topic);
}

struct topic *topic_open(struct fanout *fanout, const struct execution *execution)
{
    struct topic *topic = fanout_topic(fanout, execution->row);
    if (topic && fanout->look_timer) // others write, too: who asks has read what may not have been heard of here
        topic_heard(topic, heard_elsewhere(&topic->execution, &(struct store_change){.next = execution->next_sequence,
                                                                                     .front = execution->first_sequence,
                                                                                     .status = execution->status,
                                                                                     .sealed = execution->sealed,
                                                                                     .purged = execution->purged}));
    if (topic)
        topic->stored = MAX(topic->stored, execution->next_sequence);
    if (topic)
        return topic;
    topic = xcalloc(1, sizeof(*topic));
    topic->fanout = fanout;
    execution_copy(execution, &topic->execution);
    topic->stored = execution->next_sequence;
    topic->account = budget_account(fanout->options.budget, execution->account);
    list_init(&topic->waiters);
    list_init(&topic->fetches);
    deferred_init(&topic->wake, topic_wake_now);
    map_insert(&fanout->topics, &topic->node, str_n((const char *)&topic->execution.row, sizeof(topic->execution.row)));
    topic_refresh(topic); // a commit may have come between the look-up of the execution and now
    return topic;
}

void topic_close_if_idle(struct topic *topic)
{
    if (!list_empty(&topic->waiters) || !list_empty(&topic->fetches) || topic->refreshes || topic->entry_count)
        return;
    deferred_cancel(&topic->wake);
    map_remove(&topic->fanout->topics, &topic->node);
    execution_release(&topic->execution);
    budget_account_unref(&topic->account);
    free(topic->entry_block);
    free(topic);
}

struct refresh {
    struct topic *topic;
    uint64_t changes; // of the topic, when it began
    struct store_producer query;
};

static void topic_refresh_done(struct store_op *op)
{
    struct refresh *refresh = CONTAINER_OF(op, struct refresh, query.op);
    struct topic *topic = refresh->topic;
    const struct execution *now = &refresh->query.ret_execution;

    topic->refreshes--;
    topic->refreshing = false;
    if (op->err == 0) {
        heard_read(&topic->execution, now, topic->changes == refresh->changes);
        topic->stored = MAX(topic->stored, now->next_sequence);
        topic_cut_front(topic, now->first_sequence);
        topic_wake(topic);
    }
    int err = op->err;
    // The next look asks again; what is there already was read before.
    bool passes = topic->fanout->look_timer && err != ERR_NOT_FOUND && err != ERR_EXPIRED && err != ERR_CORRUPT;
    store_op_release(op);
    free(refresh);
    if (err && !passes)
        topic_failed(topic, err);
    bool again = topic->refresh_again && !list_empty(&topic->waiters);
    topic->refresh_again = false;
    if (again)
        topic_refresh(topic);
    topic_close_if_idle(topic);
}

void topic_refresh(struct topic *topic)
{
    if (topic->refreshing) {
        topic->refresh_again = true;
        return;
    }
    struct refresh *refresh = xcalloc(1, sizeof(*refresh));
    refresh->topic = topic;
    refresh->changes = topic->changes;
    refresh->query = (struct store_producer){
        .op = {.kind = STORE_PRODUCER,
               .reply_to = topic->fanout->options.loop,
               .done = topic_refresh_done,
               .account = topic->execution.account},
        .row = topic->execution.row,
    };
    topic->refreshes++;
    topic->refreshing = true;
    store_submit(topic->fanout->options.store, &refresh->query.op);
}

// --- Reading from the store

// Opens chunks that may hold something wanted, up to as many bytes as a fetch without a filter brings.
static int fetch_open(struct fetch *fetch)
{
    struct store_read *read = &fetch->read;
    size_t bytes = 0, count = 0;
    int err = 0;
    for (; count < read->ret_count && bytes < FETCH_BYTES && err == 0; count++) {
        struct chunk **chunk = &read->ret_segments[count].chunk;
        if (line_filter_excludes(fetch->filter, *chunk))
            continue;
        err = chunk_open(chunk);
        bytes += chunk_raw(*chunk);
    }
    for (size_t i = count; i < read->ret_count; i++)
        chunk_unref(&read->ret_segments[i].chunk);
    read->ret_count = count;
    return err;
}

// On the reader's thread: does the encoding, which the loop would otherwise have to do.
static void fetch_process(struct store_op *op)
{
    struct fetch *fetch = CONTAINER_OF(op, struct fetch, read.op);
    if (op->err == 0 && fetch->filter)
        op->err = fetch_open(fetch);
    if (op->err || fetch->format >= FORMAT_COUNT)
        return;
    for (size_t i = 0; i < fetch->read.ret_count; i++) {
        const struct store_segment *segment = &fetch->read.ret_segments[i];
        if (!chunk_is_open(segment->chunk))
            continue;
        fetch->encoded[i] = encoded_new(segment->chunk, segment->first, str_of(fetch->execution_id), fetch->format);
    }
}

// Nothing was found. If records were known to be durable when it was asked for them, never pretend that they do not
// exist; if only a hint said so, which anybody may have sent, the store knows better.
static int fetch_missed(const struct fetch *fetch)
{
    struct topic *topic = fetch->topic;
    if (fetch->read.from < fetch->stored)
        return ERR_CORRUPT;
    topic->execution.next_sequence = MAX(fetch->read.from, topic->stored);
    topic_refresh(topic);
    return 0;
}

static void fetch_done(struct store_op *op)
{
    struct fetch *fetch = CONTAINER_OF(op, struct fetch, read.op);
    struct topic *topic = fetch->topic;
    int err = op->err;

    list_remove(&fetch->node);
    for (size_t i = 0; err == 0 && i < fetch->read.ret_count; i++) {
        const struct store_segment *segment = &fetch->read.ret_segments[i];
        if (!chunk_is_open(segment->chunk) && topic_find(topic, segment->first))
            continue; // others have opened it, so it stays open
        struct entry *entry = topic_put(topic, segment->first, segment->chunk);
        if (fetch->encoded[i])
            entry_set_encoded(entry, fetch->format, TAKE_PTR(fetch->encoded[i]));
    }
    if (err == 0) {
        topic_cut_front(topic, fetch->read.ret_first_sequence);
        if (fetch->read.ret_count == 0 && fetch->read.from < topic->execution.next_sequence)
            err = fetch_missed(fetch);
    }
    store_op_release(op);
    filter_unref(&fetch->filter);
    free(fetch);
    if (err)
        topic_failed(topic, err);
    else
        topic_wake(topic);
    topic_close_if_idle(topic);
}

void topic_fetch(struct topic *topic, uint64_t sequence, enum follow_format format, struct filter *filter)
{
    unsigned under_way = 0;
    LIST_FOR_EACH_SAFE(node, next, &topic->fetches) {
        const struct fetch *other = CONTAINER_OF(node, struct fetch, node);
        if (other->read.from == sequence && other->format == format)
            return;
        under_way++;
    }
    if (under_way >= FETCHES_PER_TOPIC)
        return; // the end of any fetch wakes everyone
    struct fetch *fetch = xcalloc(1, sizeof(*fetch));
    fetch->topic = topic;
    fetch->stored = topic->stored;
    fetch->format = format;
    fetch->filter = filter ? filter_ref(filter) : NULL;
    memcpy(fetch->execution_id, topic->execution.execution_id, strlen(topic->execution.execution_id) + 1);
    fetch->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = topic->fanout->options.loop,
               .done = fetch_done,
               .process = fetch_process,
               .account = topic->execution.account},
        .row = topic->execution.row,
        .from = sequence,
        .max_bytes = FETCH_BYTES,
        .closed = filter != NULL,
    };
    list_push_back(&topic->fetches, &fetch->node);
    store_submit(topic->fanout->options.store, &fetch->read.op);
}

void topic_read_ahead(struct topic *topic, uint64_t from, uint64_t limit, enum follow_format format,
                      struct filter *filter)
{
    const struct entry *entry, *last = topic->entry_count ? topic->entries[topic->entry_count - 1] : NULL;
    // Live followers come here each time: the newest entries have no gap.
    if (last && last->first + last->count >= limit && limit - from < AHEAD_LIVE_RECORDS)
        return;
    size_t ahead = 0;
    while (from < limit && ahead < FETCH_BYTES && (entry = topic_find(topic, from))) {
        ahead += entry->ahead_bytes;
        from = entry->first + entry->count;
    }
    if (from < limit && ahead < FETCH_BYTES)
        topic_fetch(topic, from, format, filter);
}

// --- What the store commits

struct fanout_batch {
    _Atomic unsigned refs;
    size_t count;
    struct store_change changes[];
};

struct fanout_mail {
    struct mail mail;
    struct fanout *fanout;
    struct fanout_batch *batch;
    size_t bytes;
    bool numbers_only;
};

static void topic_apply(struct topic *topic, const struct store_change *change, bool numbers_only)
{
    if (change->chunk && !numbers_only && !list_empty(&topic->waiters) &&
        change->first == topic->execution.next_sequence)
        topic_put(topic, change->first, change->chunk)->arrived_ns = change->arrived_ns;
    topic->stored = MAX(topic->stored, change->next);
    unsigned heard = heard_commit(&topic->execution, change, topic->fanout->look_timer != NULL);
    topic_cut_front(topic, change->front);
    topic_heard(topic, heard);
}

void fanout_hear(struct fanout *fanout, const struct store_change *change)
{
    struct topic *topic = change->missed ? NULL : fanout_topic(fanout, change->row);
    if (change->missed)
        fanout_look_soon(fanout);
    else if (topic && !list_empty(&topic->waiters))
        topic_heard(topic, heard_elsewhere(&topic->execution, change));
}

static void fanout_deliver(struct mail *mail)
{
    struct fanout_mail *message = CONTAINER_OF(mail, struct fanout_mail, mail);
    struct fanout_batch *batch = message->batch;

    for (size_t i = 0; i < batch->count; i++) {
        const struct store_change *change = &batch->changes[i];
        struct topic *topic = change->elsewhere ? NULL : fanout_topic(message->fanout, change->row);
        if (change->elsewhere)
            fanout_hear(message->fanout, change);
        else if (topic)
            topic_apply(topic, change, message->numbers_only);
    }
    message->fanout->inbox_bytes -= message->bytes;
    free(message);
    if (--batch->refs > 0)
        return;
    for (size_t i = 0; i < batch->count; i++)
        chunk_unref(&batch->changes[i].chunk);
    free(batch);
}

void fanout_publish(struct fanout *const *fanouts, size_t fanout_count, const struct store_change *changes,
                    size_t change_count)
{
    struct fanout_batch *batch = xmalloc(sizeof(*batch) + change_count * sizeof(*changes));
    size_t bytes = 0;

    batch->refs = (unsigned)fanout_count;
    batch->count = change_count;
    for (size_t i = 0; i < change_count; i++) {
        batch->changes[i] = changes[i];
        if (!changes[i].chunk)
            continue;
        batch->changes[i].chunk = chunk_ref(changes[i].chunk);
        bytes += chunk_memory(changes[i].chunk);
    }
    for (size_t i = 0; i < fanout_count; i++) {
        struct fanout_mail *message = xcalloc(1, sizeof(*message));
        message->mail.deliver = fanout_deliver;
        message->fanout = fanouts[i];
        message->batch = batch;
        message->bytes = bytes;
        message->numbers_only = fanouts[i]->inbox_bytes > INBOX_BYTES_MAX;
        fanouts[i]->inbox_bytes += bytes;
        loop_post(fanouts[i]->options.loop, &message->mail);
    }
}

void fanout_live_changed(struct fanout *fanout, int64_t row)
{
    struct topic *topic = fanout_topic(fanout, row);
    if (topic)
        topic_wake(topic);
}

// --- The fanout as a whole

struct fanout *fanout_new(const struct fanout_options *options)
{
    struct fanout *fanout = xcalloc(1, sizeof(*fanout));
    fanout->options = *options;
    map_init(&fanout->topics);
    list_init(&fanout->entries);
    deferred_init(&fanout->evict, fanout_evict);
    list_init(&fanout->scan_waiting);
    windows_init(fanout);
    fanout_look_start(fanout, fanout_hear);
    return fanout;
}

static void topic_drop(struct map_node *node, void *arg)
{
    (void)arg;
    struct topic *topic = CONTAINER_OF(node, struct topic, node);
    topic_clear(topic);
    topic_close_if_idle(topic);
}

void fanout_free(struct fanout **fanout)
{
    if (!*fanout)
        return;
    fanout_look_stop(*fanout);
    map_each(&(*fanout)->topics, topic_drop, NULL);
    deferred_cancel(&(*fanout)->evict);
    windows_release(*fanout);
    map_release(&(*fanout)->topics);
    free(*fanout);
    *fanout = NULL;
}

void fanout_set_regex_steps(struct fanout *fanout, uint64_t steps)
{
    fanout->options.regex_steps = steps;
}

void fanout_set_cache_bytes(struct fanout *fanout, size_t bytes)
{
    fanout->options.cache_bytes = bytes;
    loop_defer(fanout->options.loop, &fanout->evict);
}
