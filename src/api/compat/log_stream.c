// The workflow log API: its server-sent events. Every event is a `message`; what it is stands in its data.
#include "api/compat/compat.h"
#include "api/follow/http_follower.h"
#include "util/clock.h"

// Opens {"event_type","session_id","is_final","data":{"execution_id"; close_event writes the rest.
static struct json_writer open_event(struct buf *out, const char *type, const char *execution_id, bool final)
{
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    json_add_text(&json, "event_type", type);
    json_add_text(&json, "session_id", execution_id);
    json_add_bool(&json, "is_final", final);
    json_open_object(&json, "data");
    json_add_text(&json, "execution_id", execution_id);
    return json;
}

static void close_event(struct http_follower *it, struct json_writer *json, int64_t id)
{
    json_close(json);
    json_add_time(json, "timestamp", clock_real_ms());
    json_close(json);
    http_follower_event(it, id, NULL, json->out);
}

static void say_complete(struct http_follower *it, const struct execution *execution, const char *message)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = open_event(&text, "COMPLETE", execution->execution_id, true);
    json_add_text(&json, "status", status_log_api(execution->status));
    json_add_text(&json, "message", message);
    json_add_u64(&json, "total_logs", execution->next_sequence - execution->first_sequence);
    close_event(it, &json, (int64_t)execution->next_sequence);
    http_follower_end(it, true);
}

static void say_error(struct http_follower *it, const char *type, const char *error)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = open_event(&text, "ERROR", it->execution_id, true);
    json_add_text(&json, "error", error);
    json_add_text(&json, "error_type", type);
    close_event(it, &json, -1);
    http_follower_end(it, true);
}

static void say_gap(struct http_follower *it, const struct follower *follower)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = open_event(&text, "GAP", it->execution_id, false);
    json_add_u64(&json, "from", follower->gap_from);
    json_add_u64(&json, "to", follower->gap_to);
    json_add_text(&json, "reason", follower->gap_reason);
    close_event(it, &json, -1);
}

static void tell(void *owner, enum follower_step step, const struct follower *follower,
                 const struct execution *execution, const struct execution_live *live)
{
    struct http_follower *it = owner;
    (void)live;
    switch (step) {
    case FOLLOWER_GAP:
        say_gap(it, follower);
        break;
    case FOLLOWER_POSITION:
        http_follower_position(it, follower);
        break;
    case FOLLOWER_END: // of what was there when it came
        if (it->finishing)
            http_follower_end(it, false);
        else if (execution->sealed || !http_follower_goes_live(it))
            say_complete(it, execution, "Historical logs retrieved");
        break;
    case FOLLOWER_COMPLETE:
        say_complete(it, execution, "Execution completed");
        break;
    case FOLLOWER_PURGED:
        say_error(it, error_word(ERR_EXPIRED), execution_error_text(ERR_EXPIRED));
        break;
    case FOLLOWER_STATE:
    case FOLLOWER_WAIT:
    case FOLLOWER_READ:
        break;
    }
}

static void failed(void *owner, int err)
{
    struct http_follower *it = owner;
    bool credential = err == ERR_TOKEN_EXPIRED || err == ERR_UNAUTHORIZED || err == ERR_SUSPENDED;
    say_error(it, credential ? error_word(err) : "fatal_error", error_text(err));
}

static const struct subscriber_sink sink = {HTTP_FOLLOWER_SINK, tell, failed};

void log_api_stream(struct call *call)
{
    struct log_query query;
    if (!log_query_parse(call, POSITION_SSE, &query))
        return;
    query.follow = call_param(call, "follow").number;
    query.format = FORMAT_LOG_API;
    if (follow_is_over(call, &query))
        log_query_release(&query);
    else
        http_follower_begin(call, &query, &sink);
}
