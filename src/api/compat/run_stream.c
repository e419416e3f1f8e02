// Workflow runs: one stream of trace events, lines and status, with one cursor for all. The progress in a status is
// counted by the store; so a status, and the end, wait for that.
#include "api/compat/compat.h"
#include "api/follow/http_follower.h"
#include "api/workflows/summarised.h"
#include "util/clock.h"

#define PROGRESS_MS 500 // no status more often for progress alone

struct run_stream {
    struct http_follower *it; // NULL: its reader has gone while the store counted
    struct api *api;
    int64_t account;
    struct run_graph graph;
    bool graph_known;
    struct summarised summarised;
    struct timer *timer; // looks for progress
    struct execution execution;
    bool asking, again; // again: what is being counted is not the newest
    bool state_due;     // a status must be told
    bool complete_due;  // and then the end
    uint64_t completed;
};

// --- Telling

// Every event has an id: that of the last record that the reader was given, -1 before the first.
static void say(struct http_follower *it, const char *event, const struct buf *json)
{
    CLEANUP(buf_release) struct buf frame = {0};
    buf_printf(&frame, "id: %lld\nevent: %s\ndata: ", (long long)subscriber_cursor(it->subscriber) - 1, event);
    buf_append_str(&frame, buf_str(json));
    buf_append_text(&frame, "\n\n");
    http_stream_write(it->stream, frame.data, frame.len);
}

static void say_ready(struct http_follower *it)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "runId", it->execution_id);
    json_add_text(&json, "mode", "realtime");
    json_close(&json);
    say(it, "ready", &text);
}

static void say_gap(struct http_follower *it, const struct follower *follower)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "runId", it->execution_id);
    json_add_u64(&json, "from", follower->gap_from);
    json_add_u64(&json, "to", follower->gap_to);
    json_add_text(&json, "reason", follower->gap_reason);
    json_close(&json);
    say(it, "gap", &text);
}

// Its id lies past the last record, so a browser that comes back with it is told to stop.
static void end_complete(struct http_follower *it, const struct execution *execution)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "runId", it->execution_id);
    json_add_text(&json, "status", status_runs_api(execution->status));
    json_close(&json);
    http_follower_event(it, (int64_t)execution->next_sequence, "complete", &text);
    http_follower_end(it, true);
}

static void end_error(struct http_follower *it, const char *code, const char *message)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "runId", it->execution_id);
    json_add_text(&json, "code", code);
    json_add_text(&json, "message", message);
    json_close(&json);
    say(it, "error", &text);
    http_follower_end(it, true);
}

// --- Status

static void counted(struct summarised *summarised, int err, const struct summary *summary);

static void ask(struct run_stream *run)
{
    run->again = run->asking;
    if (run->asking)
        return;
    run->asking = true;
    if (run->graph_known)
        summarised_ask(&run->summarised, run->api, run->account, run->execution.row);
    else
        run_graph_ask(&run->graph, run->api, run->account, run->execution.row);
}

static void release(struct run_stream *run)
{
    graph_nodes_free(&run->graph.ret_nodes);
    execution_release(&run->execution);
    timer_free(&run->timer);
    free(run);
}

// A run keeps the graph that it was made with.
static void graph_known(struct run_graph *graph, int err)
{
    struct run_stream *run = CONTAINER_OF(graph, struct run_stream, graph);
    run->graph_known = err == 0;
    if (run->it)
        summarised_ask(&run->summarised, run->api, run->account, run->execution.row);
    else
        release(run);
}

static void say_status(struct run_stream *run, const struct summary *summary)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    runs_add_status(&json, &run->execution, summary, run->graph.ret_nodes, clock_real_ms());
    say(run->it, "status", &text);
}

static void counted(struct summarised *summarised, int err, const struct summary *summary)
{
    struct run_stream *run = CONTAINER_OF(summarised, struct run_stream, summarised);
    run->asking = false;
    if (!run->it) {
        release(run);
        return;
    }
    if (run->again) {
        ask(run);
        return;
    }
    uint64_t completed = summary ? runs_completed(summary, run->graph.ret_nodes) : run->completed;
    if (run->state_due || completed != run->completed)
        say_status(run, summary); // without progress, if the store cannot count now
    run->state_due = false;
    run->completed = completed;
    (void)err;
    if (run->complete_due)
        end_complete(run->it, &run->execution);
}

static void look_for_progress(void *arg)
{
    ask(arg);
}

static void closing(struct http_follower *it)
{
    struct run_stream *run = it->more;
    run->it = NULL;
    if (!run->asking)
        release(run);
}

static struct run_stream *run_of(struct http_follower *it, const struct execution *execution)
{
    struct run_stream *run = it->more;
    if (!run) {
        run = it->more = xcalloc(1, sizeof(*run));
        it->closing = closing;
        run->it = it;
        run->api = it->node.api;
        run->account = it->account;
        run->summarised.done = counted;
        run->graph.done = graph_known;
        run->timer = timer_new(run->api->options.loop, look_for_progress, run);
        execution_copy(execution, &run->execution);
        say_ready(it);
        return run;
    }
    execution_release(&run->execution);
    execution_copy(execution, &run->execution);
    return run;
}

// --- The sink

static void tell(void *owner, enum follower_step step, const struct follower *follower,
                 const struct execution *execution, const struct execution_live *live)
{
    struct http_follower *it = owner;
    struct run_stream *run;
    (void)live;
    switch (step) {
    case FOLLOWER_GAP:
        say_gap(it, follower);
        break;
    case FOLLOWER_POSITION:
        http_follower_position(it, follower);
        break;
    case FOLLOWER_STATE:
        run = run_of(it, execution);
        run->state_due = true;
        ask(run);
        break;
    case FOLLOWER_COMPLETE:
        run = run_of(it, execution);
        run->state_due = run->complete_due = true;
        ask(run);
        break;
    case FOLLOWER_PURGED:
        end_error(it, error_word(ERR_EXPIRED), execution_error_text(ERR_EXPIRED));
        break;
    case FOLLOWER_END:
        http_follower_end(it, false);
        break;
    case FOLLOWER_WAIT:
    case FOLLOWER_READ:
        break;
    }
}

static void failed(void *owner, int err)
{
    end_error(owner, error_word(err), error_text(err));
}

static void send_records(void *owner, struct payload *payload, size_t offset, size_t len)
{
    struct http_follower *it = owner;
    struct run_stream *run = it->more;
    http_follower_send(owner, payload, offset, len);
    if (run && !timer_active(run->timer))
        timer_start(run->timer, PROGRESS_MS);
}

static const struct subscriber_sink sink = {send_records, http_follower_pending, http_follower_unshare, tell, failed};

void runs_stream(struct call *call)
{
    struct log_query query;
    if (!log_query_parse(call, POSITION_SSE, &query))
        return;
    query.follow = query.states = true;
    query.format = FORMAT_RUN;
    if (follow_is_over(call, &query))
        log_query_release(&query);
    else
        http_follower_begin(call, &query, &sink);
}
