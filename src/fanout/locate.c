#include "fanout/locate.h"

#include "model/line_tail.h"

#define LOCATE_READ_BYTES ((size_t)1024 * 1024)

struct locate {
    struct store *store;
    struct loop *loop;
    int64_t account, row;
    struct position position;
    struct line_tail *tail; // for POSITION_TAIL
    uint64_t steps;         // of regular expressions, for each read
    uint64_t end;           // end of the log
    uint64_t mean;          // bytes of a record
    unsigned reads;
    uint64_t floor;     // the walk back ends here
    uint64_t at;        // records from here on were counted
    struct place place; // the result
    bool by_time, settled, cancelled;
    struct store_read read;
    struct mail mail;
    const struct locate_handler *handler;
    void *arg;
};

static void locate_finish(struct locate *locate, int err)
{
    if (!locate->cancelled)
        locate->handler->done(locate->arg, err, &locate->place);
    line_tail_free(&locate->tail);
    free(locate);
}

static void locate_direct(struct mail *mail)
{
    locate_finish(CONTAINER_OF(mail, struct locate, mail), 0);
}

// Walks back through one chunk, which stays closed if its header tells enough.
static int locate_count_chunk(struct locate *locate, struct store_segment *segment, struct filter_run *run)
{
    uint64_t least = MAX(segment->first, locate->floor);
    locate->at = MIN(locate->at, segment->first + chunk_count(segment->chunk));
    int rc = line_tail_take_header(locate->tail, run, segment->chunk, segment->first);
    if (rc != 0) {
        locate->at = rc > 0 ? least : locate->at;
        return MIN(rc, 0);
    }
    int err = chunk_open(&segment->chunk);
    while (err == 0 && !line_tail_settled(locate->tail) && locate->at > least) {
        uint64_t sequence = locate->at - 1;
        err = line_tail_take(locate->tail, run, sequence, segment->chunk, (uint32_t)(sequence - segment->first));
        locate->at = err == 0 ? sequence : locate->at;
    }
    return err;
}

// Walks back through the chunks of one read; on the reader's thread.
static int locate_count_back(struct locate *locate, struct store_read *read, struct filter_run *run)
{
    locate->floor = MAX(locate->floor, read->ret_first_sequence);
    for (size_t s = read->ret_count; s-- > 0;) {
        int err = locate_count_chunk(locate, &read->ret_segments[s], run);
        if (err < 0 || line_tail_settled(locate->tail))
            return err;
    }
    bool ended = read->ret_count == 0 || locate->at <= locate->floor;
    return ended ? line_tail_finish(locate->tail, run) : 0;
}

// The walk, or the time, ends at `at`. Has it come to what retention has cut off?
static uint64_t front_at(const struct store_read *read, uint64_t at)
{
    return at <= read->ret_first_sequence ? read->ret_first_sequence : 0;
}

static int locate_by_tail(struct locate *locate, struct store_read *read)
{
    struct filter_run run;
    uint64_t before = locate->at, found;
    filter_run_init(&run, line_tail_filter(locate->tail), locate->steps);
    int err = locate_count_back(locate, read, &run);
    filter_run_release(&run);
    // The budget is for one read. Only a line that needs all of it alone cannot be counted.
    if (err == ERR_INVALID && locate->at < before)
        return 0;
    locate->settled = line_tail_settled(locate->tail) || read->ret_count == 0 || locate->at <= locate->floor;
    // If there are fewer lines than wanted, begin with the first; if there is none, begin at the end.
    locate->place.from = line_tail_found(locate->tail, &found) ? found : locate->end;
    locate->place.front = line_tail_settled(locate->tail) ? 0 : front_at(read, locate->floor);
    return err;
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
            locate->place.from = segment->first + i;
            locate->place.front = front_at(read, locate->place.from);
            locate->settled = true;
            return;
        }
    }
    locate->place.from = read->ret_next;
    locate->settled = true;
}

static void locate_process(struct store_op *op)
{
    struct store_read *read = CONTAINER_OF(op, struct store_read, op);
    struct locate *locate = CONTAINER_OF(read, struct locate, read);

    if (op->err)
        return;
    if (locate->by_time)
        locate_by_time(locate, read);
    else
        op->err = locate_by_tail(locate, read);
    if (op->err == 0 && locate->settled && locate->handler->found && !locate->by_time)
        locate->handler->found(locate->arg, locate->place.from, read);
    store_read_forget(read);
}

static void locate_read(struct locate *locate);

static void locate_read_done(struct store_op *op)
{
    struct store_read *read = CONTAINER_OF(op, struct store_read, op);
    struct locate *locate = CONTAINER_OF(read, struct locate, read);
    int err = op->err;

    store_op_release(op);
    if (locate->by_time && locate->tail && err == 0 && !locate->cancelled) {
        // This was the place where `since` begins. Lines are counted behind it.
        locate->floor = locate->place.from;
        locate->by_time = locate->settled = false;
        locate_read(locate);
    } else if (err || locate->settled || locate->cancelled) {
        locate_finish(locate, err);
    } else {
        locate_read(locate);
    }
}

// Lines that nothing is asked of are as near as the mean record is long; twice as much each time that this was not
// enough.
static size_t locate_read_bytes(const struct locate *locate)
{
    if (locate->by_time || line_tail_filter(locate->tail))
        return LOCATE_READ_BYTES;
    uint64_t lines = MIN(locate->position.tail, (uint64_t)LOCATE_READ_BYTES),
             mean = MIN(locate->mean, (uint64_t)LOCATE_READ_BYTES);
    return (size_t)MIN((lines * mean) << MIN(locate->reads, 10u), (uint64_t)LOCATE_READ_BYTES);
}

static void locate_read(struct locate *locate)
{
    locate->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = locate->loop,
               .done = locate_read_done,
               .process = locate_process,
               .account = locate->account,
               .scan = locate->tail && line_tail_filter(locate->tail)},
        .row = locate->row,
        .from = locate->at,
        .backward = !locate->by_time,
        .closed = locate->reads > 0 && !line_tail_filter(locate->tail), // the first has what is wanted
        .by_time = locate->by_time,
        .since_ms = locate->position.since_ms,
        .max_bytes = locate_read_bytes(locate),
    };
    locate->reads += !locate->by_time;
    store_submit(locate->store, &locate->read.op);
}

struct locate *locate_start(struct store *store, struct loop *loop, const struct execution *execution,
                            const struct position *position, struct filter *filter, uint64_t regex_steps,
                            const struct locate_handler *handler, void *arg)
{
    struct locate *locate = xcalloc(1, sizeof(*locate));
    uint64_t next = execution->next_sequence;
    *locate = (struct locate){
        .store = store,
        .loop = loop,
        .account = execution->account,
        .row = execution->row,
        .position = *position,
        .by_time = position->kind == POSITION_SINCE || position->has_since,
        .steps = regex_steps,
        .end = next,
        .mean = execution->message_bytes / MAX(next, 1u) + 1,
        .at = next,
        .place = {.from = next},
        .handler = handler,
        .arg = arg,
        .mail.deliver = locate_direct,
    };
    bool nothing = position->kind == POSITION_TAIL && position->tail == 0;
    if (position->kind == POSITION_FROM) {
        locate->place.from = position->from;
        nothing = true;
    }
    if (nothing || next == 0) {
        loop_post(loop, &locate->mail);
        return locate;
    }
    if (position->kind == POSITION_TAIL)
        locate->tail = line_tail_new(filter, position->tail, position->output_only);
    locate_read(locate);
    return locate;
}

void locate_cancel(struct locate **locate)
{
    if (*locate)
        (*locate)->cancelled = true;
    *locate = NULL;
}
