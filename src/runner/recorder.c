#include "runner/recorder.h"

#include "runner/transcript.h"
#include "util/clock.h"

#include <pthread.h>
#include <stdatomic.h>

#define ROOM_RETRY_MS 500 // the disk may get room without an ack

enum item_kind { ITEM_SLOT, ITEM_RECORD, ITEM_END };

struct item {
    struct list_node node;
    enum item_kind kind;
    enum record_stream stream;
    struct recorder_slot *slot;
    struct buf message, extra;
    enum record_level level;
    bool continues;
    int64_t time_ms;
};

struct notice { // mail that is under way at most once
    struct mail mail;
    struct recorder *recorder;
    atomic_bool posted;
};

struct recorder {
    struct recorder_options options;
    pthread_t thread;
    struct transcript *transcript;
    bool waited;
    bool overran; // the spool's limit does not count any more; if there is no room now, the disk is full
    struct notice spooled, waiting, added, finished;

    pthread_mutex_t lock;
    pthread_cond_t wanted; // signalled for items, for room, and at the end
    pthread_cond_t freed;  // signalled for a free slot
    pthread_cond_t spooled_more;
    uint64_t put_serial, spooled_serial; // numbers of slots; `consumed` belongs to the thread
    uint64_t consumed_serial;
    struct list_node items;
    struct list_node free_slots[TRANSCRIPT_STREAMS];
    uint64_t added_serial, added_spooled; // numbers of records that were made elsewhere
    uint64_t consumed_added;              // the same; the thread's
    int failed;
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

static void deliver_added(struct mail *mail)
{
    struct recorder *recorder = notice_deliver(mail);
    recorder->options.events->added(recorder->options.arg);
}

static void deliver_finished(struct mail *mail)
{
    struct recorder *recorder = notice_deliver(mail);
    recorder->options.events->finished(recorder->options.arg, transcript_failed(recorder->transcript));
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

static int append(void *arg, const struct chunk *chunk)
{
    struct recorder *recorder = arg;
    bool waited = false;
    int err;
    while ((err = spool_append(recorder->options.spool, chunk)) == ERR_STORE_FULL) {
        if (!recorder->waited)
            notice_post(&recorder->waiting);
        recorder->waited = waited = true;
        if (recorder->overran || !wait_for_room(recorder))
            break;
    }
    if (waited)
        transcript_wait_anew(recorder->transcript, clock_mono_ms());
    if (err == 0 && spool_notice_due(recorder->options.spool))
        notice_post(&recorder->spooled);
    return err;
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

static void record_slot(struct recorder *recorder, struct recorder_slot *slot)
{
    struct transcript_bytes bytes = {
        .stream = slot->stream,
        .data = slot->data,
        .len = slot->len,
        .time_ms = slot->time_ms,
        .onlcr = slot->onlcr,
    };
    transcript_feed(recorder->transcript, &bytes);
    recorder->consumed_serial = slot->serial;
    slot_unref(recorder, slot);
}

static void record_item(struct recorder *recorder, struct item *item)
{
    struct record record = {.time_ms = item->time_ms,
                            .stream = item->stream,
                            .level = item->level,
                            .continues = item->continues,
                            .message = buf_str(&item->message),
                            .extra = buf_str(&item->extra)};
    switch (item->kind) {
    case ITEM_SLOT:
        record_slot(recorder, item->slot);
        break;
    case ITEM_RECORD:
        transcript_add(recorder->transcript, &record);
        recorder->consumed_added++;
        break;
    case ITEM_END:
        transcript_end(recorder->transcript, item->stream, item->time_ms);
        break;
    }
    buf_release(&item->message);
    buf_release(&item->extra);
    free(item);
}

// Waits until something has come, or until unfinished text is due. Returns false at the end.
static bool take_items(struct recorder *recorder, struct list_node *ret)
{
    uint64_t due_ms = transcript_due_ms(recorder->transcript);
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

static void tell_spooled(struct recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    bool added = recorder->added_spooled != recorder->consumed_added;
    recorder->spooled_serial = recorder->consumed_serial;
    recorder->added_spooled = recorder->consumed_added;
    recorder->failed = transcript_failed(recorder->transcript);
    pthread_cond_broadcast(&recorder->spooled_more);
    pthread_mutex_unlock(&recorder->lock);
    if (added)
        notice_post(&recorder->added);
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
        transcript_settle(recorder->transcript, clock_mono_ms());
        transcript_flush(recorder->transcript);
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
    recorder->transcript = transcript_new(&(struct transcript_options){.message_max = options->message_max,
                                                                       .mask = options->mask,
                                                                       .append = append,
                                                                       .arg = recorder,
                                                                       .result = options->result});
    recorder->slots = xmalloc(TRANSCRIPT_STREAMS * RECORDER_SLOTS * sizeof(*recorder->slots));
    notice_init(&recorder->spooled, recorder, deliver_spooled);
    notice_init(&recorder->waiting, recorder, deliver_waiting);
    notice_init(&recorder->added, recorder, deliver_added);
    notice_init(&recorder->finished, recorder, deliver_finished);
    pthread_mutex_init(&recorder->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&recorder->wanted, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_cond_init(&recorder->freed, NULL);
    pthread_cond_init(&recorder->spooled_more, NULL);
    list_init(&recorder->items);
    for (int stream = 0; stream < TRANSCRIPT_STREAMS; stream++) {
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
    transcript_free(&recorder->transcript);
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
    if (added->kind == ITEM_RECORD)
        recorder->added_serial++;
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

void recorder_add(struct recorder *recorder, const struct record *record)
{
    struct item item = {.kind = ITEM_RECORD,
                        .stream = record->stream,
                        .level = record->level,
                        .continues = record->continues,
                        .time_ms = record->time_ms};
    buf_append_str(&item.message, record->message);
    buf_append_str(&item.extra, record->extra);
    add_item(recorder, item);
}

int recorder_added(struct recorder *recorder)
{
    pthread_mutex_lock(&recorder->lock);
    int result = recorder->failed < 0 ? recorder->failed : recorder->added_spooled == recorder->added_serial;
    pthread_mutex_unlock(&recorder->lock);
    return result;
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
