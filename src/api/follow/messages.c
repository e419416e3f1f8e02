// What followers are told in addition to records.
#include "api/follow/messages.h"

static struct json_writer open_message(struct buf *out, const char *type)
{
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", type);
    return json;
}

static struct json_writer open_message_of(struct buf *out, const char *type, const char *execution_id)
{
    struct json_writer json = open_message(out, type);
    if (execution_id)
        json_add_text(&json, "execution_id", execution_id);
    return json;
}

void append_position(struct buf *out, const struct follower *follower, const char *execution_id)
{
    struct json_writer json = open_message_of(out, "position", execution_id);
    json_add_i64(&json, "sequence_number", follower->position);
    json_close(&json);
}

void append_gap(struct buf *out, const struct follower *follower, const char *execution_id)
{
    struct json_writer json = open_message_of(out, "gap", execution_id);
    json_add_u64(&json, "from", follower->gap_from);
    json_add_u64(&json, "to", follower->gap_to);
    json_add_text(&json, "reason", follower->gap_reason);
    json_close(&json);
}

void append_state(struct buf *out, const struct execution *execution, const struct execution_live *live,
                  const char *execution_id)
{
    struct json_writer json = open_message_of(out, "state", execution_id);
    json_add_text(&json, "status", status_word(execution->status));
    if (live->elsewhere && !execution->sealed)
        json_add_null(&json, "runner_connected");
    else
        json_add_bool(&json, "runner_connected", live->runner_connected);
    if (live->has_lag)
        json_add_u64(&json, "lag_records", live->lag_records);
    else
        json_add_null(&json, "lag_records");
    json_close(&json);
}

void append_complete(struct buf *out, const struct execution *execution)
{
    struct json_writer json = open_message(out, "complete");
    json_add_text(&json, "execution_id", execution->execution_id);
    if (execution->has_exit_code)
        json_add_i64(&json, "exit_code", execution->exit_code);
    else
        json_add_null(&json, "exit_code");
    json_add_text(&json, "status", status_word(execution->status));
    json_add_i64(&json, "final_sequence", (int64_t)execution->next_sequence - 1);
    json_close(&json);
}

void append_stream_error(struct buf *out, struct str execution_id, int err)
{
    struct json_writer json = open_message(out, "error");
    json_add_str(&json, "execution_id", execution_id);
    json_add_text(&json, "code", error_word(err));
    json_add_text(&json, "error", execution_error_text(err));
    json_close(&json);
}
