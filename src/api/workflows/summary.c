// Summaries and nodes. They are counted and written on a reader's thread.
#include "api/workflows/summary.h"

#include "api/workflows/summarised.h"
#include "model/record_fields.h"

#define COUNTED_FROM ((size_t)64 * 1024) // smaller answers are not counted
#define JSON_FACTOR  2                   // of a summary in memory, roughly

struct asking {
    struct summarised summarised;
    struct call *call;
    summary_write_fn *write;
    void *arg;
    void (*free_arg)(void *arg);
    struct budget_account *account;
    struct budget_lease counted;
    struct buf text;
};

// --- Asking

static void asking_free(struct asking *asking)
{
    budget_lease_release(&asking->counted);
    budget_account_unref(&asking->account);
    buf_release(&asking->text);
    if (asking->free_arg)
        asking->free_arg(asking->arg);
    call_unref(asking->call);
    free(asking);
}

static int asking_process(struct summarised *summarised, const struct summary *summary)
{
    struct asking *asking = CONTAINER_OF(summarised, struct asking, summarised);
    size_t bytes = summary_memory(summary) * JSON_FACTOR;
    if (bytes > COUNTED_FROM && !budget_lease_set(&asking->counted, asking->account, BUDGET_answers, bytes))
        return ERR_OVERLOADED;
    struct json_writer json = json_writer_to(&asking->text);
    json_open_object(&json, NULL);
    asking->write(&json, asking->call, summary, asking->arg);
    json_close(&json);
    json_writer_end(&json);
    return 0;
}

static void asking_done(struct summarised *summarised, int err, const struct summary *summary)
{
    struct asking *asking = CONTAINER_OF(summarised, struct asking, summarised);
    (void)summary;
    budget_lease_release(&asking->counted); // from now on the connection counts the answer
    if (err < 0)
        call_fail(asking->call, err, NULL);
    else
        call_answer_json(asking->call, 200, &asking->text);
    asking_free(asking);
}

void call_answer_summary(struct call *call, summary_write_fn *write, void *arg, void (*free_arg)(void *arg))
{
    struct asking *asking = xcalloc(1, sizeof(*asking));
    asking->call = call;
    asking->write = write;
    asking->arg = arg;
    asking->free_arg = free_arg;
    asking->account = budget_account(call->api->options.budget, call->principal.account);
    asking->summarised = (struct summarised){.process = asking_process, .call = call, .done = asking_done};
    call_ref(call);
    summarised_ask(&asking->summarised, call->api, call->principal.account, call->execution.row);
}

// --- Parts of answers

void levels_add(struct json_writer *json, const char *name, const uint64_t levels[LEVEL_COUNT])
{
    json_open_object(json, name);
    for (unsigned i = LEVEL_DEBUG; i < LEVEL_COUNT; i++) {
        uint64_t count = levels[i] + (i == LEVEL_INFO ? levels[LEVEL_UNSET] : 0);
        if (count > 0)
            json_add_u64(json, record_level_word((enum record_level)i), count);
    }
    json_close(json);
}

static struct str name_of(const struct summary_node *node)
{
    return node->name.len > 0 ? buf_str(&node->name) : buf_str(&node->id);
}

static void add_text(struct json_writer *json, const char *name, const struct buf *text)
{
    if (text->len > 0)
        json_add_str(json, name, buf_str(text));
    else
        json_add_null(json, name);
}

static void add_number(struct json_writer *json, const char *name, bool known, uint64_t number)
{
    if (known)
        json_add_u64(json, name, number);
    else
        json_add_null(json, name);
}

static void open_member(struct json_writer *json, struct buf *scratch, struct str name)
{
    buf_reset(scratch);
    buf_append_str(scratch, name);
    json_open_object(json, buf_cstr(scratch));
}

static enum node_state shown(const struct call *call, const struct summary_node *node)
{
    return node_state_shown(node->progress.state, call->execution.status, call->execution.sealed);
}

static void add_head(struct json_writer *json, const struct call *call, const struct summary *summary)
{
    json_add_text(json, "execution_id", call->execution.execution_id);
    json_add_text(json, "status", status_word(call->execution.status));
    json_add_bool(json, "sealed", call->execution.sealed);
    json_add_u64(json, "last_index", summary->next);
}

// --- The summary

void event_types_add(struct json_writer *json, const struct summary *summary)
{
    uint64_t untyped = summary_untyped(summary);
    json_open_object(json, "event_types");
    for (size_t i = 0; i < summary->event_type_count; i++) {
        const struct summary_event_type *type = &summary->event_types[i];
        CLEANUP(free_ptr) char *name = str_dup(buf_str(&type->name));
        bool is_log = str_eq(buf_str(&type->name), STR(EVENT_UNTYPED));
        json_add_u64(json, name, type->count + (is_log ? untyped : 0));
        untyped = is_log ? 0 : untyped;
    }
    if (untyped > 0)
        json_add_u64(json, EVENT_UNTYPED, untyped);
    json_close(json);
}

static void add_milestones(struct json_writer *json, const struct summary *summary)
{
    json_open_array(json, "milestones");
    for (size_t i = 0; i < summary->milestones_kept; i++) {
        const struct summary_milestone *milestone = &summary->milestones[i];
        json_open_object(json, NULL);
        json_add_u64(json, "sequence_number", milestone->sequence_number);
        json_add_time(json, "timestamp", milestone->time_ms);
        json_add_str(json, "message", buf_str(&milestone->message));
        json_add_str(json, "event_type",
                     milestone->event_type.len > 0 ? buf_str(&milestone->event_type) : STR(EVENT_UNTYPED));
        json_close(json);
    }
    json_close(json);
    json_add_u64(json, "milestones_more", summary->milestone_count - summary->milestones_kept);
}

static void add_summary_nodes(struct json_writer *json, const struct call *call, const struct summary *summary)
{
    CLEANUP(buf_release) struct buf scratch = {0};
    json_open_object(json, "nodes");
    for (size_t i = 0; i < summary->node_count; i++) {
        const struct summary_node *node = &summary->nodes[i];
        open_member(json, &scratch, buf_str(&node->id));
        json_add_str(json, "node_name", name_of(node));
        json_add_u64(json, "logs_count", node->records);
        add_number(json, "step_number", node->has_step_number, node->step_number);
        json_add_text(json, "status", node_state_word(shown(call, node)));
        json_close(json);
    }
    json_close(json);
    json_add_u64(json, "nodes_more", summary->other_nodes);
}

void timeline_add(struct json_writer *json, const struct summary *summary)
{
    bool any = summary_records(summary) > 0;
    json_open_object(json, "timeline");
    json_add_time(json, "first_log", any ? summary->first_ms : 0);
    json_add_time(json, "last_log", any ? summary->last_ms : 0);
    char seconds[40];
    int len = snprintf(seconds, sizeof(seconds), "%.3f",
                       any ? ((double)summary->last_ms - (double)summary->first_ms) / 1000 : 0);
    json_add_raw(json, "duration_estimate", str_n(seconds, (size_t)len));
    json_close(json);
}

static void write_summary(struct json_writer *json, const struct call *call, const struct summary *summary, void *arg)
{
    uint64_t records = summary_records(summary);
    (void)arg;
    add_head(json, call, summary);
    json_add_u64(json, "total_logs", records);
    levels_add(json, "log_levels", summary->levels);
    event_types_add(json, summary);
    json_add_u64(json, "event_types_more", summary->other_events);
    json_open_object(json, "streams");
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        json_add_u64(json, record_stream_name((enum record_stream)i), summary->streams[i]);
    json_close(json);
    json_open_object(json, "categories");
    json_add_u64(json, "technical", records - summary->business);
    json_add_u64(json, "business", summary->business);
    json_close(json);
    add_number(json, "first_error", summary->first_error != UINT64_MAX, summary->first_error);
    add_milestones(json, summary);
    add_summary_nodes(json, call, summary);
    timeline_add(json, summary);
}

void workflows_summary(struct call *call)
{
    call_answer_summary(call, write_summary, NULL, NULL);
}

// --- Nodes

static void add_times(struct json_writer *json, const struct call *call, const struct summary_node *node)
{
    const struct node_times *times = &node->progress.times;
    // What the end of the run has ended, has ended with it.
    int64_t ended_ms = times->ended_ms;
    if (ended_ms == 0 && node_state_over(shown(call, node)))
        ended_ms = call->execution.completed_ms;
    json_add_time(json, "queued_at", times->queued_ms);
    json_add_time(json, "started_at", times->started_ms);
    json_add_time(json, "ended_at", ended_ms);
    add_number(json, "duration_ms", times->started_ms > 0 && ended_ms > 0,
               (uint64_t)MAX(ended_ms - times->started_ms, 0));
    add_number(json, "queue_ms", times->started_ms > 0 && times->queued_ms > 0,
               (uint64_t)MAX(times->started_ms - times->queued_ms, 0));
}

static void add_earlier(struct json_writer *json, const struct summary_node *node)
{
    json_open_array(json, "earlier_attempts");
    for (size_t i = 0; i < node->earlier_count; i++) {
        const struct summary_attempt *attempt = &node->earlier[i];
        json_open_object(json, NULL);
        json_add_text(json, "state", node_state_word(attempt->state));
        json_add_time(json, "queued_at", attempt->times.queued_ms);
        json_add_time(json, "started_at", attempt->times.started_ms);
        json_add_time(json, "ended_at", attempt->times.ended_ms);
        json_close(json);
    }
    json_close(json);
}

void node_percent_add(struct json_writer *json, const char *name, const struct summary_node *node)
{
    CLEANUP(buf_release) struct buf number = {0};
    record_percent_append(&number, node->percent);
    json_add_raw(json, name, buf_str(&number));
}

static void add_node(struct json_writer *json, const struct call *call, const struct summary_node *node)
{
    json_open_object(json, NULL);
    json_add_str(json, "node_id", buf_str(&node->id));
    json_add_str(json, "name", name_of(node));
    add_text(json, "type", &node->type);
    add_number(json, "step_number", node->has_step_number, node->step_number);
    add_number(json, "total_steps", node->has_total_steps, node->total_steps);
    if (node->has_percent)
        node_percent_add(json, "progress_percentage", node);
    else
        json_add_null(json, "progress_percentage");
    json_add_text(json, "state", node_state_word(shown(call, node)));
    json_add_u64(json, "attempts", node->progress.attempts);
    add_times(json, call, node);
    add_earlier(json, node);
    json_add_u64(json, "records", node->records);
    levels_add(json, "levels", node->levels);
    add_text(json, "last_line", &node->last_line);
    json_add_u64(json, "last_index", node->last_sequence + 1);
    json_close(json);
}

static void write_nodes(struct json_writer *json, const struct call *call, const struct summary *summary, void *arg)
{
    (void)arg;
    add_head(json, call, summary);
    json_open_array(json, "nodes");
    for (size_t i = 0; i < summary->node_count; i++)
        add_node(json, call, &summary->nodes[i]);
    json_close(json);
    json_add_u64(json, "other_nodes", summary->other_nodes);
}

void workflows_nodes(struct call *call)
{
    call_answer_summary(call, write_nodes, NULL, NULL);
}
