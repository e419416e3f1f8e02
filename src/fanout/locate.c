#include "fanout/locate.h"

#define LOCATE_READ_BYTES (1024u * 1024)

struct locate {
    struct store *store;
    struct loop *loop;
    int64_t row;
    struct position position;
    struct filter *filter;
    uint64_t steps_left;
    uint64_t wanted; // matches still to be found, for `tail`
    uint64_t found;  // sequence number
    bool settled, cancelled;
    struct store_read read;
    struct mail mail;
    void (*done)(void *arg, int err, uint64_t from);
    void *arg;
};

static void locate_finish(struct locate *locate, int err)
{
    if (!locate->cancelled)
        locate->done(locate->arg, err, locate->found);
    filter_unref(&locate->filter);
    free(locate);
}

static void locate_direct(struct mail *mail)
{
    locate_finish(CONTAINER_OF(mail, struct locate, mail), 0);
}

// Walks back through the chunks of one read; on the reader's thread.
static int locate_count_back(struct locate *locate, const struct store_read *read, struct filter_run *run)
{
    for (size_t s = read->ret_count; s-- > 0;) {
        const struct store_segment *segment = &read->ret_segments[s];
        if (filter_excludes_chunk(locate->filter, segment->chunk))
            continue;
        uint64_t end = MIN(segment->first + chunk_count(segment->chunk), read->from);
        for (uint64_t sequence = end; sequence-- > segment->first;) {
            struct record record;
            chunk_record(segment->chunk, (uint32_t)(sequence - segment->first), &record);
            int match = filter_match(locate->filter, run, &record);
            if (match < 0)
                return match;
            if (!match)
                continue;
            locate->found = sequence;
            if (--locate->wanted == 0) {
                locate->settled = true;
                return 0;
            }
        }
    }
    return 0;
}

static void locate_by_time(struct locate *locate, const struct store_read *read)
{
    for (size_t s = 0; s < read->ret_count; s++) {
        const struct store_segment *segment = &read->ret_segments[s];
        for (uint32_t i = 0; i < chunk_count(segment->chunk); i++) {
            struct record record;
            chunk_record(segment->chunk, i, &record);
            if (record.time_ms < locate->position.since_ms)
                continue;
            locate->found = segment->first + i;
            locate->settled = true;
            return;
        }
    }
    locate->found = read->ret_next;
    locate->settled = true;
}

static void locate_process(struct store_op *op)
{
    struct store_read *read = CONTAINER_OF(op, struct store_read, op);
    struct locate *locate = CONTAINER_OF(read, struct locate, read);

    if (op->err)
        return;
    if (locate->position.kind == POSITION_SINCE) {
        locate_by_time(locate, read);
        return;
    }
    struct filter_run run;
    filter_run_init(&run, locate->filter, locate->steps_left);
    op->err = locate_count_back(locate, read, &run);
    locate->steps_left = run.steps_left;
    filter_run_release(&run);
}

static void locate_read(struct locate *locate, uint64_t from);

static void locate_read_done(struct store_op *op)
{
    struct store_read *read = CONTAINER_OF(op, struct store_read, op);
    struct locate *locate = CONTAINER_OF(read, struct locate, read);
    int err = op->err;
    uint64_t reached = read->ret_count ? read->ret_segments[0].first : 0;
    bool more = read->ret_count && reached > read->ret_first_sequence;

    store_op_release(op);
    if (err || locate->settled || locate->cancelled || !more)
        locate_finish(locate, err);
    else
        locate_read(locate, reached);
}

static void locate_read(struct locate *locate, uint64_t from)
{
    locate->read = (struct store_read){
        .op = {.kind = STORE_READ, .reply_to = locate->loop, .done = locate_read_done, .process = locate_process},
        .row = locate->row,
        .from = from,
        .backward = locate->position.kind == POSITION_TAIL,
        .by_time = locate->position.kind == POSITION_SINCE,
        .since_ms = locate->position.since_ms,
        .max_bytes = LOCATE_READ_BYTES,
    };
    store_submit(locate->store, &locate->read.op);
}

struct locate *locate_start(struct store *store, struct loop *loop, const struct execution *execution,
                            const struct position *position, const struct filter *filter, uint64_t regex_steps,
                            void (*done)(void *arg, int err, uint64_t from), void *arg)
{
    struct locate *locate = xcalloc(1, sizeof *locate);
    *locate = (struct locate){
        .store = store,
        .loop = loop,
        .row = execution->row,
        .position = *position,
        .filter = filter ? filter_ref((struct filter *)(uintptr_t)filter) : NULL,
        .steps_left = regex_steps,
        .wanted = position->tail,
        .done = done,
        .arg = arg,
        .mail.deliver = locate_direct,
    };
    uint64_t next = execution->next_sequence;

    if (position->kind == POSITION_FROM)
        locate->found = position->from;
    else if (position->kind == POSITION_TAIL && (!filter || position->tail == 0))
        locate->found = position->tail > next ? 0 : next - position->tail;
    else if (next == 0)
        locate->found = 0;
    else {
        // Fewer matches than wanted: from the last one found on, and from the end when there was none.
        locate->found = next;
        locate_read(locate, next);
        return locate;
    }
    loop_post(loop, &locate->mail);
    return locate;
}

void locate_cancel(struct locate **locate)
{
    if (*locate)
        (*locate)->cancelled = true;
    *locate = NULL;
}
