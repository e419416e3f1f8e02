#include "cli/trace_runs.h"

#include "model/engine_state.h"
#include "util/list.h"
#include "util/map.h"

#define BATCH_RECORDS 500
#define BATCH_BYTES   ((size_t)1024 * 1024)
#define LOOK_BACK     1000 // events at the end of a log among which an imported one is looked for

#define NO_NUMBER "id must be a whole number, as those of the run before it are"
#define BACKWARDS "id is less than that of an event of the run before it; sort the run by it"
#define TOO_MANY  "there are too many runs for one input; split it"

// Why nothing more of a run can be stored.
static const char is_sealed[] = "the run's log is sealed, so nothing more of it can be stored";
static const char is_purged[] = "the run was purged; its identifier is never used again";
static const char is_of_others[] = "the run is there already and has a log that was not imported";
static const char is_not_made[] = "the run could not be made";
static const char is_not_read[] = "what the run has in its log could not be read";

struct event { // that waits
    struct trace_place place;
    uint64_t number;
    size_t start; // in the batch's records
};

struct batch {
    struct buf records; // with commas between them
    struct event events[BATCH_RECORDS];
    size_t count;
};

struct run {
    struct map_node node;
    struct list_node order;
    char *id;           // key of the map
    const char *closed; // why nothing of it can be stored; NULL: it can
    bool made, fresh;   // it is there; it was not before
    bool begun;         // an event has come
    // Events are known by their numbers if the first one has one, else by their places among the run's events of this
    // input. Those below `stored_to` are there; those that come must not lie below `next`.
    bool by_number;
    uint64_t stored_to, next;
    uint64_t events; // that have come
    int64_t last_ms;
    char *state; // that was told last; NULL: none
    int64_t completed_ms;
    struct trace_place place; // of the state, or else of its last event
    struct batch *batch;      // NULL: nothing waits
};

struct trace_runs {
    struct cli *cli;
    struct client *client;
    const char *workflow_id; // of runs that do not say; NULL: none
    struct map map;
    struct list_node order; // by their first lines
    size_t pending;
    struct trace_counts counts;
};

struct trace_runs *trace_runs_new(struct cli *cli, struct client *client, const char *workflow_id)
{
    struct trace_runs *runs = xcalloc(1, sizeof(*runs));
    runs->cli = cli;
    runs->client = client;
    runs->workflow_id = workflow_id;
    map_init(&runs->map);
    list_init(&runs->order);
    return runs;
}

static void batch_drop(struct trace_runs *runs, struct run *run)
{
    if (!run->batch)
        return;
    runs->pending -= run->batch->records.len;
    buf_release(&run->batch->records);
    free(TAKE_PTR(run->batch));
}

void trace_runs_free(struct trace_runs **owner)
{
    struct trace_runs *runs = TAKE_PTR(*owner);
    if (!runs)
        return;
    LIST_FOR_EACH_SAFE(it, next, &runs->order) {
        struct run *run = CONTAINER_OF(it, struct run, order);
        map_remove(&runs->map, &run->node);
        batch_drop(runs, run);
        free(run->id);
        free(run->state);
        free(run);
    }
    map_release(&runs->map);
    free(runs);
}

const struct trace_counts *trace_runs_counts(const struct trace_runs *runs)
{
    return &runs->counts;
}

void trace_runs_refuse(struct trace_runs *runs, struct trace_place place, const char *reason)
{
    runs->counts.refused++;
    fprintf(stderr, "runnel: %s:%llu: %s\n", place.file, (unsigned long long)place.line, reason);
}

// --- Requests. *ret_err is what the server says; the exit code is for what keeps everything from going on.

static bool is_of_the_request(int err)
{
    static const int errors[] = {ERR_MALFORMED, ERR_INVALID, ERR_TOO_LARGE,      ERR_TOO_LONG,   ERR_CONFLICT,
                                 ERR_SEALED,    ERR_EXPIRED, ERR_BAD_TRANSITION, ERR_IDEMPOTENCY};
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (errors[i] == err)
            return true;
    }
    return false;
}

static int ask(struct trace_runs *runs, const char *method, const char *path, struct str body, const char *header,
               struct buf *ret_answer, int *ret_err, struct buf *ret_reason)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    int err = client_request(runs->client, method, path, body, header, &response);
    if (err)
        return cli_fail(runs->cli, err, "%s: %s", client_url(runs->client), client_cause(&response, err));
    buf_reset(ret_reason);
    *ret_err = client_response_error(&response, ret_reason);
    if (*ret_err && !is_of_the_request(*ret_err))
        return cli_fail_response(runs->cli, &response);
    if (ret_answer) {
        buf_release(ret_answer);
        *ret_answer = response.body;
        response.body = (struct buf){0};
    }
    return 0;
}

// --- A run, from its first line on

static struct run *find_run(struct trace_runs *runs, const char *id)
{
    struct map_node *node = map_find(&runs->map, str_of(id));
    if (node)
        return CONTAINER_OF(node, struct run, node);
    if (runs->map.count == TRACE_RUNS_MAX)
        return NULL;
    struct run *run = xcalloc(1, sizeof(*run));
    run->id = xstrdup(id);
    map_insert(&runs->map, &run->node, str_of(run->id));
    list_push_back(&runs->order, &run->order);
    runs->counts.runs++;
    return run;
}

struct last_imported { // that stands last in a log
    bool found, numbered;
    uint64_t number, n;
};

static void look_at_page(const json_t *page, struct last_imported *last)
{
    const json_t *logs = json_object_get(page, "logs");
    for (size_t i = json_array_size(logs); i > 0; i--) {
        if (!trace_item_of_record(json_array_get(logs, i - 1), &last->numbered, &last->number, &last->n))
            continue;
        last->found = true;
        return;
    }
}

// It decides what is there.
static void judge_log(struct run *run, const struct last_imported *last, bool empty)
{
    if (!last->found) {
        run->closed = empty ? NULL : is_of_others;
        return;
    }
    if (run->by_number && !last->numbered)
        run->closed = NO_NUMBER;
    run->stored_to = (run->by_number ? last->number : last->n) + 1;
}

// *ret_page is NULL if the log is not to be had; then the run is closed.
static int read_page(struct trace_runs *runs, struct run *run, const char *place, json_t **ret_page)
{
    CLEANUP(buf_release) struct buf answer = {0}, reason = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/logs?stream=event&limit=10000&%s", run->id, place);
    int err = 0, code = ask(runs, "GET", path, str_n(NULL, 0), NULL, &answer, &err, &reason);
    *ret_page = NULL;
    if (code)
        return code;
    if (err) {
        run->closed = err == ERR_EXPIRED ? is_purged : is_not_read;
        if (err != ERR_EXPIRED)
            trace_runs_refuse(runs, run->place, buf_cstr(&reason));
        return 0;
    }
    *ret_page = json_loadb(buf_cstr(&answer), answer.len, JSON_ALLOW_NUL, NULL);
    return *ret_page
               ? 0
               : cli_fail(runs->cli, ERR_MALFORMED, "%s: the answer is no page of a log", client_url(runs->client));
}

// Large events make a page end before the end of the log.
static int look_at_log(struct trace_runs *runs, struct run *run)
{
    struct last_imported last = {0};
    CLEANUP(free_ptr) char *place = xasprintf("tail=%d", LOOK_BACK);
    bool more = true, empty = true;
    while (more) {
        CLEANUP(json_free) json_t *page = NULL;
        int code = read_page(runs, run, place, &page);
        if (code || !page)
            return code;
        look_at_page(page, &last);
        empty = json_integer_value(json_object_get(page, "last_index")) == 0;
        more = json_is_true(json_object_get(page, "has_more"));
        free(place);
        place = xasprintf("cursor=%lld", (long long)json_integer_value(json_object_get(page, "next_cursor")));
    }
    judge_log(run, &last, empty);
    return 0;
}

static void put_time(json_t *into, const char *name, int64_t ms)
{
    char text[TIME_RFC3339_LEN];
    if (ms <= 0)
        return;
    time_format_rfc3339(ms, text);
    json_object_set_new(into, name, json_stringn(text, sizeof(text)));
}

static int make_run(struct trace_runs *runs, struct run *run, const struct trace_item *item)
{
    CLEANUP(buf_release) struct buf reason = {0};
    const char *workflow = item->workflow_id ? item->workflow_id : runs->workflow_id;
    CLEANUP(json_free) json_t *order = json_pack("{s:s, s:b}", "execution_id", run->id, "queue", 0);
    if (workflow)
        json_object_set_new(order, "workflow_id", json_string(workflow));
    put_time(order, "started_at", item->is_state ? item->started_ms : item->time_ms);
    CLEANUP(json_text_free) char *body = json_dumps(order, JSON_COMPACT);
    int err = 0, code = ask(runs, "POST", "/api/v1/executions", str_of(body), NULL, NULL, &err, &reason);
    if (code)
        return code;
    run->fresh = err == 0;
    run->made = err == 0 || err == ERR_CONFLICT;
    if (run->made)
        return 0;
    run->closed = err == ERR_EXPIRED ? is_purged : is_not_made;
    if (err != ERR_EXPIRED)
        trace_runs_refuse(runs, run->place, buf_cstr(&reason));
    return 0;
}

// --- Sending

static void refuse_batch(struct trace_runs *runs, const struct batch *batch, const char *reason)
{
    for (size_t i = 0; i < batch->count; i++)
        trace_runs_refuse(runs, batch->events[i].place, reason);
}

// Some events of the batch, which become durable together. Under its key a repetition is harmless.
static int send_part(struct trace_runs *runs, const struct run *run, size_t from, size_t to, int *ret_err,
                     struct buf *ret_reason)
{
    const struct batch *batch = run->batch;
    size_t start = batch->events[from].start;
    size_t end = to < batch->count ? batch->events[to].start - 1 : batch->records.len;
    CLEANUP(buf_release) struct buf body = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/logs", run->id);
    CLEANUP(free_ptr)
    char *header = xasprintf("Idempotency-Key: trace:%llu-%llu", (unsigned long long)batch->events[from].number,
                             (unsigned long long)batch->events[to - 1].number);
    buf_append_byte(&body, '[');
    buf_append(&body, batch->records.data + start, end - start);
    buf_append_byte(&body, ']');
    int code = ask(runs, "POST", path, buf_str(&body), header, NULL, ret_err, ret_reason);
    if (code == 0 && *ret_err == 0)
        runs->counts.stored += to - from;
    return code;
}

// Each alone, so that a bad one does not take the others with it.
static int send_singly(struct trace_runs *runs, struct run *run)
{
    CLEANUP(buf_release) struct buf reason = {0};
    for (size_t i = 0; i < run->batch->count; i++) {
        int err = 0, code = send_part(runs, run, i, i + 1, &err, &reason);
        if (code)
            return code;
        if (err)
            trace_runs_refuse(runs, run->batch->events[i].place, buf_cstr(&reason));
    }
    return 0;
}

static int flush(struct trace_runs *runs, struct run *run)
{
    CLEANUP(buf_release) struct buf reason = {0};
    if (!run->batch)
        return 0;
    int err = 0, code = send_part(runs, run, 0, run->batch->count, &err, &reason);
    if (code == 0 && (err == ERR_SEALED || err == ERR_EXPIRED)) {
        run->closed = err == ERR_SEALED ? is_sealed : is_purged;
        refuse_batch(runs, run->batch, run->closed);
    } else if (code == 0 && err) {
        code = send_singly(runs, run);
    }
    batch_drop(runs, run);
    return code;
}

static int flush_all(struct trace_runs *runs)
{
    int code = 0;
    LIST_FOR_EACH_SAFE(it, next, &runs->order) {
        if (code == 0)
            code = flush(runs, CONTAINER_OF(it, struct run, order));
    }
    return code;
}

static int add_to_batch(struct trace_runs *runs, struct run *run, struct trace_item *item, struct trace_place place,
                        uint64_t number)
{
    if (!run->batch)
        run->batch = xcalloc(1, sizeof(*run->batch));
    struct batch *batch = run->batch;
    size_t before = batch->records.len;
    if (batch->count > 0)
        buf_append_byte(&batch->records, ',');
    trace_item_set_place(item, run->events - 1);
    batch->events[batch->count++] = (struct event){place, number, batch->records.len};
    CLEANUP(json_text_free) char *text = json_dumps(item->record, JSON_COMPACT);
    buf_append_text(&batch->records, text);
    runs->pending += batch->records.len - before;
    int code = batch->count == BATCH_RECORDS || batch->records.len > BATCH_BYTES ? flush(runs, run) : 0;
    return code == 0 && runs->pending > TRACE_PENDING_MAX ? flush_all(runs) : code;
}

// --- Taking

// Returns why it cannot be stored; NULL if it can, or is there already.
static const char *judge_event(struct run *run, const struct trace_item *item, uint64_t *ret_number, bool *ret_there)
{
    uint64_t number = run->by_number ? item->number : run->events - 1;
    *ret_number = number;
    if (run->by_number && !item->numbered)
        return NO_NUMBER;
    *ret_there = number < run->stored_to || (number < run->next && number + 1 == run->next);
    if (!*ret_there && number < run->next)
        return BACKWARDS;
    run->next = MAX(run->next, number + 1);
    return *ret_there ? NULL : run->closed;
}

static int take_event(struct trace_runs *runs, struct run *run, struct trace_item *item, struct trace_place place)
{
    uint64_t number;
    bool there = false;
    if (!run->begun) {
        run->begun = true;
        run->by_number = item->numbered;
        int code = run->made && !run->fresh ? look_at_log(runs, run) : 0;
        if (code)
            return code;
    }
    run->events++;
    run->last_ms = MAX(run->last_ms, item->time_ms);
    const char *reason = judge_event(run, item, &number, &there);
    runs->counts.there += there;
    if (reason)
        trace_runs_refuse(runs, place, reason);
    return reason || there ? 0 : add_to_batch(runs, run, item, place, number);
}

int trace_runs_take(struct trace_runs *runs, struct trace_item *item, struct trace_place place)
{
    struct run *run = find_run(runs, item->run_id);
    if (!run) {
        trace_runs_refuse(runs, place, TOO_MANY);
        return 0;
    }
    run->place = place;
    int code = run->made || run->closed ? 0 : make_run(runs, run, item);
    if (code)
        return code;
    if (!item->is_state)
        return take_event(runs, run, item, place);
    free(run->state);
    run->state = xstrdup(item->state);
    run->completed_ms = item->completed_ms;
    return 0;
}

// --- The end

// What has become of it by its nodes: one that failed, and has not succeeded since, has failed it.
static int judge_nodes(struct trace_runs *runs, struct run *run)
{
    CLEANUP(json_free) json_t *answer = NULL;
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/nodes", run->id);
    int code = cli_get_json(runs->cli, runs->client, path, &answer);
    if (code)
        return code;
    const json_t *nodes = json_object_get(answer, "nodes"), *node;
    bool failed = false;
    size_t i;
    json_array_foreach(nodes, i, node)
    {
        const char *state = json_string_value(json_object_get(node, "state"));
        failed = failed || (state && strcmp(state, "failed") == 0);
    }
    run->state = xstrdup(failed ? "failed" : "completed");
    return 0;
}

static int change_status(struct trace_runs *runs, const struct run *run, const char *state, int64_t completed_ms,
                         int *ret_err, struct buf *ret_reason)
{
    CLEANUP(json_free) json_t *change = json_pack("{s:s}", "status", state);
    put_time(change, "completed_at", completed_ms);
    CLEANUP(json_text_free) char *body = json_dumps(change, JSON_COMPACT);
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s", run->id);
    return ask(runs, "PATCH", path, str_of(body), NULL, NULL, ret_err, ret_reason);
}

static int tell_state(struct trace_runs *runs, struct run *run)
{
    CLEANUP(buf_release) struct buf reason = {0};
    enum execution_status status = STATUS_COMPLETED;
    int err = 0, code = 0;
    engine_state_status(str_of(run->state), &status);
    // What ran has run before it ended; if it has ended already, that is refused.
    if (status != STATUS_QUEUED && status != STATUS_SKIPPED)
        code = change_status(runs, run, status_word(STATUS_RUNNING), 0, &err, &reason);
    if (code)
        return code;
    int64_t completed_ms = run->completed_ms ? run->completed_ms : run->last_ms;
    code = change_status(runs, run, run->state, status_terminal(status) ? completed_ms : 0, &err, &reason);
    if (code == 0 && err)
        trace_runs_refuse(runs, run->place, buf_cstr(&reason));
    return code;
}

static int end_run(struct trace_runs *runs, struct run *run, bool ended)
{
    if (run->closed == is_purged || run->closed == is_of_others || run->closed == is_not_read || !run->made)
        return 0;
    int code = !run->state && ended && !run->closed ? judge_nodes(runs, run) : 0;
    return code == 0 && run->state ? tell_state(runs, run) : code;
}

int trace_runs_finish(struct trace_runs *runs, bool ended)
{
    int code = flush_all(runs);
    LIST_FOR_EACH_SAFE(it, next, &runs->order) {
        if (code == 0)
            code = end_run(runs, CONTAINER_OF(it, struct run, order), ended);
    }
    return code;
}
