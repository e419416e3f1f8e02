#include "ingest/intake.h"

#include "util/clock.h"

#include <stdio.h>

#define RETRY_AFTER_MS  1000
#define SKIP_REASON_MAX 256

struct intake {
    struct intake_options options;
    char producer[STORE_PRODUCER_MAX + 1];
    struct sequencer sequencer;
    struct chunk_builder *builder;
    uint64_t builder_first;
    struct deferred flush, answer;
    struct timer *retry;
    struct gate_waiter waiter;
    size_t bytes_under_way, busy_bytes;
    unsigned operations; // operations that the store has not answered
    uint64_t retry_ms;   // pause before the store is asked again; the first failure sets it
    bool was_busy, closed;
};

struct intake_append {
    struct store_append append;
    struct intake *intake;
    size_t bytes;
    uint64_t count, skip_digest;
};

static void intake_reread(void *arg);

// --- What one connection has under way

static size_t busy_bytes_of(const struct budget *budget)
{
    return MIN((size_t)INTAKE_BUSY_BYTES, budget_connection_max(budget, BUDGET_intake));
}

struct intake_share *intake_share_new(struct budget *budget)
{
    struct intake_share *share = xcalloc(1, sizeof(*share));
    share->busy_bytes = busy_bytes_of(budget);
    share->refs = 1;
    return share;
}

void intake_share_unref(struct intake_share **share_ptr)
{
    struct intake_share *share = TAKE_PTR(*share_ptr);
    if (share && --share->refs == 0)
        free(share);
}

static void count(struct intake *intake, size_t added, size_t taken)
{
    intake->bytes_under_way += added - taken;
    if (intake->options.share)
        intake->options.share->bytes_under_way += added - taken;
}

// --- Life

static void intake_free_if_idle(struct intake *intake)
{
    if (!intake->closed || intake->operations)
        return;
    chunk_builder_free(&intake->builder);
    budget_account_unref(&intake->waiter.account);
    intake_share_unref(&intake->options.share);
    free(intake);
}

static void intake_flush_deferred(struct deferred *deferred)
{
    intake_flush(CONTAINER_OF(deferred, struct intake, flush));
}

// Sends one ack for all commits that were answered in this turn of the loop.
static void intake_answer_deferred(struct deferred *deferred)
{
    struct intake *intake = CONTAINER_OF(deferred, struct intake, answer);
    uint64_t next;
    if (sequencer_take_ack(&intake->sequencer, &next))
        intake->options.handler->ack(intake->options.owner, next);
}

static bool intake_may_go(struct gate_waiter *waiter)
{
    struct intake *intake = CONTAINER_OF(waiter, struct intake, waiter);
    const struct intake_share *share = intake->options.share;
    return intake->bytes_under_way < intake->busy_bytes / 2 &&
           (!share || share->bytes_under_way < share->busy_bytes / 2);
}

static void intake_go(struct gate_waiter *waiter)
{
    struct intake *intake = CONTAINER_OF(waiter, struct intake, waiter);
    intake->was_busy = false;
    intake->options.handler->room(intake->options.owner);
}

struct intake *intake_new(const struct intake_options *options)
{
    struct intake *intake = xcalloc(1, sizeof(*intake));
    intake->options = *options;
    snprintf(intake->producer, sizeof(intake->producer), "%.*s", STR_ARGS(options->producer));
    sequencer_init(&intake->sequencer, options->next);
    intake->builder = chunk_builder_new();
    struct budget *budget = options->gate ? options->gate->budget : NULL;
    intake->busy_bytes = busy_bytes_of(budget);
    if (options->share)
        options->share->refs++;
    intake->waiter = (struct gate_waiter){.may_go = intake_may_go, .go = intake_go};
    intake->waiter.account = budget_account(budget, options->account);
    list_init(&intake->waiter.node);
    intake->retry = timer_new(options->loop, intake_reread, intake);
    deferred_init(&intake->flush, intake_flush_deferred);
    deferred_init(&intake->answer, intake_answer_deferred);
    return intake;
}

void intake_close(struct intake **intake)
{
    struct intake *it = *intake;
    if (!it)
        return;
    *intake = NULL;
    intake_flush(it); // it has arrived, so it is committed
    deferred_cancel(&it->flush);
    deferred_cancel(&it->answer);
    list_remove(&it->waiter.node);
    timer_free(&it->retry);
    it->closed = true;
    intake_free_if_idle(it);
}

// --- After a failed commit: asks the store where the producer stands, then begins again

struct intake_producer {
    struct store_producer producer;
    struct intake *intake;
};

static void intake_reread_done(struct store_op *op)
{
    struct intake_producer *query = CONTAINER_OF(op, struct intake_producer, producer.op);
    struct intake *intake = query->intake;
    struct sequence_producer stored = query->producer.ret_producer;
    int err = op->err;

    store_op_release(op);
    free(query);
    if (!intake->closed && err == 0) {
        sequencer_reread(&intake->sequencer, stored.next);
        intake->options.handler->ready(intake->options.owner, &stored);
    } else if (!intake->closed) {
        timer_start(intake->retry, RETRY_AFTER_MS);
    }
    intake->operations--; // not earlier, because the handler may have closed the intake
    intake_free_if_idle(intake);
}

static void intake_reread(void *arg)
{
    struct intake *intake = arg;
    struct intake_producer *query = xcalloc(1, sizeof(*query));
    query->intake = intake;
    query->producer = (struct store_producer){
        .op = {.kind = STORE_PRODUCER,
               .reply_to = intake->options.loop,
               .done = intake_reread_done,
               .account = intake->options.account},
        .row = intake->options.row,
        .producer = str_of(intake->producer),
    };
    intake->operations++;
    store_submit(intake->options.store, &query->producer.op);
}

// --- Appending

static void intake_refuse(struct intake *intake, int err, uint64_t next)
{
    if (err == ERR_GAP)
        metrics_add(intake->options.metrics, intake->options.shard, METRIC_gaps_total, 1);
    metrics_refused(intake->options.metrics, intake->options.shard, err);
    if (!intake->closed)
        intake->options.handler->refused(intake->options.owner, err, next);
}

static void intake_append_failed(struct intake *intake, int err, uint64_t next)
{
    // Only the first failure is told. Those after it fail because of it.
    bool first = intake->sequencer.state == SEQUENCER_OPEN;
    sequencer_failed(&intake->sequencer);
    if (first) {
        intake->retry_ms = err == ERR_GAP || err == ERR_CONFLICT ? 0 : RETRY_AFTER_MS;
        intake_refuse(intake, err, next);
    }
}

static void intake_append_done(struct store_op *op)
{
    struct intake_append *append = CONTAINER_OF(op, struct intake_append, append.op);
    struct intake *intake = append->intake;

    count(intake, 0, append->bytes);
    budget_give(intake->waiter.account, BUDGET_intake, append->bytes);
    if (op->err) {
        intake_append_failed(intake, op->err, append->append.ret_producer_next);
    } else {
        uint64_t repeated = append->count - append->append.ret_appended;
        if (repeated)
            metrics_add(intake->options.metrics, intake->options.shard, METRIC_duplicates_refused_total,
                        (int64_t)repeated);
        if (repeated == append->count)
            sequencer_ack_again(&intake->sequencer);
        sequencer_committed(&intake->sequencer, append->append.ret_producer_next);
        if (!intake->closed)
            loop_defer(intake->options.loop, &intake->answer);
    }
    // Also after a success: the last operation under way need not be one that failed.
    if (intake->sequencer.state == SEQUENCER_REREAD && !intake->closed)
        timer_start(intake->retry, intake->retry_ms);
    chunk_unref(&append->append.chunk);
    store_op_release(op);
    free(append);
    if (intake->options.gate)
        intake_gate_ended(intake->options.gate);
    else if (!intake->closed && intake->was_busy && intake_may_go(&intake->waiter))
        intake_go(&intake->waiter);
    intake->operations--; // not earlier, because the handler may have closed the intake
    intake_free_if_idle(intake);
}

static void intake_wait(struct intake *intake)
{
    intake->was_busy = true;
    if (intake->options.gate && !intake->closed)
        intake_gate_wait(intake->options.gate, &intake->waiter);
}

static bool is_over(const struct intake *intake)
{
    const struct intake_share *share = intake->options.share;
    return intake->bytes_under_way > intake->busy_bytes || (share && share->bytes_under_way > share->busy_bytes) ||
           !budget_within(intake->waiter.account, BUDGET_intake);
}

static void intake_hand_over(struct intake *intake, uint64_t first, struct chunk *chunk, bool skip_ahead,
                             const uint64_t *skip_digest)
{
    struct intake_append *append = xcalloc(1, sizeof(*append));
    append->intake = intake;
    append->bytes = chunk_memory(chunk);
    append->count = chunk_count(chunk);
    append->append = (struct store_append){
        .op = {.kind = STORE_APPEND,
               .reply_to = intake->options.loop,
               .done = intake_append_done,
               .account = intake->options.account},
        .row = intake->options.row,
        .producer = str_of(intake->producer),
        .first = first,
        .epoch = intake->options.epoch,
        .skip_ahead = skip_ahead,
        .chunk = chunk,
    };
    if (skip_digest) {
        append->skip_digest = *skip_digest;
        append->append.skip_digest = &append->skip_digest;
    }
    intake->operations++;
    count(intake, append->bytes, 0);
    intake->waiter.wants = append->bytes;
    budget_charge(intake->waiter.account, BUDGET_intake, append->bytes);
    if (intake->options.gate)
        intake_gate_began(intake->options.gate);
    if (is_over(intake))
        intake_wait(intake);
    store_submit(intake->options.store, &append->append.op);
}

static void intake_offer(struct intake *intake, uint64_t first, struct chunk *chunk)
{
    int err = sequencer_offer(&intake->sequencer, first, chunk_count(chunk));
    if (err == 0)
        intake_hand_over(intake, first, chunk_ref(chunk), false, NULL);
    else if (err == ERR_GAP)
        intake_refuse(intake, err, intake->sequencer.accepted);
}

void intake_chunk(struct intake *intake, uint64_t first, struct chunk *chunk)
{
    intake_flush(intake);
    intake_offer(intake, first, chunk);
}

void intake_flush(struct intake *intake)
{
    if (chunk_builder_count(intake->builder) == 0)
        return;
    struct chunk *chunk = chunk_builder_finish(intake->builder, 1);
    intake_offer(intake, intake->builder_first, chunk);
    chunk_unref(&chunk);
}

void intake_record(struct intake *intake, uint64_t counter, const struct record *record)
{
    uint32_t gathered = chunk_builder_count(intake->builder);
    bool fits =
        gathered && counter == intake->builder_first + gathered && chunk_builder_raw(intake->builder) < CHUNK_MERGE_RAW;

    if (!fits || gathered >= CHUNK_COUNT_MAX)
        intake_flush(intake);
    if (chunk_builder_count(intake->builder) == 0)
        intake->builder_first = counter;
    if (chunk_builder_add(intake->builder, record) < 0)
        intake_refuse(intake, ERR_TOO_LARGE, counter);
    loop_defer(intake->options.loop, &intake->flush);
}

void intake_skip(struct intake *intake, uint64_t to, struct str reason, const uint64_t *digest)
{
    intake_flush(intake);
    if (intake->sequencer.state != SEQUENCER_OPEN || to <= intake->sequencer.accepted)
        return;

    CLEANUP(buf_release) struct buf extra = {0};
    CLEANUP(buf_release) struct buf message = {0};
    uint64_t lost = to - intake->sequencer.accepted;
    buf_printf(&message, "%llu records were lost before they reached the server: %.*s", (unsigned long long)lost,
               STR_ARGS(str_n(reason.data, utf8_prefix(reason.data, reason.len, SKIP_REASON_MAX))));
    record_extra_append_string(&extra, "event_type", STR("gap"));
    struct record record = {.time_ms = clock_real_ms(),
                            .stream = STREAM_EVENT,
                            .level = LEVEL_ERROR,
                            .message = buf_str(&message),
                            .extra = buf_str(&extra)};
    // The record takes the place of the last lost one, so that the producer continues at `to`.
    chunk_builder_add(intake->builder, &record);
    struct chunk *chunk = chunk_builder_finish(intake->builder, 1);
    intake->sequencer.accepted = to - 1;
    sequencer_offer(&intake->sequencer, to - 1, 1);
    intake_hand_over(intake, to - 1, chunk, true, digest);
    metrics_add(intake->options.metrics, intake->options.shard, METRIC_gaps_total, 1);
}

bool intake_busy(const struct intake *intake)
{
    return intake->was_busy;
}

uint64_t intake_accepted(const struct intake *intake)
{
    return intake->sequencer.accepted + chunk_builder_count(intake->builder);
}
