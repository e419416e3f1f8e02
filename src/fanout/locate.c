#include "fanout/locate.h"

#include "model/line_tail.h"

#define LOCATE_READ_BYTES (1024u * 1024)

struct locate {
    struct store *store;
    struct loop *loop;
    int64_t account, row;
    struct position position;
    struct line_tail *tail; // for POSITION_TAIL
    uint64_t steps;         // of regular expressions, for each read
    uint64_t end;           // end of the log
    uint64_t floor;         // the walk back ends here
    uint64_t at;            // records from here on were counted
    uint64_t found;         // the result
    bool by_time, settled, cancelled;
    struct store_read read;
    struct mail mail;
    void (*done)(void *arg, int err, uint64_t from);
    void *arg;
};

static void locate_finish(struct locate *locate, int err)
{
    if (!locate->cancelled)
        locate->done(locate->arg, err, locate->found);
    line_tail_free(&locate->tail);
    free(locate);
}

static void locate_direct(struct mail *mail)
{
    locate_finish(CONTAINER_OF(mail, struct locate, mail), 0);
}

// Walks back through the chunks of one read. On the reader's thread.
static int locate_count_back(struct locate *locate, const struct store_read *read, struct filter_run *run)
{
    locate->floor = MAX(locate->floor, read->ret_first_sequence);
    for (size_t s = read->ret_count; s-- > 0;) {
        const struct store_segment *segment = &read->ret_segments[s];
        uint64_t least = MAX(segment->first, locate->floor);
        locate->at = MIN(locate->at, segment->first + chunk_count(segment->chunk));
        for (; locate->at > least; locate->at--) {
            uint32_t i = (uint32_t)(locate->at - 1 - segment->first);
            int err = line_tail_take(locate->tail, run, locate->at - 1, segment->chunk, i);
            if (err < 0)
                return err;
            if (line_tail_settled(locate->tail))
                return 0;
        }
    }
    bool ended = read->ret_count == 0 || locate->at <= locate->floor;
    return ended ? line_tail_finish(locate->tail, run) : 0;
}

static int locate_by_tail(struct locate *locate, const struct store_read *read)
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
    locate->found = line_tail_found(locate->tail, &found) ? found : locate->end;
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
    if (locate->by_time)
        locate_by_time(locate, read);
    else
        op->err = locate_by_tail(locate, read);
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
        locate->floor = locate->found;
        locate->by_time = locate->settled = false;
        locate_read(locate);
    } else if (err || locate->settled || locate->cancelled) {
        locate_finish(locate, err);
    } else {
        locate_read(locate);
    }
}

static void locate_read(struct locate *locate)
{
    locate->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = locate->loop,
               .done = locate_read_done,
               .process = locate_process,
               .account = locate->account,
               .scan = locate->position.kind == POSITION_TAIL},
        .row = locate->row,
        .from = locate->at,
        .backward = !locate->by_time,
        .by_time = locate->by_time,
        .since_ms = locate->position.since_ms,
        .max_bytes = LOCATE_READ_BYTES,
    };
    store_submit(locate->store, &locate->read.op);
}

struct locate *locate_start(struct store *store, struct loop *loop, const struct execution *execution,
                            const struct position *position, struct filter *filter, uint64_t regex_steps,
                            void (*done)(void *arg, int err, uint64_t from), void *arg)
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
        .at = next,
        .found = next,
        .done = done,
        .arg = arg,
        .mail.deliver = locate_direct,
    };
    bool nothing = position->kind == POSITION_TAIL && position->tail == 0;
    if (position->kind == POSITION_FROM) {
        locate->found = position->from;
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
