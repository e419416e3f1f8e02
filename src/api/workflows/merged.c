// The records of a workflow's newest executions, merged by time. The key of a record is the greatest time up to it in
// its own log, so that each log keeps its order; of equal keys the older execution comes first. One read at a time is
// under way, and its records are merged on a reader's thread until a log lacks its next chunk. Chunks stay closed until
// one of their records may be the next.
#include "api/cursor.h"
#include "api/workflows/workflows.h"
#include "model/filter.h"

#define READ_BYTES     ((size_t)256 * 1024)
#define PAGE_BYTES_MAX ((size_t)4 * 1024 * 1024)
#define PAGE_LOOK_MAX  200000 // records
#define LIST_BYTES_MAX ((size_t)1024 * 1024)
#define NO_TIME        INT64_MIN

struct source { // one log
    const struct execution *execution;
    struct store_segment segments[STORE_READ_SEGMENTS];
    size_t count, at; // of the segments; those before `at` are done
    uint64_t next;    // the next record; with `seeks` where to look for it
    bool seeks;       // for the first record at or after since_ms
    bool read, ended;
    int64_t since_ms, floor_ms; // floor_ms: the key of the record before
    size_t open_bytes;
    struct record_encoder encoder;
};

struct merging {
    struct store_list list;
    struct store_read read;
    struct call *call;
    struct filter *filter;
    unsigned limit;
    struct list_place newest; // the executions are those from here on; all 0: not known yet
    struct source *sources;
    size_t count, reading; // reading: the source that the read is for
    // The last record that was looked at; `row` 0: none.
    struct {
        int64_t key_ms, row;
        uint64_t sequence;
    } last;
    uint64_t taken, looked, steps_left;
    bool full;
    struct budget_account *account;
    struct budget_lease counted;
    struct buf records;
    char cursor[160];
};

static void merging_free(struct merging *it)
{
    for (size_t i = 0; i < it->count; i++)
        for (size_t s = it->sources[i].at; s < it->sources[i].count; s++)
            chunk_unref(&it->sources[i].segments[s].chunk);
    free(it->sources);
    store_op_release(&it->list.op);
    filter_unref(&it->filter);
    buf_release(&it->records);
    budget_lease_release(&it->counted);
    budget_account_unref(&it->account);
    call_unref(it->call);
    free(it);
}

static void merging_fail(struct merging *it, int err, const char *detail)
{
    call_fail(it->call, err, detail);
    merging_free(it);
}

// --- One log, on the reader's thread

static struct store_segment *segment_of(struct source *source)
{
    return source->at < source->count ? &source->segments[source->at] : NULL;
}

static void drop_segment(struct source *source)
{
    chunk_unref(&source->segments[source->at++].chunk);
    source->open_bytes = 0;
}

// No later record of it has a lesser key.
static int64_t least_key(struct source *source)
{
    const struct store_segment *segment = segment_of(source);
    int64_t time_ms = chunk_time_min(segment->chunk);
    if (!source->seeks && chunk_is_open(segment->chunk)) {
        struct record record;
        chunk_record(segment->chunk, (uint32_t)(source->next - segment->first), &record);
        time_ms = record.time_ms;
    }
    if (source->seeks)
        time_ms = MAX(time_ms, source->since_ms);
    return MAX(time_ms, source->floor_ms);
}

// Passes over what lies before since_ms; the chunk is open.
static void seek(struct source *source)
{
    const struct store_segment *segment = segment_of(source);
    uint64_t end = segment->first + chunk_count(segment->chunk);
    for (source->next = MAX(source->next, segment->first); source->next < end; source->next++) {
        struct record record;
        chunk_record(segment->chunk, (uint32_t)(source->next - segment->first), &record);
        if (record.time_ms >= source->since_ms) {
            source->seeks = false;
            return;
        }
    }
    drop_segment(source);
}

static int open_segment(struct merging *it, struct source *source)
{
    struct store_segment *segment = segment_of(source);
    int err = chunk_open(&segment->chunk);
    if (err < 0)
        return err;
    size_t bytes = it->records.cap;
    source->open_bytes = chunk_memory(segment->chunk);
    for (size_t i = 0; i < it->count; i++)
        bytes += it->sources[i].open_bytes;
    return budget_lease_set(&it->counted, it->account, BUDGET_answers, bytes) ? 0 : ERR_OVERLOADED;
}

// 1: it matches; 0; or ERR_INVALID when the steps are spent.
static int matches(const struct merging *it, struct filter_run *run, const struct store_segment *segment,
                   const struct source *source, const struct record *record)
{
    uint32_t i = (uint32_t)(source->next - segment->first);
    if (!filter_match_fields(it->filter, run, segment->chunk, i, record))
        return 0;
    return it->filter && filter_joins_lines(it->filter) ? filter_match_text(it->filter, run, record->message) : 1;
}

static int take_record(struct merging *it, struct source *source, struct filter_run *run)
{
    const struct store_segment *segment = segment_of(source);
    struct record record;
    chunk_record(segment->chunk, (uint32_t)(source->next - segment->first), &record);
    int match = matches(it, run, segment, source, &record);
    if (match < 0)
        return match;
    if (match) {
        if (it->taken++ > 0)
            buf_append_byte(&it->records, ',');
        record_encoder_append(&source->encoder, &it->records, &record, source->next);
    }
    source->floor_ms = MAX(source->floor_ms, record.time_ms);
    it->last.key_ms = source->floor_ms;
    it->last.row = source->execution->row;
    it->last.sequence = source->next++;
    it->full = it->taken >= it->limit || it->records.len >= PAGE_BYTES_MAX || ++it->looked >= PAGE_LOOK_MAX;
    if (source->next == segment->first + chunk_count(segment->chunk))
        drop_segment(source);
    return 0;
}

static void pass_over(struct source *source)
{
    const struct store_segment *segment = segment_of(source);
    source->floor_ms = MAX(source->floor_ms, chunk_time_max(segment->chunk));
    source->next = segment->first + chunk_count(segment->chunk);
    drop_segment(source);
}

static int step(struct merging *it, struct source *source, struct filter_run *run)
{
    struct store_segment *segment = segment_of(source);
    if (!chunk_is_open(segment->chunk)) {
        bool excluded = !source->seeks && it->filter && filter_excludes_chunk(it->filter, segment->chunk);
        if (excluded)
            pass_over(source);
        return excluded ? 0 : open_segment(it, source);
    }
    if (!source->seeks)
        return take_record(it, source, run);
    seek(source);
    return 0;
}

// --- All logs

// The source whose record may be the next. *ret_reads: one must be read first. NULL: all have ended.
static struct source *pick(struct merging *it, size_t *ret_reads)
{
    struct source *least = NULL;
    *ret_reads = SIZE_MAX;
    for (size_t i = 0; i < it->count; i++) {
        struct source *source = &it->sources[i];
        if (source->ended)
            continue;
        if (!segment_of(source)) {
            *ret_reads = i;
            return NULL;
        }
        // They are newest first, so that an equal key of a later one is that of an older execution.
        if (!least || least_key(source) <= least_key(least))
            least = source;
    }
    return least;
}

static int merge(struct merging *it)
{
    struct filter_run run;
    struct source *source;
    int err = 0;
    filter_run_init(&run, it->filter, it->steps_left);
    while (err == 0 && !it->full && (source = pick(it, &it->reading)))
        err = step(it, source, &run);
    it->steps_left = run.steps_left;
    filter_run_release(&run);
    if (err == ERR_INVALID && it->looked > 0) {
        it->full = true; // the steps are spent; the next page has new ones
        err = 0;
    }
    return err;
}

static void take_segments(struct source *source, struct store_read *read)
{
    source->at = source->count = 0;
    for (size_t i = 0; i < read->ret_count; i++) {
        struct store_segment segment = read->ret_segments[i];
        read->ret_segments[i].chunk = NULL;
        if (segment.first + chunk_count(segment.chunk) <= source->next && !source->seeks)
            chunk_unref(&segment.chunk);
        else
            source->segments[source->count++] = segment;
    }
    read->ret_count = 0;
    source->read = true;
    source->ended = source->count == 0;
    if (!source->ended)
        source->next = MAX(source->next, source->segments[0].first);
}

static void process(struct store_op *op)
{
    struct merging *it = CONTAINER_OF(op, struct merging, read.op);
    struct source *source = &it->sources[it->reading];
    if (op->err == ERR_EXPIRED || op->err == ERR_NOT_FOUND) { // purged meanwhile
        source->ended = true;
        op->err = 0;
    } else if (op->err == 0) {
        take_segments(source, &it->read);
    }
    if (op->err == 0)
        op->err = merge(it);
}

// --- The answer

static void add_cursor(struct merging *it, struct json_writer *json)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (it->full) {
        cursor_append_place(&text, it->call->api, it->call->principal.account, &it->newest);
        buf_append_byte(&text, '.');
        cursor_append(&text, it->call->api, it->call->principal.account, it->last.row);
        buf_printf(&text, ".%lld.%llu", (long long)it->last.key_ms, (unsigned long long)it->last.sequence);
    }
    json_add_text(json, "next_cursor", it->full ? buf_cstr(&text) : NULL);
}

static void answer(struct merging *it)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "workflow_id", it->call->workflow.workflow_id);
    json_open_array(&json, "logs");
    json_add_raw(&json, NULL, buf_str(&it->records));
    json_close(&json);
    add_cursor(it, &json);
    json_add_bool(&json, "has_more", it->full);
    json_add_u64(&json, "executions", it->count);
    json_add_bool(&json, "more_executions", it->list.ret_next_row != 0);
    json_close(&json);
    budget_lease_release(&it->counted);
    call_answer(it->call, 200, &json);
    merging_free(it);
}

// --- Reading

static void read_next(struct merging *it);

static void read_done(struct store_op *op)
{
    struct merging *it = CONTAINER_OF(op, struct merging, read.op);
    int err = op->err;
    store_op_release(op);
    if (err == ERR_INVALID)
        merging_fail(it, err, "the regular expression takes too many steps for one line; make it simpler");
    else if (err < 0)
        merging_fail(it, err, NULL);
    else if (it->full || it->reading == SIZE_MAX || !it->call->request)
        answer(it);
    else
        read_next(it);
}

static void read_next(struct merging *it)
{
    const struct source *source = &it->sources[it->reading];
    it->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = it->call->api->options.loop,
               .done = read_done,
               .process = process,
               .account = it->call->principal.account,
               .scan = true},
        .row = source->execution->row,
        .from = source->next,
        .by_time = source->seeks && !source->read,
        .since_ms = source->since_ms,
        .max_bytes = READ_BYTES,
        .closed = true,
    };
    store_submit(it->call->api->options.store, &it->read.op);
}

// Where a log goes on behind the last record of the page before.
static struct source source_of(const struct merging *it, const struct execution *execution, int64_t start_ms)
{
    struct source source = {.execution = execution, .floor_ms = NO_TIME, .since_ms = start_ms};
    bool resumes = it->last.row != 0, same = execution->row == it->last.row;
    if (resumes && same) {
        source.next = it->last.sequence + 1;
        source.floor_ms = it->last.key_ms;
    } else if (resumes) {
        source.since_ms = MAX(start_ms, it->last.key_ms + (execution->row < it->last.row));
    }
    source.seeks = !(resumes && same) && source.since_ms != NO_TIME;
    return source;
}

static void listed(struct store_op *op)
{
    struct merging *it = CONTAINER_OF(op, struct merging, list.op);
    struct field_value start = call_param(it->call, "start_time");
    struct call *call = it->call;
    if (op->err) {
        merging_fail(it, op->err, NULL);
    } else if (it->list.ret_count == 0) {
        answer(it);
    } else {
        it->count = it->list.ret_count;
        it->newest = it->list.ret_before;
        it->sources = xcalloc(it->count, sizeof(*it->sources));
        for (size_t i = 0; i < it->count; i++) {
            const struct execution *execution = &it->list.ret_executions[i];
            it->sources[i] = source_of(it, execution, start.given ? start.number : NO_TIME);
            record_encoder_init(&it->sources[i].encoder, str_of(execution->execution_id), false);
        }
        it->reading = 0;
        read_next(it);
    }
    call_unref(call);
}

// --- What was asked for

// NEWEST.ROW.KEY.SEQUENCE, of which the first two are sealed.
static bool parse_cursor(struct merging *it, struct str text)
{
    const struct call *call = it->call;
    struct str newest = str_split(&text, '.'), row = str_split(&text, '.'), key = str_split(&text, '.');
    bool negative = key.len > 0 && key.data[0] == '-';
    uint64_t key_ms;
    if (negative)
        key = str_n(key.data + 1, key.len - 1);
    if (!cursor_parse_place(call->api, call->principal.account, newest, &it->newest) ||
        !cursor_parse(call->api, call->principal.account, row, &it->last.row) || !str_to_u64(key, &key_ms) ||
        key_ms >= INT64_MAX || !str_to_u64(text, &it->last.sequence) || it->last.sequence >= INT64_MAX)
        return false;
    it->last.key_ms = negative ? -(int64_t)key_ms : (int64_t)key_ms;
    return true;
}

static bool offer(struct str name, struct str value, void *arg)
{
    const char *reason;
    bool taken;
    // The table of routes has checked the value.
    return filter_builder_offer(arg, name, value, &taken, &reason) == 0;
}

static bool take_filter(struct merging *it)
{
    struct filter_builder *builder = filter_builder_new();
    const char *reason = NULL;
    int err = http_params_each(it->call->request, offer, builder) ? 0 : ERR_INVALID;
    if (err == 0)
        err = filter_builder_finish(builder, &it->filter, &reason);
    filter_builder_free(&builder);
    if (err)
        call_fail(it->call, ERR_MALFORMED, reason);
    return err == 0;
}

void workflows_logs(struct call *call)
{
    struct merging *it = xcalloc(1, sizeof(*it));
    struct str cursor = call_param(call, "cursor").text;
    it->call = call;
    it->limit = (unsigned)call_param(call, "limit").number;
    it->steps_left = call->api->limits->regex_steps;
    it->account = budget_account(call->api->options.budget, call->principal.account);
    it->list.op.kind = STORE_LIST;
    call_ref(call);
    if (cursor.len > 0 && !parse_cursor(it, cursor)) {
        merging_fail(it, ERR_BAD_CURSOR, "parameter cursor: is not a cursor of this list");
        return;
    }
    if (!take_filter(it)) {
        merging_free(it);
        return;
    }
    it->list = (struct store_list){
        .account = call->principal.account,
        .owner = call_asking_user(call),
        .workflow_ids = {.items = {str_of(call->workflow.workflow_id)}, .count = 1},
        .before = it->newest,
        .limit = (unsigned)call_param(call, "executions").number,
        .max_bytes = LIST_BYTES_MAX,
    };
    call_submit(call, STORE_LIST, &it->list.op, listed);
}
