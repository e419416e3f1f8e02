// Drives one follower: asks it what comes next, takes that from the log cache, and gives slices of shared bytes to the
// sink.
#include "fanout/fanout_private.h"
#include "util/clock.h"

// A slice of less than this part of the bytes is copied, because it would keep all of them in memory.
#define SHARE_PART    4
#define PASSED_BYTES  4096 // what skipping a closed chunk counts for
#define AWAY_AGAIN_MS 1000
#define PUMP_BYTES    (2048u * 1024) // per turn of the loop and subscriber, so that nobody keeps the others waiting

static void subscriber_release(struct subscriber *subscriber)
{
    filter_unref(&subscriber->filter);
    line_filter_free(&subscriber->lines);
    free(subscriber);
}

static void subscriber_fail(struct subscriber *subscriber, int err)
{
    if (subscriber->ended)
        return;
    subscriber->ended = true;
    subscriber->sink->failed(subscriber->owner, err);
}

// --- Sending

// A small part is copied, unless another socket keeps all of the bytes in memory already.
static bool is_copied(const struct encoded *encoded, uint32_t from, uint32_t to)
{
    return encoded->payload->refs == 1 &&
           (size_t)(encoded->offsets[to] - encoded->offsets[from]) * SHARE_PART < encoded->payload->len;
}

static void subscriber_send_slice(struct subscriber *subscriber, const struct encoded *encoded, uint32_t from,
                                  uint32_t to)
{
    size_t begin = encoded->offsets[from], end = encoded->offsets[to];
    if (end == begin)
        return;
    if (!is_copied(encoded, from, to)) {
        subscriber->sink->send(subscriber->owner, encoded->payload, begin, end - begin);
        return;
    }
    struct payload *copy = payload_new(encoded->payload->data + begin, end - begin);
    subscriber->sink->send(subscriber->owner, copy, 0, copy->len);
    payload_unref(&copy);
}

// Returns the end of the records from `from` on that fit into the room; at least one. All of them may take a little
// more.
static uint32_t fitting(const struct encoded *encoded, uint32_t from, uint32_t to, size_t room, size_t slack)
{
    if (encoded->offsets[to] - encoded->offsets[from] <= room + slack)
        return to;
    uint32_t low = from + 1, high = to;
    while (low < high) {
        uint32_t middle = high - (high - low) / 2;
        if (encoded->offsets[middle] - encoded->offsets[from] <= room)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

// Whether other records may decide about one of the chunk: by texts, or because some continue others. `entry` NULL: the
// chunk is not there yet.
static bool subscriber_by_lines(const struct subscriber *subscriber, const struct entry *entry)
{
    return filter_needs_text(subscriber->filter) ||
           (subscriber->filter && entry && chunk_continues_count(entry->chunk) > 0);
}

static bool subscriber_matches(const struct subscriber *subscriber, const struct entry *entry, uint32_t i)
{
    struct record record;
    if (subscriber_by_lines(subscriber, entry))
        return line_filter_match(subscriber->lines, entry->first + i);
    chunk_record(entry->chunk, i, &record);
    return filter_match_fields(subscriber->filter, NULL, entry->chunk, i, &record);
}

// Sends each run of matching records within [from, *to) as one slice. If there is not enough room, sends fewer and
// moves *to. Returns how many matched. *ret_last tells whether the last record did.
static uint32_t subscriber_send_matches(struct subscriber *subscriber, struct entry *entry, uint32_t from, uint32_t *to,
                                        size_t room, bool *ret_last)
{
    const struct encoded *encoded = NULL;
    uint32_t sent = 0, begin = from;
    size_t bytes = 0;
    bool in_run = false;

    for (uint32_t i = from; i < *to; i++) {
        bool match = subscriber_matches(subscriber, entry, i);
        if (match && !in_run)
            begin = i;
        if (match && !encoded)
            encoded = entry_encode(entry, subscriber->format);
        if (!match && in_run)
            subscriber_send_slice(subscriber, encoded, begin, i);
        in_run = match;
        sent += match;
        bytes += match ? encoded->offsets[i + 1] - encoded->offsets[i] : 0;
        if (bytes >= room)
            *to = i + 1;
    }
    if (in_run)
        subscriber_send_slice(subscriber, encoded, begin, *to);
    *ret_last = in_run;
    return sent;
}

// Sends all of [from, to) if there is room, otherwise a part. Returns the end of what was sent.
static uint32_t subscriber_send_chunk(struct subscriber *subscriber, const struct entry *entry, uint32_t from,
                                      uint32_t to)
{
    size_t len = chunk_encoded(entry->chunk).len, window = subscriber->window.size;
    if (!window_stretch(subscriber, len))
        to = from + MAX(1u, (uint32_t)((uint64_t)(to - from) * window / len));
    struct chunk *slice = chunk_slice(entry->chunk, from, to - from, 1);
    struct payload *payload = encode_chunk_frame(slice, entry->first + from);
    subscriber->sink->send(subscriber->owner, payload, 0, payload->len);
    payload_unref(&payload);
    chunk_unref(&slice);
    return to;
}

static void subscriber_delivered(struct subscriber *subscriber, struct entry *entry, uint32_t count)
{
    const struct fanout_options *options = &subscriber->fanout->options;

    metrics_add(options->metrics, options->shard, METRIC_records_delivered_total, count);
    if (!entry->arrived_ns || !count)
        return;
    metrics_observe_ns(options->metrics, options->shard, METRIC_ingest_to_delivery_seconds,
                       clock_mono_ns() - entry->arrived_ns);
    int64_t since_ms = clock_real_ms() - chunk_time_min(entry->chunk);
    metrics_observe_ns(options->metrics, options->shard, METRIC_stream_latency_seconds,
                       (uint64_t)MAX(since_ms, 0) * 1000000);
    entry->arrived_ns = 0; // only the first sending is measured
}

static bool any_match(const struct subscriber *subscriber, const struct entry *entry, uint32_t from, uint32_t to)
{
    for (uint32_t i = from; i < to; i++) {
        if (line_filter_match(subscriber->lines, entry->first + i))
            return true;
    }
    return false;
}

// Gives the follower what the cache has at its cursor. Returns false if it must wait. *budget shrinks by the bytes
// sent.
static bool subscriber_read(struct subscriber *subscriber, size_t room, size_t *budget)
{
    struct follower *follower = &subscriber->follower;
    bool by_text = filter_needs_text(subscriber->filter);
    struct entry *entry = topic_find(subscriber->topic, follower->cursor);
    bool by_lines = subscriber_by_lines(subscriber, entry);
    if (by_lines && !subscriber_decide(subscriber))
        return false;
    entry = topic_find(subscriber->topic, follower->cursor);
    if (!entry) {
        topic_fetch(subscriber->topic, follower->cursor, subscriber->format, by_text ? subscriber->filter : NULL);
        return false;
    }
    entry_used(entry);
    uint32_t from = (uint32_t)(follower->cursor - entry->first);
    uint32_t to = (uint32_t)MIN((uint64_t)entry->count, follower->limit - entry->first);
    if (by_lines)
        to = (uint32_t)MIN((uint64_t)to, line_filter_decided(subscriber->lines) - entry->first);
    uint32_t sent = 0;
    bool sent_last = true, nothing = by_lines && !any_match(subscriber, entry, from, to);
    if (!nothing && !entry_open(entry)) {
        subscriber_fail(subscriber, ERR_CORRUPT);
        return false;
    }
    if (!format_of(subscriber->format)->encode) {
        to = subscriber_send_chunk(subscriber, entry, from, to);
        sent = to - from;
        *budget -= MIN(*budget, chunk_raw(entry->chunk));
    } else if (!subscriber->filter) {
        const struct encoded *encoded = entry_encode(entry, subscriber->format);
        uint32_t end = fitting(encoded, from, to, room, window_slack(subscriber));
        if (end < to && is_copied(encoded, from, end) && room < subscriber->window.size) {
            window_wait(subscriber); // it would be copied, and the rest of the chunk goes out as one later
            return false;
        }
        to = end;
        sent = to - from;
        subscriber_send_slice(subscriber, encoded, from, to);
        *budget -= MIN(*budget, encoded->offsets[to] - encoded->offsets[from]);
    } else if (nothing || (!by_lines && filter_excludes_chunk(subscriber->filter, entry->chunk))) {
        sent_last = false;
        *budget -= MIN(*budget, chunk_is_open(entry->chunk) ? chunk_raw(entry->chunk) : (size_t)PASSED_BYTES);
    } else {
        sent = subscriber_send_matches(subscriber, entry, from, &to, room, &sent_last);
        *budget -= MIN(*budget, chunk_raw(entry->chunk));
    }
    if (to == entry->count && entry->first + to < follower->limit)
        topic_read_ahead(subscriber->topic, entry->first + to, follower->limit, subscriber->format,
                         by_text ? subscriber->filter : NULL);
    subscriber_delivered(subscriber, entry, sent);
    follower_advance(follower, entry->first + to, sent_last);
    if (by_lines)
        subscriber->lines_cursor = follower->cursor;
    return true;
}

static struct follower_view subscriber_view(const struct subscriber *subscriber)
{
    const struct execution *execution = &subscriber->topic->execution;
    const struct fanout_options *options = &subscriber->fanout->options;

    return (struct follower_view){
        .next = execution->next_sequence,
        .first = execution->first_sequence,
        .restored_from = execution->restored_from,
        .sealed = execution->sealed,
        .purged = execution->purged,
        .status = execution->status,
        .runner_connected = subscriber->wants_state && topic_live(subscriber->topic)->runner_connected,
        .now_ms = loop_now_ms(options->loop),
    };
}

static void subscriber_wait(struct subscriber *subscriber)
{
    // Another look without an event is needed only for records that were considered and not told.
    const struct follower *follower = &subscriber->follower;
    if (!subscriber->wants_position || follower->told >= follower->cursor || timer_active(subscriber->position_timer))
        return;
    uint64_t now = loop_now_ms(subscriber->fanout->options.loop);
    timer_start(subscriber->position_timer, follower->position_due_ms > now ? follower->position_due_ms - now : 0);
}

static void subscriber_tell(struct subscriber *subscriber, enum follower_step step)
{
    struct topic *topic = subscriber->topic;
    if (step == FOLLOWER_COMPLETE || step == FOLLOWER_END || step == FOLLOWER_PURGED)
        subscriber->ended = true;
    if (step == FOLLOWER_GAP)
        metrics_add(subscriber->fanout->options.metrics, subscriber->fanout->options.shard, METRIC_gaps_total, 1);
    subscriber->sink->tell(subscriber->owner, step, &subscriber->follower, &topic->execution, topic_live(topic));
}

static void subscriber_pump(struct subscriber *subscriber)
{
    size_t budget = PUMP_BYTES;
    while (!subscriber->ended && !subscriber->freed && !subscriber->filtering && !subscriber->locate &&
           !subscriber->looks_again) {
        size_t room = window_room(subscriber);
        if (room == 0)
            return;
        if (budget == 0) {
            loop_defer(subscriber->fanout->options.loop, &subscriber->pump);
            return;
        }
        struct follower_view view = subscriber_view(subscriber);
        enum follower_step step = follower_next(&subscriber->follower, &view);
        if (step == FOLLOWER_WAIT) {
            window_idle(subscriber);
            subscriber_wait(subscriber);
            return;
        }
        if (step != FOLLOWER_READ)
            subscriber_tell(subscriber, step);
        else if (!subscriber_read(subscriber, room, &budget))
            return;
    }
}

static void subscriber_run(struct subscriber *subscriber)
{
    if (subscriber->pumping)
        return;
    subscriber->pumping = true;
    subscriber_pump(subscriber);
    subscriber->pumping = false;
    if (subscriber->freed && !subscriber->filtering)
        subscriber_release(subscriber);
}

static void subscriber_pump_deferred(struct deferred *deferred)
{
    subscriber_run(CONTAINER_OF(deferred, struct subscriber, pump));
}

static void subscriber_locate(struct subscriber *subscriber);

static void subscriber_position_due(void *arg)
{
    struct subscriber *subscriber = arg;
    if (subscriber->looks_again)
        subscriber_locate(subscriber);
    else
        subscriber_run(subscriber);
}

static void subscriber_woken(struct topic_waiter *waiter)
{
    subscriber_run(CONTAINER_OF(waiter, struct subscriber, waiter));
}

// What cannot be read now comes later, when S3 or the database is there again: who follows waits for it. Where a store
// is this server's alone, nothing of it is away for a while.
static bool subscriber_waits(struct subscriber *subscriber, int err)
{
    bool away = err == ERR_COLD || (err == ERR_UNAVAILABLE && !store_alone(subscriber->fanout->options.store));
    bool waits = away && subscriber->follow && !subscriber->ended;
    if (waits)
        timer_start(subscriber->position_timer, AWAY_AGAIN_MS);
    return waits;
}

static void subscriber_topic_failed(struct topic_waiter *waiter, int err)
{
    struct subscriber *subscriber = CONTAINER_OF(waiter, struct subscriber, waiter);
    if (!subscriber_waits(subscriber, err))
        subscriber_fail(subscriber, err);
}

static void subscriber_decided(struct subscriber *subscriber, int err)
{
    if (subscriber->freed)
        subscriber_release(subscriber);
    else if (err)
        subscriber_fail(subscriber, err);
    else
        loop_defer(subscriber->fanout->options.loop, &subscriber->pump);
}

// --- Life

static void subscriber_start(struct subscriber *subscriber, uint64_t from)
{
    follower_init(&subscriber->follower, from, subscriber->follow, subscriber->topic->stored);
    subscriber->follower.restored = subscriber->restored;
    subscriber->follower.wants_state = subscriber->wants_state;
    subscriber->follower.wants_position = subscriber->wants_position;
    subscriber->follower.position_due_ms = loop_now_ms(subscriber->fanout->options.loop) + FOLLOWER_POSITION_MS;
    if (from > 0)
        metrics_add(subscriber->fanout->options.metrics, subscriber->fanout->options.shard, METRIC_resumes_total, 1);
    loop_defer(subscriber->fanout->options.loop, &subscriber->pump);
}

static void subscriber_located(void *arg, int err, const struct place *place)
{
    struct subscriber *subscriber = arg;
    subscriber->locate = NULL;
    subscriber->looks_again = err && subscriber_waits(subscriber, err);
    if (subscriber->looks_again)
        return;
    if (err) {
        subscriber_fail(subscriber, err);
        return;
    }
    subscriber_start(subscriber, place->from);
    subscriber->follower.wants_front = place->front > 0;
}

static const struct locate_handler located = {.done = subscriber_located};

static void subscriber_locate(struct subscriber *subscriber)
{
    const struct fanout_options *options = &subscriber->fanout->options;
    subscriber->looks_again = false;
    subscriber->locate =
        locate_start(options->store, options->loop, &subscriber->topic->execution, &subscriber->position,
                     subscriber->filter, options->regex_steps, &located, subscriber);
}

struct subscriber *fanout_subscribe(struct fanout *fanout, const struct subscription *subscription)
{
    struct subscriber *subscriber = xcalloc(1, sizeof(*subscriber));
    *subscriber = (struct subscriber){
        .waiter = {.wake = subscriber_woken, .failed = subscriber_topic_failed},
        .topic = topic_open(fanout, subscription->execution),
        .fanout = fanout,
        .decided = subscriber_decided,
        .format = subscription->format,
        .filter = subscription->filter ? filter_ref(subscription->filter) : NULL,
        .sink = subscription->sink,
        .owner = subscription->owner,
        .follow = subscription->follow,
        .restored = subscription->restored,
        .wants_state = subscription->wants_state,
        .wants_position = subscription->wants_position,
        .position = subscription->position,
    };
    subscriber->topic->live_known = false; // how far its runner lags behind changes without a wake
    deferred_init(&subscriber->pump, subscriber_pump_deferred);
    window_init(subscriber);
    list_init(&subscriber->scan_wait);
    subscriber->position_timer = timer_new(fanout->options.loop, subscriber_position_due, subscriber);
    list_push_back(&subscriber->topic->waiters, &subscriber->waiter.node);
    subscriber->transport = subscription->transport;
    metrics_add_to(fanout->options.metrics, fanout->options.shard, METRIC_followers, subscriber->transport, 1);
    if (subscription->position.kind == POSITION_FROM)
        subscriber_start(subscriber, subscription->position.from);
    else
        subscriber_locate(subscriber);
    return subscriber;
}

void subscriber_drained(struct subscriber *subscriber)
{
    window_drained(subscriber);
    subscriber_run(subscriber);
}

void subscriber_finish(struct subscriber *subscriber)
{
    subscriber->follow = false; // for a subscriber whose position is still looked for
    if (!subscriber->locate && !subscriber->looks_again)
        follower_finish(&subscriber->follower, subscriber->topic->stored);
    loop_defer(subscriber->fanout->options.loop, &subscriber->pump);
}

uint64_t subscriber_cursor(const struct subscriber *subscriber)
{
    return subscriber->follower.cursor;
}

void subscriber_go_on(struct subscriber *subscriber, enum follow_format format)
{
    subscriber->ended = false;
    subscriber->follow = true;
    subscriber->format = format;
    follower_go_on(&subscriber->follower);
    loop_defer(subscriber->fanout->options.loop, &subscriber->pump);
}

void subscriber_free(struct subscriber **subscriber)
{
    struct subscriber *it = *subscriber;
    if (!it)
        return;
    *subscriber = NULL;
    struct fanout *fanout = it->fanout;
    metrics_add_to(fanout->options.metrics, fanout->options.shard, METRIC_followers, it->transport, -1);
    locate_cancel(&it->locate);
    deferred_cancel(&it->pump);
    timer_free(&it->position_timer);
    window_release(it);
    list_remove(&it->scan_wait);
    list_remove(&it->waiter.node);
    topic_close_if_idle(it->topic);
    it->freed = it->ended = true;
    if (!it->pumping && !it->filtering)
        subscriber_release(it);
}
