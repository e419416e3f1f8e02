#include "runner/recorder.h"

#include "runner/capture.h"
#include "util/clock.h"

#include <pthread.h>
#include <stdatomic.h>

#define ZSTD_LEVEL    1
#define ROOM_RETRY_MS 500 // the disk may get room without an ack
#define CHUNK_RAW_LIMIT \
    (900u * 1024) // including the next message; a chunk must fit into a frame even if it does not compress

enum item_kind { ITEM_SLOT, ITEM_LINE, ITEM_END };

struct item {
    struct list_node node;
    enum item_kind kind;
    enum record_stream stream;
    struct recorder_slot *slot;
    struct buf line;
    int64_t time_ms;
};

struct unfinished {  // text of a stream that waits for its newline
    uint64_t begun;  // capture's count of the waiting text
    uint64_t due_ms; // monotonic: until when the newline is waited for; 0: nothing waits
};

struct notice { // mail that is under way at most once
    struct mail mail;
    struct recorder *recorder;
    atomic_bool posted;
};

struct recorder {
    struct recorder_options options;
    pthread_t thread;
    struct capture captures[RECORDER_STREAMS];
    struct unfinished unfinished[RECORDER_STREAMS];
    struct chunk_builder *builder;
    int failed; // the final error of the spool; everything is thrown away from then on
    bool waited;
    bool overran; // the spool's limit does not count any more; if there is no room now, the disk is full
    struct notice spooled, waiting, finished;

    pthread_mutex_t lock;
    pthread_cond_t wanted; // signalled for items, for room, and at the end
    pthread_cond_t freed;  // signalled for a free slot
    pthread_cond_t spooled_more;
    uint64_t put_serial, spooled_serial; // numbers of slots; `consumed` belongs to the thread
    uint64_t consumed_serial;
    struct list_node items;
    struct list_node free_slots[RECORDER_STREAMS];
    bool room, closing, abandoned, overrunning;
    struct recorder_slot *slots; // all slots
};

static void notice_post(struct notice *notice)
{
    if (!atomic_exchange(&notice->posted, true))
        loop_post(notice->recorder->options.loop, &notice->mail);
}

static struct recorder *notice_deliver(struct mail *mail)
{
    struct notice *notice = CONTAINER_OF(mail, struct notice, mail);
    atomic_store(&notice->posted, false);
    return notice->recorder;
}

static void deliver_spooled(struct mail *mail)
{
    struct recorder *recorder = notice_deliver(mail);
    recorder->options.events->spooled(recorder->options.arg);
}

static void deliver_waiting(struct mail *mail)
{
    struct recorder *recorder = notice_deliver(mail);
    recorder->options.events->waiting(recorder->options.arg);
}

static void deliver_finished(struct mail *mail)
{
    struct recorder *recorder = notice_deliver(mail);
    recorder->options.events->finished(recorder->options.arg, recorder->failed);
}

// --- The thread

static struct timespec monotonic_time(uint64_t ms)
{
    return (struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000};
}

// Returns false when nobody waits for room any more.
static bool wait_for_room(struct recorder *recorder)
{
    struct timespec until = monotonic_time(clock_mono_ms() + ROOM_RETRY_MS);
    pthread_mutex_lock(&recorder->lock);
    int timed_out = 0;
    while (!recorder->room && !recorder->abandoned && !recorder->overrunning && timed_out == 0)
        timed_out = pthread_cond_timedwait(&recorder->wanted, &recorder->lock, &until);
    recorder->room = false;
    recorder->overran = recorder->overrunning;
    bool go_on = !recorder->abandoned;
    pthread_mutex_unlock(&recorder->lock);
    return go_on;
}

static void wait_anew(struct recorder *recorder)
{
    for (int stream = 0; stream < RECORDER_STREAMS; stream++) {
        if (recorder->unfinished[stream].due_ms > 0)
            recorder->unfinished[stream].due_ms = clock_mono_ms() + RECORDER_PARTIAL_MS;
    }
}

static void append(struct recorder *recorder, const struct chunk *chunk)
{
    bool waited = false;
    int err;
    while ((err = spool_append(recorder->options.spool, chunk)) == ERR_STORE_FULL) {
        if (!recorder->waited)
            notice_post(&recorder->waiting);
        recorder->waited = waited = true;
        if (recorder->overran || !wait_for_room(recorder))
            break;
    }
    recorder->failed = err;
    if (waited) // nothing was read meanwhile, so the rest of a line may have come long ago
        wait_anew(recorder);
    if (err == 0 && spool_notice_due(recorder->options.spool))
        notice_post(&recorder->spooled);
}

static void flush(struct recorder *recorder)
{
    if (chunk_builder_count(recorder->builder) == 0)
        return;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(recorder->builder, ZSTD_LEVEL);
    append(recorder, chunk);
}

static void add_record(void *arg, const struct record *record)
{
    struct recorder *recorder = arg;
    size_t raw = chunk_builder_raw(recorder->builder);
    bool full = chunk_builder_count(recorder->builder) >= CHUNK_COUNT_MAX;
    if (full || raw >= RECORDER_CHUNK_RAW || raw + record->message.len > CHUNK_RAW_LIMIT)
        flush(recorder);
    // After a failure the builder is only emptied: a later record must not follow missing ones.
    if (recorder->failed == 0 && chunk_builder_add(recorder->builder, record) < 0)
        recorder->failed = ERR_TOO_LARGE;
}

static void slot_unref(struct recorder *recorder, struct recorder_slot *slot)
{
    if (atomic_fetch_sub(&slot->refs, 1) > 1)
        return;
    pthread_mutex_lock(&recorder->lock);
    list_push_front(&recorder->free_slots[slot->stream], &slot->node);
    pthread_cond_broadcast(&recorder->freed);
    pthread_mutex_unlock(&recorder->lock);
}

static void record_item(struct recorder *recorder, struct item *item)
{
    struct capture *capture = &recorder->captures[item->stream];
    struct record line = {.time_ms = item->time_ms, .stream = item->stream, .message = buf_str(&item->line)};
    switch (item->kind) {
    case ITEM_SLOT:
        capture->onlcr = item->slot->onlcr;
        capture_feed(capture, item->slot->data, item->slot->len, item->slot->time_ms, add_record, recorder);
        recorder->consumed_serial = item->slot->serial;
        slot_unref(recorder, item->slot);
        break;
    case ITEM_LINE:
        add_record(recorder, &line);
        break;
    case ITEM_END:
        capture_end(capture, item->time_ms, add_record, recorder);
        break;
    }
    buf_release(&item->line);
    free(item);
}

static uint64_t first_due_ms(const struct recorder *recorder)
{
    uint64_t first = 0;
    for (int stream = 0; stream < RECORDER_STREAMS; stream++) {
        uint64_t due = recorder->unfinished[stream].due_ms;
        if (due > 0 && (first == 0 || due < first))
            first = due;
    }
    return first;
}

// Waits until something has come, or until unfinished text is due. Returns false at the end.
static bool take_items(struct recorder *recorder, struct list_node *ret)
{
    uint64_t due_ms = first_due_ms(recorder);
    struct timespec until = monotonic_time(due_ms);
    int timed_out = 0;
    pthread_mutex_lock(&recorder->lock);
    while (list_empty(&recorder->items) && !recorder->closing && timed_out == 0) {
        if (due_ms > 0)
            timed_out = pthread_cond_timedwait(&recorder->wanted, &recorder->lock, &until);
        else
            pthread_cond_wait(&recorder->wanted, &recorder->lock);
    }
    list_splice(ret, &recorder->items);
    pthread_mutex_unlock(&recorder->lock);
    return timed_out || !list_empty(ret);
}

static void settle_unfinished(struct recorder *recorder, struct capture *capture, struct unfinished *unfinished)
{
    bool known = unfinished->due_ms > 0 && unfinished->begun == capture->begun;
    if (capture_waits(capture) && known && clock_mono_ms() >= unfinished->due_ms) {
        capture_flush(capture, add_record, recorder);
        known = false;
    }
    if (!capture_waits(capture))
        *unfinished = (struct unfinished){0};
    else if (!known)
        *unfinished = (struct unfinished){.begun = capture->begun, .due_ms = clock_mono_ms() + RECORDER_PARTIAL_MS};
}

static void tell_spooled(struct recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    recorder->spooled_serial = recorder->consumed_serial;
    pthread_cond_broadcast(&recorder->spooled_more);
    pthread_mutex_unlock(&recorder->lock);
}

static void *recorder_thread(void *arg)
{
    struct recorder *recorder = arg;
    struct list_node items;
    list_init(&items);
    while (take_items(recorder, &items)) {
        LIST_FOR_EACH_SAFE(node, next, &items) {
            list_remove(node);
            record_item(recorder, CONTAINER_OF(node, struct item, node));
        }
        for (int stream = 0; stream < RECORDER_STREAMS; stream++)
            settle_unfinished(recorder, &recorder->captures[stream], &recorder->unfinished[stream]);
        flush(recorder);
        tell_spooled(recorder);
    }
    notice_post(&recorder->finished);
    return NULL;
}

// --- For other threads

static void notice_init(struct notice *notice, struct recorder *recorder, void (*deliver)(struct mail *mail))
{
    notice->recorder = recorder;
    notice->mail.deliver = deliver;
}

int recorder_new(const struct recorder_options *options, struct recorder **ret)
{
    struct recorder *recorder = xcalloc(1, sizeof(*recorder));
    pthread_condattr_t monotonic;
    recorder->options = *options;
    recorder->builder = chunk_builder_new();
    recorder->slots = xmalloc(RECORDER_STREAMS * RECORDER_SLOTS * sizeof(*recorder->slots));
    notice_init(&recorder->spooled, recorder, deliver_spooled);
    notice_init(&recorder->waiting, recorder, deliver_waiting);
    notice_init(&recorder->finished, recorder, deliver_finished);
    pthread_mutex_init(&recorder->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&recorder->wanted, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&recorder->freed, NULL);
    pthread_cond_init(&recorder->spooled_more, NULL);
    list_init(&recorder->items);
    for (int stream = 0; stream < RECORDER_STREAMS; stream++) {
        capture_init(&recorder->captures[stream], (enum record_stream)stream, options->message_max);
        list_init(&recorder->free_slots[stream]);
        for (int i = 0; i < RECORDER_SLOTS; i++) {
            struct recorder_slot *slot = &recorder->slots[stream * RECORDER_SLOTS + i];
            slot->stream = (enum record_stream)stream;
            list_push_back(&recorder->free_slots[stream], &slot->node);
        }
    }
    int err = pthread_create(&recorder->thread, NULL, recorder_thread, recorder);
    if (err) {
        recorder->thread = 0;
        recorder_free(&recorder);
        return -err;
    }
    *ret = recorder;
    return 0;
}

void recorder_free(struct recorder **recorder_ptr)
{
    struct recorder *recorder = TAKE_PTR(*recorder_ptr);
    if (!recorder)
        return;
    if (recorder->thread)
        pthread_join(recorder->thread, NULL);
    for (int stream = 0; stream < RECORDER_STREAMS; stream++)
        capture_release(&recorder->captures[stream]);
    chunk_builder_free(&recorder->builder);
    pthread_mutex_destroy(&recorder->lock);
    pthread_cond_destroy(&recorder->wanted);
    pthread_cond_destroy(&recorder->freed);
    pthread_cond_destroy(&recorder->spooled_more);
    free(recorder->slots);
    free(recorder);
}

struct recorder_slot *recorder_take(struct recorder *recorder, enum record_stream stream)
{
    pthread_mutex_lock(&recorder->lock);
    while (list_empty(&recorder->free_slots[stream]))
        pthread_cond_wait(&recorder->freed, &recorder->lock);
    struct list_node *node = recorder->free_slots[stream].next;
    list_remove(node);
    pthread_mutex_unlock(&recorder->lock);
    struct recorder_slot *slot = CONTAINER_OF(node, struct recorder_slot, node);
    atomic_store(&slot->refs, 1);
    return slot;
}

static void add_item(struct recorder *recorder, struct item item)
{
    struct item *added = xmalloc(sizeof(*added));
    *added = item;
    pthread_mutex_lock(&recorder->lock);
    if (added->slot)
        added->slot->serial = ++recorder->put_serial;
    list_push_back(&recorder->items, &added->node);
    pthread_cond_signal(&recorder->wanted);
    pthread_mutex_unlock(&recorder->lock);
}

void recorder_put(struct recorder *recorder, struct recorder_slot *slot)
{
    atomic_fetch_add(&slot->refs, 1);
    add_item(recorder, (struct item){.kind = ITEM_SLOT, .stream = slot->stream, .slot = slot});
}

void recorder_wait_spooled(struct recorder *recorder, const struct recorder_slot *slot)
{
    pthread_mutex_lock(&recorder->lock);
    while (recorder->spooled_serial < slot->serial)
        pthread_cond_wait(&recorder->spooled_more, &recorder->lock);
    pthread_mutex_unlock(&recorder->lock);
}

void recorder_drop(struct recorder *recorder, struct recorder_slot *slot)
{
    slot_unref(recorder, slot);
}

void recorder_end(struct recorder *recorder, enum record_stream stream)
{
    add_item(recorder, (struct item){.kind = ITEM_END, .stream = stream, .time_ms = clock_real_ms()});
}

void recorder_add_line(struct recorder *recorder, enum record_stream stream, struct str line, int64_t time_ms)
{
    struct item item = {.kind = ITEM_LINE, .stream = stream, .time_ms = time_ms};
    buf_append_str(&item.line, line);
    add_item(recorder, item);
}

static void set_flag(struct recorder *recorder, bool *flag)
{
    pthread_mutex_lock(&recorder->lock);
    *flag = true;
    pthread_cond_signal(&recorder->wanted);
    pthread_mutex_unlock(&recorder->lock);
}

void recorder_room(struct recorder *recorder)
{
    set_flag(recorder, &recorder->room);
}

void recorder_overrun(struct recorder *recorder)
{
    spool_lift_limit(recorder->options.spool);
    set_flag(recorder, &recorder->overrunning);
}

void recorder_close(struct recorder *recorder)
{
    set_flag(recorder, &recorder->closing);
}

void recorder_abandon(struct recorder *recorder)
{
    set_flag(recorder, &recorder->abandoned);
}
