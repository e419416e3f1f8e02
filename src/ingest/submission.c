#include "ingest/submission.h"

struct submission_part {
    struct store_append append;
    struct submission *whole;
    uint32_t count;
};

static void part_done(struct store_op *op)
{
    struct submission_part *part = CONTAINER_OF(op, struct submission_part, append.op);
    struct submission *it = part->whole;
    const struct store_append *append = &part->append;
    if (op->err && !it->err)
        it->err = op->err;
    if (op->err == 0) {
        if (it->answered == 0)
            it->ret_first = append->ret_first_sequence;
        it->ret_last = append->ret_first_sequence + part->count - 1;
        it->ret_appended += append->ret_appended;
        it->ret_producer_next = append->ret_producer_next;
    }
    store_op_release(op);
    if (++it->answered == it->records.count)
        it->done(it);
}

void submission_send(struct submission *it, const struct submission_target *target)
{
    size_t count = it->records.count;
    it->parts = xcalloc(count, sizeof(*it->parts));
    for (size_t i = 0; i < count; i++) {
        const struct record_part *part = &it->records.parts[i];
        it->parts[i] = (struct submission_part){
            .append =
                {.op = {.kind = STORE_APPEND, .reply_to = target->loop, .done = part_done, .account = target->account},
                 .row = target->row,
                 .epoch = target->epoch,
                 .producer = it->producer,
                 .whole = it->whole,
                 .first = part->first,
                 .events = part->event_count > 0 ? &it->records.events[part->first_event] : NULL,
                 .event_count = part->event_count,
                 .chunk = part->chunk},
            .whole = it,
            .count = chunk_count(part->chunk),
        };
    }
    for (size_t i = 0; i < count; i++)
        store_submit(target->store, &it->parts[i].append.op);
}

void submission_release(struct submission *it)
{
    record_parts_release(&it->records);
    free(it->parts);
    it->parts = NULL;
}
