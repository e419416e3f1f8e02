// Appends records. sequence_admit has the rules; here the records are numbered and written.
#include "store/engine/write/commit.h"

#define SLICE_LEVEL 1

static uint64_t last_record_hash(const struct chunk *chunk)
{
    struct record record;
    chunk_record(chunk, chunk_count(chunk) - 1, &record);
    return record_hash(&record);
}

// The state after `chunk` was appended, which changed the log's digest from `log_before` to `log_after`.
static struct sequence_producer producer_after(const struct sequence_producer *before,
                                               const struct store_append *append, uint64_t counter,
                                               const struct chunk *chunk, uint64_t log_before, uint64_t log_after)
{
    struct sequence_producer after = *before;
    after.next = counter + chunk_count(chunk);
    after.last_hash = last_record_hash(chunk);
    if (append->skip_ahead)
        sequence_skip_digest(&after, append->skip_digest);
    else if (after.digest == log_before) // the whole log is this producer's, so it need not be hashed twice
        after.digest = log_after;
    else if (!after.digest_unknown)
        after.digest = chunk_digest(chunk, after.digest);
    return after;
}

// Writes `chunk`, which is all new, and updates head and producer.
static int append_write(struct transaction *tx, const struct store_append *append, struct head *head,
                        struct head_producer *producer, uint64_t counter, struct chunk *chunk)
{
    uint64_t first = head->state.next, digest_before = head->state.digest;
    head->state = (struct log_state){
        .next = first + chunk_count(chunk),
        .digest = chunk_digest(chunk, head->state.digest),
        .message_bytes = head->state.message_bytes + chunk_message_bytes(chunk),
    };
    head->sequence.next = head->state.next;
    struct log_append written = {.head = head, .first = first, .chunk = chunk, .state = head->state};
    if (producer) {
        producer->state = (struct producer_state){
            .sequence =
                producer_after(&producer->state.sequence, append, counter, chunk, digest_before, head->state.digest),
            .last_counter = counter,
            .last_sequence = first,
        };
        written.producer = str_of(producer->name);
        written.producer_state = producer->state;
    }
    return tx->session.engine->log->append(tx, &written);
}

static void announce_append(struct transaction *tx, const struct head *head, struct chunk *chunk, uint64_t arrived_ns)
{
    struct store_change change = head_change(head);
    change.first -= chunk_count(chunk);
    change.chunk = chunk;
    change.arrived_ns = arrived_ns;
    transaction_add_change(tx, &change);
    tx->records += chunk_count(chunk);
}

static int append_admit(const struct store_append *append, const struct head *head,
                        const struct head_producer *producer, uint64_t *ret_repeated)
{
    struct sequence_offer offer = {
        .first = producer ? append->first : 0,
        .count = chunk_count(append->chunk),
        .epoch = append->epoch,
        .skip_ahead = append->skip_ahead,
    };
    struct sequence_producer known = producer ? producer->state.sequence : (struct sequence_producer){0};
    if (known.next > offer.first && known.next - offer.first <= offer.count) {
        struct record last;
        chunk_record(append->chunk, (uint32_t)(known.next - 1 - offer.first), &last);
        offer.has_repeat_hash = true;
        offer.repeat_hash = record_hash(&last);
    }
    return sequence_admit(&head->sequence, &known, &offer, ret_repeated);
}

// Returns the number of the repeated records, as far as it is known: only for the producer's last append.
static uint64_t repeated_sequence(const struct producer_state *state, uint64_t counter)
{
    return state->last_sequence + (counter > state->last_counter ? counter - state->last_counter : 0);
}

static int append_admitted(struct transaction *tx, struct store_append *append, struct head *head,
                           struct head_producer *producer, uint32_t repeated)
{
    uint32_t count = chunk_count(append->chunk);
    int err = catalogue_events_add(tx->session.sql, head->row, append->events, append->event_count);
    if (err == ERR_CONFLICT)
        return commit_refuse(&append->op, err);
    if (err < 0)
        return err;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_slice(append->chunk, repeated, count - repeated, SLICE_LEVEL);
    append->ret_first_sequence = head->state.next;
    err = append_write(tx, append, head, producer, append->first + repeated, chunk);
    if (err < 0)
        return err;
    append->ret_appended = count - repeated;
    append->ret_next = head->state.next;
    append->ret_producer_next = producer ? producer->state.sequence.next : 0;
    announce_append(tx, head, chunk, append->op.submitted_ns);
    return 0;
}

int commit_append(struct transaction *tx, struct store_op *op)
{
    struct store_append *append = CONTAINER_OF(op, struct store_append, op);
    append->ret_appended = 0;
    struct head *head;
    int err = heads_get(&tx->heads, append->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    if (append->producer.len > STORE_PRODUCER_MAX)
        return commit_refuse(op, ERR_TOO_LARGE);
    struct head_producer *producer = NULL;
    if (append->producer.len > 0)
        err = heads_producer(&tx->heads, head, append->producer, &producer);
    if (err < 0)
        return err;
    append->ret_producer_next = producer ? producer->state.sequence.next : 0;
    append->ret_next = head->state.next;
    uint64_t repeated;
    err = append_admit(append, head, producer, &repeated);
    if (err < 0)
        return commit_refuse(op, err);
    if (repeated == chunk_count(append->chunk)) {
        append->ret_first_sequence = repeated_sequence(&producer->state, append->first);
        return 0;
    }
    if (append->whole && repeated > 0)
        return commit_refuse(op, ERR_CONFLICT);
    return append_admitted(tx, append, head, producer, (uint32_t)repeated);
}
