// Pages of records. What is read from the store is filtered and encoded on the reader's thread, until the page is full.
#include "api/logs/logs.h"
#include "fanout/locate.h"
#include "model/line_filter.h"

#define PAGE_READ_BYTES (512u * 1024)
#define PAGE_LOOK_MAX   200000 // records that a filtered page looks at
#define PAGE_BYTES_MAX  (4u * 1024 * 1024)
#define PAGE_COUNT_STEP ((size_t)256 * 1024) // a page that grows is counted in such steps
#define FEED_RECORDS    256                  // how many records are looked at before matches are taken
#define HELD_BYTES_MAX \
    (4u * 1024 * 1024) // of chunks that a line which goes on keeps in memory; then what is there of it decides

struct page {
    struct store_read read;
    struct call *call;
    struct line_filter *lines;
    bool filtered;
    unsigned limit;
    uint64_t begin, cursor; // the first record that it looked at, and the next one
    uint64_t next, first;   // the end of the log, and the first record that retention has kept
    bool has_gap;           // it begins behind these, which retention has not kept:
    uint64_t gap_from, gap_to;
    uint64_t taken, steps_left;
    unsigned reads;
    bool whole; // the next read has no fronts: one of them does not suffice
    char *execution_id;
    bool full;
    // Chunks with records that were looked at and not taken yet, in order and without gaps.
    struct store_segment *held;
    size_t held_count, held_capacity, held_bytes;
    struct record_encoder encoder;
    struct budget_account *account;
    struct budget_lease counted; // counts records and held chunks
    struct buf records;
};

static void page_free(struct page *page)
{
    for (size_t i = 0; i < page->held_count; i++)
        chunk_unref(&page->held[i].chunk);
    free(page->held);
    line_filter_free(&page->lines);
    buf_release(&page->records);
    budget_lease_release(&page->counted);
    budget_account_unref(&page->account);
    free(page->execution_id);
    call_unref(page->call);
    free(page);
}

static void add_gap(struct json_writer *json, const struct page *page)
{
    json_add_u64(json, "first_sequence", page->first);
    if (!page->has_gap) {
        json_add_null(json, "gap");
        return;
    }
    json_open_object(json, "gap");
    json_add_u64(json, "from", page->gap_from);
    json_add_u64(json, "to", page->gap_to);
    json_add_text(json, "reason", "retention");
    json_close(json);
}

static void page_answer(struct page *page)
{
    struct call *call = page->call;
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    bool more = page->cursor < page->next;

    json_open_object(&json, NULL);
    json_add_text(&json, "execution_id", page->execution_id);
    json_open_array(&json, "logs");
    json_add_raw(&json, NULL, buf_str(&page->records));
    json_close(&json);
    add_gap(&json, page);
    if (more)
        json_add_u64(&json, "next_cursor", page->cursor);
    else
        json_add_null(&json, "next_cursor");
    json_add_bool(&json, "has_more", more);
    json_add_u64(&json, "last_index", page->cursor);
    json_add_text(&json, "status", status_word(call->execution.status));
    json_add_bool(&json, "sealed", call->execution.sealed);
    json_close(&json);
    budget_lease_release(&page->counted); // from now on the connection counts the answer
    call_answer(call, 200, &json);
}

// --- On the reader's thread

static size_t held_bytes_of(const struct chunk *chunk)
{
    return chunk_is_open(chunk) ? chunk_raw(chunk) : chunk_memory(chunk);
}

static void page_hold(struct page *page, const struct store_segment *segment)
{
    if (page->held_count == page->held_capacity) {
        page->held_capacity = MAX(page->held_capacity * 2, (size_t)8);
        page->held = xrealloc(page->held, page->held_capacity * sizeof(*page->held));
    }
    page->held[page->held_count++] = (struct store_segment){segment->first, chunk_ref(segment->chunk)};
    page->held_bytes += held_bytes_of(segment->chunk);
}

static void page_let_go(struct page *page, size_t count)
{
    if (count == 0)
        return; // there may be no array yet
    for (size_t i = 0; i < count; i++) {
        page->held_bytes -= held_bytes_of(page->held[i].chunk);
        chunk_unref(&page->held[i].chunk);
    }
    page->held_count -= count;
    memmove(page->held, page->held + count, page->held_count * sizeof(*page->held));
}

static void page_take_record(struct page *page, const struct store_segment *segment)
{
    struct record record;
    uint32_t i = (uint32_t)(page->cursor - segment->first);
    if (chunk_is_front(segment->chunk))
        chunk_pick_next(segment->chunk, i, &i, &record);
    else
        chunk_record(segment->chunk, i, &record);
    if (page->taken++)
        buf_append_byte(&page->records, ',');
    record_encoder_append(&page->encoder, &page->records, &record, page->cursor);
}

// Returns false if the account has no more room. Then the page ends with what it has.
static bool page_has_room(struct page *page)
{
    size_t bytes = page->records.cap + page->held_bytes;
    if (page->taken == 0 || bytes <= page->counted.bytes || bytes < PAGE_COUNT_STEP / 4)
        return true;
    bytes = (bytes + PAGE_COUNT_STEP) / PAGE_COUNT_STEP * PAGE_COUNT_STEP;
    return budget_lease_set(&page->counted, page->account, BUDGET_answers, bytes);
}

// Takes the matches among the decided records of the held chunks, until the page is full.
static void page_take(struct page *page)
{
    uint64_t decided = line_filter_decided(page->lines);
    size_t done = 0;
    for (size_t i = 0; i < page->held_count && !page->full; i++) {
        const struct store_segment *segment = &page->held[i];
        uint64_t end = segment->first + chunk_count(segment->chunk);
        page->cursor = MIN(MAX(page->cursor, segment->first), decided);
        for (; page->cursor < MIN(end, decided) && !page->full; page->cursor++) {
            if (line_filter_match(page->lines, page->cursor))
                page_take_record(page, segment);
            page->full = page->taken >= page->limit || page->records.len >= PAGE_BYTES_MAX || !page_has_room(page);
        }
        done += page->cursor >= end;
        page->full |= page->filtered && page->cursor - page->begin >= PAGE_LOOK_MAX;
    }
    page_let_go(page, done);
    line_filter_forget(page->lines, page->cursor);
}

static bool page_is_at(const struct page *page, const struct store_segment *segment, uint64_t end)
{
    uint64_t next = line_filter_next(page->lines);
    return next >= segment->first && next < end;
}

static bool shows_matches(const struct page *page, const struct chunk *chunk)
{
    return line_filter_passes_over(page->lines, chunk) || line_filter_wants_picks(page->lines, chunk);
}

// Sets `whole` if the chunk must be read with its payload.
static int page_look_at(struct page *page, struct store_segment *segment, struct filter_run *run)
{
    uint64_t end = segment->first + chunk_count(segment->chunk);
    if (end <= line_filter_next(page->lines))
        return 0;
    // Most chunks without a match show that while they are closed, and fronts what matches in them.
    bool at_once = shows_matches(page, segment->chunk);
    page->whole = !at_once && chunk_is_front(segment->chunk);
    int err = at_once || page->whole ? 0 : chunk_open(&segment->chunk);
    if (err < 0 || page->whole)
        return err;
    if (end > page->cursor)
        page_hold(page, segment);
    while (err == 0 && !page->full && page_is_at(page, segment, end)) {
        at_once = shows_matches(page, segment->chunk);
        err = line_filter_feed(page->lines, run, segment->chunk, segment->first,
                               at_once ? end : line_filter_next(page->lines) + FEED_RECORDS);
        if (err == 0 && page->held_bytes > HELD_BYTES_MAX)
            err = line_filter_settle(page->lines, run);
        page_take(page);
    }
    // A record turned out to continue what was not looked at. The chunks are read once more, from there on.
    if (err == 0 && line_filter_next(page->lines) < segment->first)
        page_let_go(page, page->held_count);
    return err;
}

// Passes over what retention has cut off. A page that has records already ends before that, and the next one tells it.
static void page_pass_front(struct page *page, const struct store_read *read)
{
    uint64_t first = read->ret_first_sequence;
    if (page->cursor < first && page->taken > 0) {
        page->full = true;
        return;
    }
    if (page->cursor < first) {
        page->gap_from = page->has_gap ? page->gap_from : page->cursor;
        page->gap_to = first - 1;
        page->has_gap = true;
        page_let_go(page, page->held_count);
        page->cursor = first;
    }
    page->first = first;
    if (line_filter_next(page->lines) < first)
        line_filter_skip(page->lines, first);
}

static int page_look_through(struct page *page, struct store_read *read)
{
    struct filter_run run;
    int err = 0;
    filter_run_init(&run, line_filter_filter(page->lines), page->steps_left);
    page->next = read->ret_next;
    page_pass_front(page, read);
    page->whole = false;
    for (size_t i = 0; i < read->ret_count && !page->full && !page->whole && err == 0; i++) {
        if (i > 0 && line_filter_next(page->lines) < read->ret_segments[i].first)
            break;
        err = page_look_at(page, &read->ret_segments[i], &run);
    }
    if (err == 0 && !page->full && line_filter_next(page->lines) >= page->next) {
        err = line_filter_settle(page->lines, &run);
        page_take(page);
    }
    page->steps_left = run.steps_left;
    filter_run_release(&run);
    return err;
}

static void page_process(struct store_op *op)
{
    struct page *page = CONTAINER_OF(op, struct page, read.op);
    if (op->err)
        return;
    op->err = page_look_through(page, &page->read);
    store_read_forget(&page->read);
}

// --- On the loop

static void page_read(struct page *page);

// Called after a look at a read with `count` chunks.
static void page_go_on(struct page *page, int err, size_t count)
{
    // When the steps are spent, the page ends early. Only a line that needs all steps alone cannot be read.
    if (err == ERR_INVALID && page->cursor > page->begin) {
        page->full = true;
        err = 0;
    }
    if (err == ERR_INVALID)
        call_fail(
            page->call, ERR_INVALID,
            "the regular expression takes too many steps for one line; make it simpler or go on behind that line");
    else if (err)
        call_fail(page->call, err, NULL);
    else if (count == 0 && page->cursor < page->next)
        call_fail(page->call, ERR_CORRUPT, NULL);
    else if (!page->full && page->cursor < page->next && page->call->request) {
        page_read(page);
        return;
    } else {
        metrics_add(page->call->api->options.metrics, page->call->api->options.shard, METRIC_page_records_total,
                    (int64_t)page->taken);
        page_answer(page);
    }
    page_free(page);
}

static void page_read_done(struct store_op *op)
{
    struct page *page = CONTAINER_OF(op, struct page, read.op);
    int err = op->err;
    size_t count = page->read.ret_count;
    store_op_release(op);
    page_go_on(page, err, count);
}

// Returns how many bytes to read for the rest of the page. It is estimated with the mean length of the log's lines, and
// doubled each time it was not enough, because structured fields are not part of the mean. Usually the rest is in one
// large chunk. To decode another one, which may hold nothing wanted, costs more than to ask again. Many small chunks
// come together.
static size_t page_read_bytes(const struct page *page)
{
    const struct execution *execution = &page->call->execution;
    uint64_t mean = execution->message_bytes / MAX(execution->next_sequence, 1u) + 1;
    uint64_t wanted = ((page->limit - page->taken) * MIN(mean, (uint64_t)PAGE_READ_BYTES)) << MIN(page->reads, 10u);
    return page->filtered ? PAGE_READ_BYTES : (size_t)MIN(wanted, (uint64_t)PAGE_READ_BYTES);
}

static void page_read(struct page *page)
{
    page->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = page->call->api->options.loop,
               .done = page_read_done,
               .process = page_process,
               .account = page->call->principal.account,
               .scan = page->filtered},
        .row = page->call->execution.row,
        .closed = page->filtered,
        .skim = page->whole ? NULL : line_filter_filter(page->lines),
        .from = line_filter_next(page->lines),
        .max_bytes = page_read_bytes(page),
    };
    page->reads++;
    store_submit(page->call->api->options.store, &page->read.op);
}

static void page_begin(struct page *page, struct filter *filter, uint64_t from)
{
    page->begin = page->cursor = from;
    page->lines = line_filter_new(filter, from, page->call->execution.first_sequence);
}

struct page_start {
    struct page *page;
    struct filter *filter;
    size_t looked_through; // chunks that were read to find the place
    int err;               // the result of that
};

// On the reader's thread. Most pages from the end are complete with what was read to find their beginning.
static void page_found(void *arg, uint64_t from, struct store_read *read)
{
    struct page_start *start = arg;
    struct page *page = start->page;
    page_begin(page, start->filter, from);
    if (read->ret_count == 0 || read->ret_segments[0].first > line_filter_next(page->lines))
        return;
    start->looked_through = read->ret_count;
    start->err = page_look_through(page, read);
}

static void page_located(void *arg, int err, const struct place *place)
{
    struct page_start *start = arg;
    struct page *page = start->page;
    if (err == 0 && place->front > 0) {
        page->has_gap = true;
        page->gap_from = 0;
        page->gap_to = place->front - 1;
    }
    if (err || !page->call->request) {
        call_fail(page->call, err, NULL);
        page_free(page);
    } else if (start->looked_through > 0) {
        page_go_on(page, start->err, start->looked_through);
    } else {
        if (!page->lines)
            page_begin(page, start->filter, place->from);
        page_read(page);
    }
    filter_unref(&start->filter);
    free(start);
}

static const struct locate_handler located = {page_located, page_found};

void logs_page(struct call *call, struct log_query *query)
{
    struct api *api = call->api;
    struct page *page = xcalloc(1, sizeof(*page));
    CLEANUP(filter_unref) struct filter *filter = TAKE_PTR(query->filter);

    page->call = call;
    page->filtered = filter != NULL;
    page->limit = query->limit;
    page->steps_left = api->limits->regex_steps;
    page->account = budget_account(api->options.budget, call->principal.account);
    page->first = call->execution.first_sequence;
    page->execution_id = xstrdup(call->execution.execution_id);
    record_encoder_init(&page->encoder, str_of(page->execution_id), false);
    call_ref(call);
    if (query->position.kind == POSITION_FROM) {
        page_begin(page, filter, query->position.from);
        page_read(page);
        return;
    }
    struct page_start *start = xcalloc(1, sizeof(*start));
    *start = (struct page_start){.page = page, .filter = filter ? filter_ref(filter) : NULL};
    locate_start(api->options.store, api->options.loop, &call->execution, &query->position, filter, page->steps_left,
                 &located, start);
}
