// Ends a wait: the record that tells it, and the status that follows, in one transaction.
#include "model/waiting.h"
#include "store/engine/write/commit.h"
#include "store/engine/write/outcome.h"
#include "store/ops/waiting.h"

#include <xxhash.h>

#define ANSWER_LEVEL 1 // of its chunk's compression

struct ending { // of a wait
    struct store_answer *answer;
    struct head *head;
    char *waiting; // as it is kept; NULL: for nobody in particular
    int64_t until_ms;
    char *node;
    enum waiting_timeout on_timeout;
    struct outcome next;
    struct buf message, extra, key;
};

static void ending_release(struct ending *it)
{
    free(it->waiting);
    free(it->node);
    buf_release(&it->message);
    buf_release(&it->extra);
    buf_release(&it->key);
}

// --- A repetition

static uint64_t data_hash(const struct store_answer *answer)
{
    return XXH3_64bits(answer->data.data, answer->data.len);
}

// 1: it was answered so before.
static int find_repeated(struct transaction *tx, struct ending *it)
{
    struct store_answer *answer = it->answer;
    struct head_producer *producer;
    int64_t row;
    if (answer->producer.len == 0)
        return 0;
    if (answer->producer.len > STORE_PRODUCER_MAX)
        return ERR_TOO_LARGE;
    buf_printf(&it->key, "answer\n%lld\n%.*s", (long long)it->head->row, STR_ARGS(answer->producer));
    int err = heads_producer(&tx->heads, it->head, answer->producer, &producer);
    if (err < 0 || producer->state.sequence.next == 0)
        return err;
    err = catalogue_idempotency_find(tx->session.sql, it->head->account, buf_str(&it->key), data_hash(answer),
                                     transaction_now_ms(tx), &row);
    answer->ret_sequence = producer->state.last_sequence;
    return err < 0 ? err : 1;
}

// --- What follows

static int judge_user(struct ending *it)
{
    const struct store_answer *answer = it->answer;
    struct str owner = str_of(answer->ret_execution.owner), kept = str_of(it->waiting);
    if (!answer->asking_user || waiting_may_answer(kept, owner, answer->user))
        return 0;
    bool owns = owner.len > 0 && str_eq(owner, answer->user);
    return !owns ? ERR_NOT_FOUND : it->head->waits ? ERR_FORBIDDEN : 0;
}

static int judge_answer(struct transaction *tx, struct ending *it)
{
    const struct store_answer *answer = it->answer;
    int err = judge_user(it);
    if (err == 0)
        err = outcome_judge(tx, it->head, &(struct outcome_ask){.cause = OUTCOME_ANSWERED}, &it->next);
    if (err == 0 && answer->waiting_id.len > 0 && !waiting_is(str_of(it->waiting), answer->waiting_id))
        err = ERR_CONFLICT;
    return err;
}

static int judge_timeout(struct transaction *tx, struct ending *it)
{
    it->on_timeout = waiting_on_timeout(str_of(it->waiting));
    if (it->until_ms <= 0 || it->until_ms > transaction_now_ms(tx))
        return ERR_BAD_TRANSITION;
    bool fails = waiting_timeout_status(it->on_timeout) == STATUS_TIMED_OUT;
    const struct outcome_ask ask = {.cause = fails ? OUTCOME_UNANSWERED : OUTCOME_ANSWERED};
    return outcome_judge(tx, it->head, &ask, &it->next);
}

static int write_record(struct ending *it)
{
    struct store_answer *answer = it->answer;
    it->node = waiting_node(str_of(it->waiting));
    if (answer->unanswered)
        waiting_say_timeout(it->on_timeout, it->until_ms, it->node, &it->message, &it->extra);
    else
        answer->ret_reason = waiting_say_answer(answer->user, it->node, answer->data, &it->message, &it->extra);
    return answer->ret_reason ? ERR_INVALID : 0;
}

static int judge(struct transaction *tx, struct ending *it)
{
    if (it->head->sequence.purged)
        return ERR_EXPIRED;
    int err = catalogue_waiting_get(tx->session.sql, it->head->row, &it->waiting, &it->until_ms);
    if (err == 0)
        err = it->answer->unanswered ? judge_timeout(tx, it) : judge_answer(tx, it);
    return err < 0 ? err : write_record(it);
}

// --- Writing

static struct chunk *chunk_of(struct transaction *tx, const struct ending *it)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    const struct record record = {
        .time_ms = transaction_now_ms(tx),
        .stream = STREAM_EVENT,
        .message = buf_str(&it->message),
        .extra = buf_str(&it->extra),
    };
    return chunk_builder_add(builder, &record) == 0 ? chunk_builder_finish(builder, ANSWER_LEVEL) : NULL;
}

static int append(struct transaction *tx, struct ending *it)
{
    struct store_answer *answer = it->answer;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_of(tx, it);
    struct store_append append = {
        .op = {.kind = STORE_APPEND, .submitted_ns = answer->op.submitted_ns},
        .row = it->head->row,
        .producer = answer->producer,
        .chunk = chunk,
    };
    if (!chunk)
        return ERR_TOO_LARGE;
    int err = commit_append(tx, &append.op);
    answer->ret_sequence = append.ret_first_sequence;
    return err < 0 ? err : append.op.err;
}

// A runner that is there, or comes later, must end what nobody has answered.
static int tell_runner(struct transaction *tx, struct ending *it)
{
    struct str reason = buf_str(&it->message);
    if (it->next.status != STATUS_TIMED_OUT)
        return 0;
    int err = it->next.sealed ? 0 : cancel_ask(tx, it->head, reason);
    return err < 0 ? err : catalogue_job_reason(tx->session.sql, it->head->row, reason);
}

static int apply(struct transaction *tx, struct ending *it)
{
    const struct store_answer *answer = it->answer;
    int err = outcome_store(tx, it->head, &it->next);
    if (err == 0)
        err = tell_runner(tx, it);
    if (err == 0 && answer->producer.len > 0)
        err = catalogue_idempotency_set(tx->session.sql, it->head->account, buf_str(&it->key), data_hash(answer),
                                        it->head->row, transaction_now_ms(tx));
    return err;
}

int commit_answer(struct transaction *tx, struct store_op *op)
{
    struct store_answer *answer = CONTAINER_OF(op, struct store_answer, op);
    CLEANUP(ending_release) struct ending it = {.answer = answer};
    answer->ret_existed = false;
    answer->ret_reason = NULL;
    int err = heads_get(&tx->heads, answer->row, &it.head);
    if (err == 0)
        err = execution_load_changed(tx, it.head, &answer->ret_execution);
    if (err == 0)
        err = find_repeated(tx, &it);
    if (err > 0) {
        answer->ret_existed = true;
        return 0;
    }
    if (err == 0)
        err = judge(tx, &it);
    if (err == 0)
        err = append(tx, &it);
    if (err < 0)
        return commit_refuse(op, err);
    err = apply(tx, &it);
    return err < 0 ? err : execution_load_changed(tx, it.head, &answer->ret_execution);
}
