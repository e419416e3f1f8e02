#include "ingest/late.h"

#include <stdatomic.h>

#define BATCH_BYTES ((size_t)4 * 1024 * 1024) // with so much the window ends at once
#define SHORT_QUERY 1000                      // events; to ask for more takes a turn among the scans

enum late_state {
    LATE_WINDOW,   // waits for what else comes; the timer runs
    LATE_ASKING,   // which of the batch are known
    LATE_APPENDING // the others
};

struct late_log {
    struct map_node node;
    struct late *late;
    int64_t row, account; // row: key
    enum late_state state;
    struct timer *window;
    struct late_delivery *waiting, **waiting_end;
    size_t waiting_bytes;
    bool waiting_whole; // one of them ends the window
    // The batch: what was taken out of the window.
    struct late_delivery *batch;
    struct late_event *events;   // of all deliveries; views of theirs
    struct late_delivery **from; // by the order of events
    bool *known;
    size_t count;
    struct store_events_known ask;
    struct submission submission;
};

struct late {
    struct late_options options;
    struct map logs; // those with something under way
    bool stopped;
    size_t events; // of all deliveries that are not answered
    _Atomic uint64_t window_ms;
    _Atomic size_t message_max;
};

// --- Answers

static void answer(struct mail *mail)
{
    struct late_delivery *delivery = CONTAINER_OF(mail, struct late_delivery, mail);
    delivery->done(delivery);
}

static void count_waiting(struct late *late)
{
    metrics_set(late->options.metrics, METRIC_source_waiting, (int64_t)late->events);
}

static void answer_all(struct late *late, struct late_delivery *first, int err)
{
    while (first) {
        struct late_delivery *delivery = first;
        first = delivery->next;
        late->events -= delivery->count;
        delivery->err = err;
        delivery->mail.deliver = answer;
        loop_post(delivery->reply_to, &delivery->mail);
    }
    count_waiting(late);
}

// An event is new for the delivery that brought it first.
static void count_new(struct late_log *log)
{
    for (struct late_delivery *it = log->batch; it; it = it->next)
        it->ret_new = 0;
    for (size_t i = 0; i < log->count; i++)
        log->from[log->events[i].order]->ret_new++;
}

// --- The batch

static void window_begin(struct late_log *log);
static void ask_known(struct late_log *log);

static void log_free(struct late_log *log)
{
    map_remove(&log->late->logs, &log->node);
    timer_free(&log->window);
    free(log);
}

static void batch_end(struct late_log *log, int err)
{
    struct late_delivery *batch = TAKE_PTR(log->batch);
    submission_release(&log->submission);
    free(TAKE_PTR(log->events));
    free(TAKE_PTR(log->from));
    free(TAKE_PTR(log->known));
    answer_all(log->late, batch, err);
    if (log->late->stopped) {
        answer_all(log->late, TAKE_PTR(log->waiting), ERR_SHUTTING_DOWN);
        log_free(log);
    } else if (log->waiting) {
        window_begin(log);
    } else {
        log_free(log);
    }
}

static void appended(struct submission *submission)
{
    struct late_log *log = CONTAINER_OF(submission, struct late_log, submission);
    int err = submission->err;
    if (err == ERR_CONFLICT && !log->late->stopped) { // another server has stored some of them meanwhile
        submission_release(submission);
        ask_known(log);
        return;
    }
    if (err == 0) {
        metrics_add(log->late->options.metrics, 0, METRIC_source_events_total, (int64_t)log->count);
        count_new(log);
    }
    batch_end(log, err);
}

static int fill_parts(struct late_log *log)
{
    int err = 0;
    log->submission =
        (struct submission){.records.message_max = atomic_load(&log->late->message_max), .done = appended};
    for (size_t i = 0; i < log->count && err == 0; i++)
        err = record_parts_add_event(&log->submission.records, &log->events[i]);
    record_parts_end(&log->submission.records);
    return err;
}

static void append(struct late_log *log)
{
    int err = fill_parts(log);
    if (err < 0 || log->count == 0) {
        batch_end(log, err);
        return;
    }
    log->state = LATE_APPENDING;
    submission_send(&log->submission, &(struct submission_target){.store = log->late->options.store,
                                                                  .loop = log->late->options.loop,
                                                                  .account = log->account,
                                                                  .row = log->row});
}

static void known(struct store_op *op)
{
    struct late_log *log = CONTAINER_OF(op, struct late_log, ask.op);
    size_t before = log->count;
    if (op->err || log->late->stopped) {
        batch_end(log, op->err ? op->err : ERR_SHUTTING_DOWN);
        return;
    }
    log->count = late_unknown(log->events, log->count, log->known);
    metrics_add(log->late->options.metrics, 0, METRIC_source_repeated_total, (int64_t)(before - log->count));
    append(log);
}

static void ask_known(struct late_log *log)
{
    log->state = LATE_ASKING;
    log->ask = (struct store_events_known){
        .op = {.kind = STORE_EVENTS_KNOWN,
               .reply_to = log->late->options.loop,
               .done = known,
               .scan = log->count > SHORT_QUERY},
        .row = log->row,
        .account = log->account,
        .events = log->events,
        .count = log->count,
        .ret_known = log->known,
    };
    store_submit(log->late->options.store, &log->ask.op);
}

static void window_end(void *arg)
{
    struct late_log *log = arg;
    size_t count = 0;
    timer_stop(log->window);
    log->batch = TAKE_PTR(log->waiting);
    log->waiting_end = &log->waiting;
    log->waiting_bytes = 0;
    log->waiting_whole = false;
    for (const struct late_delivery *it = log->batch; it; it = it->next)
        count += it->count;
    log->events = xcalloc(count, sizeof(*log->events));
    log->from = xcalloc(count, sizeof(struct late_delivery *));
    log->known = xcalloc(count, sizeof(*log->known));
    log->count = 0;
    for (struct late_delivery *it = log->batch; it; it = it->next) {
        for (size_t i = 0; i < it->count; i++) {
            log->from[log->count] = it;
            log->events[log->count] = it->events[i];
            log->events[log->count].order = log->count;
            log->count++;
        }
    }
    log->count = late_unique(log->events, log->count);
    metrics_add(log->late->options.metrics, 0, METRIC_source_repeated_total, (int64_t)(count - log->count));
    late_sort(log->events, log->count);
    ask_known(log);
}

// --- The window

static bool window_is_full(const struct late_log *log)
{
    return log->waiting_whole || log->waiting_bytes >= BATCH_BYTES;
}

static void window_begin(struct late_log *log)
{
    uint64_t window_ms = atomic_load(&log->late->window_ms);
    log->state = LATE_WINDOW;
    if (window_ms == 0 || window_is_full(log))
        window_end(log);
    else
        timer_start(log->window, window_ms);
}

static struct late_log *log_of(struct late *late, const struct late_delivery *delivery)
{
    struct str key = str_n((const char *)&delivery->row, sizeof(delivery->row));
    struct map_node *node = map_find(&late->logs, key);
    if (node)
        return CONTAINER_OF(node, struct late_log, node);
    struct late_log *log = xcalloc(1, sizeof(*log));
    log->late = late;
    log->row = delivery->row;
    log->account = delivery->account;
    log->window = timer_new(late->options.loop, window_end, log);
    log->waiting_end = &log->waiting;
    map_insert(&late->logs, &log->node, str_n((const char *)&log->row, sizeof(log->row)));
    return log;
}

static void came(struct mail *mail)
{
    struct late_delivery *delivery = CONTAINER_OF(mail, struct late_delivery, mail);
    struct late *late = delivery->late;
    delivery->next = NULL;
    late->events += delivery->count;
    count_waiting(late);
    if (late->stopped) {
        answer_all(late, delivery, ERR_SHUTTING_DOWN);
        return;
    }
    struct late_log *log = log_of(late, delivery);
    bool first = !log->waiting && !log->batch;
    *log->waiting_end = delivery;
    log->waiting_end = &delivery->next;
    log->waiting_bytes += delivery->bytes;
    log->waiting_whole |= delivery->whole;
    if (first)
        window_begin(log);
    else if (log->state == LATE_WINDOW && window_is_full(log))
        window_end(log);
}

void late_deliver(struct late *late, struct late_delivery *delivery)
{
    delivery->late = late;
    delivery->mail.deliver = came;
    loop_post(late->options.loop, &delivery->mail);
}

// --- Life

void late_set(struct late *late, uint64_t window_ms, size_t message_max)
{
    atomic_store(&late->window_ms, window_ms);
    atomic_store(&late->message_max, message_max);
}

size_t late_message_max(const struct late *late)
{
    return atomic_load(&late->message_max);
}

struct late *late_new(const struct late_options *options)
{
    struct late *late = xcalloc(1, sizeof(*late));
    late->options = *options;
    map_init(&late->logs);
    late_set(late, 0, RECORD_MESSAGE_MAX);
    return late;
}

static void stop_log(struct map_node *node, void *arg)
{
    struct late_log *log = CONTAINER_OF(node, struct late_log, node);
    (void)arg;
    if (log->batch) { // ends when it is answered
        timer_free(&log->window);
        return;
    }
    answer_all(log->late, TAKE_PTR(log->waiting), ERR_SHUTTING_DOWN);
    log_free(log);
}

void late_stop(struct late *late)
{
    late->stopped = true;
    map_each(&late->logs, stop_log, late);
}

void late_free(struct late **late_ptr)
{
    struct late *late = TAKE_PTR(*late_ptr);
    if (!late)
        return;
    map_release(&late->logs);
    free(late);
}
