// What followers are told beside records.
#include "api/follow/messages.h"

void append_position(struct buf *out, const struct follower *follower)
{
    buf_printf(out, "{\"type\":\"position\",\"sequence_number\":%lld}", (long long)follower->position);
}

void append_gap(struct buf *out, const struct follower *follower)
{
    buf_printf(out, "{\"type\":\"gap\",\"from\":%llu,\"to\":%llu,\"reason\":\"%s\"}",
               (unsigned long long)follower->gap_from, (unsigned long long)follower->gap_to, follower->gap_reason);
}

void append_state(struct buf *out, const struct execution *execution, const struct execution_live *live)
{
    buf_printf(out, "{\"type\":\"state\",\"status\":\"%s\",\"runner_connected\":%s,\"lag_records\":",
               status_word(execution->status), live->runner_connected ? "true" : "false");
    if (live->has_lag)
        buf_append_u64(out, live->lag_records);
    else
        buf_append_text(out, "null");
    buf_append_byte(out, '}');
}

void append_complete(struct buf *out, const struct execution *execution)
{
    buf_printf(out, "{\"type\":\"complete\",\"execution_id\":\"%s\",\"exit_code\":", execution->execution_id);
    if (execution->has_exit_code)
        buf_append_i64(out, execution->exit_code);
    else
        buf_append_text(out, "null");
    buf_printf(out, ",\"status\":\"%s\",\"final_sequence\":%lld}", status_word(execution->status),
               (long long)execution->next_sequence - 1);
}

void append_stream_error(struct buf *out, struct str execution_id, int err)
{
    buf_append_text(out, "{\"type\":\"error\",\"execution_id\":");
    buf_append_json_string(out, execution_id);
    buf_printf(out, ",\"code\":\"%s\",\"error\":\"%s\"}", error_word(err), execution_error_text(err));
}
