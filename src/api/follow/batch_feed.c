#include "api/follow/batch_feed.h"

#include "api/jobs/jobs.h"
#include "util/clock.h"

#include <xxhash.h>

#define VERSION_BITS 52

struct batch_feed {
    struct map_node node;
    struct api *api;
    int64_t row;
    struct list_node listeners;
    struct timer *timer;
    uint64_t looked_ms; // when the last look began
    uint64_t looks;     // how many have begun
    bool looking, again, telling;
    struct store_batch_get get;
    struct store_batch_failures failures;
    struct batch batch;
};

static struct str key_of(const int64_t *row)
{
    return str_n((const char *)row, sizeof(*row));
}

static struct batch_feed *feed_find(const struct api *api, int64_t row)
{
    struct map_node *node = map_find(&api->feeds, key_of(&row));
    return node ? CONTAINER_OF(node, struct batch_feed, node) : NULL;
}

// A feed that nobody follows is no longer found, and lasts until its look has come back.
static void feed_close_if_idle(struct batch_feed *feed)
{
    if (!list_empty(&feed->listeners) || feed->telling)
        return;
    if (feed->timer) {
        map_remove(&feed->api->feeds, &feed->node);
        feed->api->feed_count--;
        timer_free(&feed->timer);
    }
    if (feed->looking)
        return;
    batch_release(&feed->batch);
    free(feed);
}

// --- Telling

uint64_t batch_version(const struct batch *batch)
{
    const struct batch_counts *counts = &batch->counts;
    uint64_t facts[STATUS_COUNT + 9];
    size_t count = 0;
    for (; count < STATUS_COUNT; count++)
        facts[count] = counts->of[count];
    facts[count++] = counts->ended;
    facts[count++] = (uint64_t)counts->ended_ms_sum;
    facts[count++] = (uint64_t)counts->running_started_sum;
    facts[count++] = (uint64_t)counts->first_started_ms;
    facts[count++] = (uint64_t)counts->last_ended_ms;
    facts[count++] = batch->open;
    facts[count++] = batch->unsettled;
    facts[count++] = batch->cancelled;
    facts[count++] = batch->stopped;
    return (XXH3_64bits(facts, count * sizeof(*facts)) >> (64 - VERSION_BITS)) | 1;
}

static void tell_one(struct batch_listener *listener, const struct batch_news *news, bool anew)
{
    if (!anew && listener->version == news->version)
        return;
    listener->behind = !listener->room(listener);
    if (listener->behind)
        return;
    listener->version = news->version;
    listener->tell(listener, news);
}

static void tell_all(struct batch_feed *feed)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    const struct batch *batch = &feed->batch;
    enum batch_status status = batch_stands(batch);
    batch_add_status(&json, NULL, batch, feed->api->limits->currency, &feed->failures, clock_real_ms());
    struct batch_news news = {
        .batch_id = batch->batch_id,
        .version = batch_version(batch),
        .status = batch_status_word(status),
        .over = batch_status_over(status),
        .json = buf_str(&text),
    };
    bool runs = batch_running(&batch->counts) > 0; // duration, cost and estimate have changed
    LIST_FOR_EACH_SAFE(node, next, &feed->listeners) {
        struct batch_listener *listener = CONTAINER_OF(node, struct batch_listener, node);
        if (listener->joined < feed->looks) // what was read before it came may be older than what it knows
            tell_one(listener, &news, runs);
    }
}

static void fail_all(struct batch_feed *feed, int err)
{
    LIST_FOR_EACH_SAFE(node, next, &feed->listeners) {
        struct batch_listener *listener = CONTAINER_OF(node, struct batch_listener, node);
        listener->failed(listener, err);
    }
}

// --- Looking

static void look(struct batch_feed *feed);

static void look_over(struct batch_feed *feed, int err)
{
    feed->looking = false;
    feed->telling = true;
    if (err && err != ERR_UNAVAILABLE) // the next look may be answered
        fail_all(feed, err);
    else if (!err && !list_empty(&feed->listeners))
        tell_all(feed);
    feed->telling = false;
    store_op_release(&feed->failures.op);
    if (feed->timer)
        timer_start(feed->timer, feed->again ? BATCH_FEED_MS : BATCH_FEED_AGAIN_MS);
    feed->again = false;
    feed_close_if_idle(feed);
}

static void failures_done(struct store_op *op)
{
    struct batch_feed *feed = CONTAINER_OF(op, struct batch_feed, failures.op);
    look_over(feed, op->err);
}

static void get_done(struct store_op *op)
{
    struct batch_feed *feed = CONTAINER_OF(op, struct batch_feed, get.op);
    batch_release(&feed->batch);
    feed->batch = feed->get.ret_batch;
    feed->get.ret_batch = (struct batch){0};
    feed->failures = (struct store_batch_failures){.op.kind = STORE_BATCH_FAILURES};
    if (op->err || list_empty(&feed->listeners)) {
        look_over(feed, op->err);
        return;
    }
    feed->failures.row = feed->row;
    feed->failures.limit = BATCH_FAILURES_SHOWN;
    feed->failures.op.reply_to = feed->api->options.loop;
    feed->failures.op.done = failures_done;
    feed->failures.op.account = feed->batch.account;
    store_submit(feed->api->options.store, &feed->failures.op);
}

static void look(struct batch_feed *feed)
{
    feed->looking = true;
    feed->looks++;
    feed->looked_ms = loop_now_ms(feed->api->options.loop);
    feed->get = (struct store_batch_get){
        .op = {.kind = STORE_BATCH_GET, .reply_to = feed->api->options.loop, .done = get_done},
        .row = feed->row,
    };
    store_submit(feed->api->options.store, &feed->get.op);
}

static void on_timer(void *arg)
{
    struct batch_feed *feed = arg;
    if (!feed->looking)
        look(feed);
}

// Something has changed. The first change after some quiet is told at once.
static void feed_stir(struct batch_feed *feed)
{
    uint64_t now_ms = loop_now_ms(feed->api->options.loop);
    if (feed->looking)
        feed->again = true;
    else if (now_ms - feed->looked_ms >= BATCH_FEED_MS)
        look(feed);
    else
        timer_start(feed->timer, BATCH_FEED_MS - (now_ms - feed->looked_ms));
}

// --- Listeners

static struct batch_feed *feed_new(struct api *api, int64_t row)
{
    struct batch_feed *feed = xcalloc(1, sizeof(*feed));
    feed->api = api;
    feed->row = row;
    list_init(&feed->listeners);
    feed->timer = timer_new(api->options.loop, on_timer, feed);
    map_insert(&api->feeds, &feed->node, key_of(&feed->row));
    api->feed_count++; // before the first look: what is committed later is heard of
    return feed;
}

void batch_listener_join(struct batch_listener *listener, struct api *api, int64_t row, uint64_t version)
{
    struct batch_feed *feed = feed_find(api, row);
    if (!feed)
        feed = feed_new(api, row);
    listener->feed = feed;
    listener->version = version;
    listener->joined = feed->looks;
    list_push_back(&feed->listeners, &listener->node);
    metrics_add_to(api->options.metrics, api->options.shard, METRIC_followers, listener->transport, 1);
    feed_stir(feed);
}

void batch_listener_leave(struct batch_listener *listener)
{
    struct batch_feed *feed = TAKE_PTR(listener->feed);
    if (!feed)
        return;
    list_remove(&listener->node);
    metrics_add_to(feed->api->options.metrics, feed->api->options.shard, METRIC_followers, listener->transport, -1);
    feed_close_if_idle(feed);
}

void batch_listener_drained(struct batch_listener *listener)
{
    if (!listener->feed || !listener->behind)
        return;
    listener->version = 0;
    feed_stir(listener->feed);
}

void append_batch_news(struct buf *out, const struct batch_news *news)
{
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", news->over ? "complete" : "batch");
    json_add_text(&json, "batch_id", news->batch_id);
    json_add_u64(&json, "version", news->version);
    json_add_text(&json, "status", news->status);
    json_add_raw(&json, "batch", news->json);
    json_close(&json);
}

// --- What the store tells

struct stirred {
    struct mail mail;
    struct api *api;
    bool all; // what has changed was not heard of
    size_t count;
    int64_t rows[];
};

static void stir_one(struct map_node *node, void *arg)
{
    (void)arg;
    feed_stir(CONTAINER_OF(node, struct batch_feed, node));
}

static void deliver(struct mail *mail)
{
    struct stirred *stirred = CONTAINER_OF(mail, struct stirred, mail);
    if (stirred->all)
        map_each(&stirred->api->feeds, stir_one, NULL);
    for (size_t i = 0; i < stirred->count; i++) {
        struct batch_feed *feed = feed_find(stirred->api, stirred->rows[i]);
        if (feed)
            feed_stir(feed);
    }
    free(stirred);
}

static size_t batches_of(const struct store_change *changes, size_t count, int64_t *rows)
{
    size_t found = 0;
    for (size_t i = 0; i < count; i++)
        if (changes[i].batch != 0 && (found == 0 || rows[found - 1] != changes[i].batch))
            rows[found++] = changes[i].batch;
    return found;
}

void api_publish(struct api *const *apis, size_t api_count, const struct store_change *changes, size_t change_count)
{
    for (size_t i = 0; i < api_count; i++) {
        if (apis[i]->feed_count == 0)
            continue;
        struct stirred *stirred = xmalloc(sizeof(*stirred) + change_count * sizeof(stirred->rows[0]));
        *stirred = (struct stirred){.mail.deliver = deliver, .api = apis[i]};
        stirred->count = batches_of(changes, change_count, stirred->rows);
        for (size_t k = 0; k < change_count; k++)
            stirred->all |= changes[k].missed;
        if (stirred->count > 0 || stirred->all)
            loop_post(apis[i]->options.loop, &stirred->mail);
        else
            free(stirred);
    }
}
