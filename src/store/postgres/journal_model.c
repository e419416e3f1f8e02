#include "store/postgres/journal_model.h"

#define TIME_MS 1763200000000

void model_log_release(struct model_log *log)
{
    free(log->lines);
    *log = (struct model_log){0};
}

const char *model_producer_name(int producer)
{
    static const char *const names[MODEL_PRODUCERS] = {"p", "other", "third", "the fourth"};
    return producer == MODEL_ANONYMOUS ? "" : names[producer];
}

// A line is known by its producer and number, so nothing of it needs to be kept. `message` holds its text.
static struct record line_record(const struct model_line *line, bool altered, struct buf *message)
{
    buf_reset(message);
    buf_printf(message, "%s %llu%s ", model_producer_name(line->producer), (unsigned long long)line->counter,
               altered ? " is another" : "");
    for (uint64_t i = 0; i < line->counter % 7; i++)
        buf_append_text(message, "and on ");
    return (struct record){.time_ms = TIME_MS + (int64_t)line->counter,
                           .stream = line->counter % 5 == 0 ? STREAM_STDERR : STREAM_STDOUT,
                           .message = buf_str(message)};
}

static struct model_line line_of(const struct model_append *append, uint64_t counter)
{
    return (struct model_line){append->producer, counter};
}

struct chunk *model_chunk(const struct model_append *append)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct chunk_builder *builder = chunk_builder_new();
    for (uint32_t i = 0; i < append->count; i++) {
        struct model_line line = line_of(append, append->first + i);
        struct record record = line_record(&line, append->altered, &message);
        if (chunk_builder_add(builder, &record) < 0)
            abort();
    }
    struct chunk *chunk = chunk_builder_finish(builder, 1);
    chunk_builder_free(&builder);
    return chunk;
}

bool model_is_line(const struct model_line *line, const struct record *record)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct record wanted = line_record(line, false, &message);
    return record_hash(&wanted) == record_hash(record) && wanted.time_ms == record->time_ms;
}

static uint64_t line_hash(const struct model_line *line, bool altered)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct record record = line_record(line, altered, &message);
    return record_hash(&record);
}

struct model_answer model_judge(const struct model_log *log, const struct model_append *append)
{
    static const struct model_producer anonymous;
    const struct model_producer *producer =
        append->producer == MODEL_ANONYMOUS ? &anonymous : &log->producers[append->producer];
    uint64_t known = producer->sequence.next, repeated = 0;
    const struct sequence_head head = {.next = log->next,
                                       .epoch = log->outcome.epoch,
                                       .sealed = log->outcome.sealed,
                                       .purged = log->purged,
                                       .status = log->outcome.status};
    struct sequence_offer offer = {.first = append->producer == MODEL_ANONYMOUS ? 0 : append->first,
                                   .count = append->count,
                                   .epoch = append->epoch,
                                   .skip_ahead = append->skip_ahead};
    if (known > offer.first && known - offer.first <= offer.count) {
        struct model_line last = line_of(append, known - 1);
        offer.has_repeat_hash = true;
        offer.repeat_hash = line_hash(&last, append->altered);
    }
    struct model_answer answer = {.err = sequence_admit(&head, &producer->sequence, &offer, &repeated)};
    if (answer.err < 0)
        return answer;
    answer.appended = append->count - repeated;
    answer.next = log->next + answer.appended;
    if (append->producer != MODEL_ANONYMOUS)
        answer.producer_next = MAX(known, append->first + append->count);
    bool later = append->first > producer->last_counter;
    answer.first = answer.appended > 0 ? log->next
                                       : producer->last_sequence + (later ? append->first - producer->last_counter : 0);
    return answer;
}

static void add_line(struct model_log *log, const struct model_line *line, struct sequence_producer *producer)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct record record = line_record(line, false, &message);
    if (log->next == log->cap) {
        log->cap = log->cap ? 2 * log->cap : 64;
        log->lines = xrealloc(log->lines, log->cap * sizeof(*log->lines));
    }
    log->lines[log->next++] = *line;
    log->digest = record_digest_next(log->digest, &record);
    log->message_bytes += message.len;
    if (!producer)
        return;
    producer->last_hash = record_hash(&record);
    if (!producer->digest_unknown)
        producer->digest = record_digest_next(producer->digest, &record);
}

void model_apply(struct model_log *log, const struct model_append *append, const struct model_answer *answer)
{
    static const uint64_t said = MODEL_SAID;
    if (answer->appended == 0)
        return;
    struct model_producer *producer = append->producer == MODEL_ANONYMOUS ? NULL : &log->producers[append->producer];
    uint64_t from = append->count - answer->appended;
    for (uint64_t i = from; i < append->count; i++) {
        struct model_line line = line_of(append, append->first + i);
        add_line(log, &line, producer ? &producer->sequence : NULL);
    }
    if (!producer)
        return;
    producer->sequence.next = append->first + append->count;
    if (append->skip_ahead)
        sequence_skip_digest(&producer->sequence, append->says_digest ? &said : NULL);
    producer->last_counter = append->first + from;
    producer->last_sequence = answer->first;
    producer->batch_first = append->first;
    producer->batch_count = append->count;
}

uint64_t model_digest_of_front(const struct model_log *log)
{
    CLEANUP(buf_release) struct buf message = {0};
    uint64_t digest = 0;
    for (uint64_t i = 0; i < log->front; i++) {
        struct record record = line_record(&log->lines[i], false, &message);
        digest = record_digest_next(digest, &record);
    }
    return digest;
}
