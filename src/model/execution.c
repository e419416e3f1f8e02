#include "model/execution.h"

#include "util/clock.h"

#include <inttypes.h>

#define SECOND_MS 1000

// Every owned string, so that none is forgotten in a copy or a release.
static const size_t owned[] = {
    offsetof(struct execution, execution_id),    offsetof(struct execution, owner),
    offsetof(struct execution, script_filename), offsetof(struct execution, runtime),
    offsetof(struct execution, worker_id),       offsetof(struct execution, worker_hostname),
    offsetof(struct execution, workflow_id),     offsetof(struct execution, batch_id),
    offsetof(struct execution, spec_json),       offsetof(struct execution, metadata_json),
    offsetof(struct execution, cancel_reason),   offsetof(struct execution, command_json),
};

static char **owned_at(struct execution *execution, size_t i)
{
    return (char **)(void *)((char *)execution + owned[i]);
}

void execution_release(struct execution *execution)
{
    for (size_t i = 0; i < ARRAY_LEN(owned); i++)
        free(*owned_at(execution, i));
    *execution = (struct execution){0};
}

void execution_copy(const struct execution *from, struct execution *ret)
{
    *ret = *from;
    for (size_t i = 0; i < ARRAY_LEN(owned); i++) {
        char **text = owned_at(ret, i);
        *text = *text ? xstrdup(*text) : NULL;
    }
}

static void append_key(struct buf *out, const char *key)
{
    if (out->data[out->len - 1] != '{')
        buf_append_byte(out, ',');
    buf_append_byte(out, '"');
    buf_append_text(out, key);
    buf_append(out, "\":", 2);
}

static void append_text(struct buf *out, const char *key, const char *text)
{
    append_key(out, key);
    if (text)
        buf_append_json_string(out, str_of(text));
    else
        buf_append_text(out, "null");
}

static void append_number(struct buf *out, const char *key, bool known, int64_t number)
{
    append_key(out, key);
    if (known)
        buf_append_i64(out, number);
    else
        buf_append_text(out, "null");
}

static void append_flag(struct buf *out, const char *key, bool value)
{
    append_key(out, key);
    buf_append_text(out, value ? "true" : "false");
}

static void append_time(struct buf *out, const char *key, int64_t real_ms)
{
    char time[TIME_RFC3339_LEN + 1] = {0};
    if (real_ms != 0)
        time_format_rfc3339(real_ms, time);
    append_text(out, key, real_ms != 0 ? time : NULL);
}

static void append_json(struct buf *out, const char *key, const char *json)
{
    append_key(out, key);
    buf_append_text(out, json ? json : "null");
}

// False while it is not known: not started, or lost, when nobody can say whether it still runs.
static bool duration_of(const struct execution *execution, int64_t now_ms, int64_t *ret_ms)
{
    int64_t end = execution->completed_ms;
    if (execution->started_ms == 0)
        return false;
    if (end == 0) {
        if (execution->status == STATUS_LOST || status_terminal(execution->status))
            return false;
        end = now_ms;
    }
    *ret_ms = MAX(end - execution->started_ms, 0);
    return true;
}

static void append_runner(struct buf *out, const struct execution_live *live)
{
    append_key(out, "runner");
    if (!live || !live->known) {
        buf_append_text(out, "null");
        return;
    }
    buf_append_byte(out, '{');
    append_flag(out, "connected", live->runner_connected);
    append_number(out, "lag_records", live->has_lag, (int64_t)live->lag_records);
    buf_append_byte(out, '}');
}

static void append_digest(struct buf *out, const struct execution *execution)
{
    char digits[17];
    snprintf(digits, sizeof(digits), "%016" PRIx64, execution->digest);
    append_text(out, "digest", execution->next_sequence > 0 ? digits : NULL);
}

void execution_append_status_json(struct buf *out, const struct execution *execution, const struct execution_live *live,
                                  int64_t now_ms)
{
    int64_t duration_ms = 0;
    bool has_duration = duration_of(execution, now_ms, &duration_ms);

    buf_append_byte(out, '{');
    append_text(out, "execution_id", execution->execution_id);
    append_text(out, "status", status_word(execution->status));
    append_text(out, "script_filename", execution->script_filename);
    append_json(out, "command", execution->command_json);
    append_text(out, "runtime", execution->runtime);
    append_time(out, "created_at", execution->created_ms);
    append_time(out, "started_at", execution->started_ms);
    append_time(out, "completed_at", execution->completed_ms);
    append_number(out, "duration_seconds", has_duration, duration_ms / SECOND_MS);
    append_text(out, "worker_id", execution->worker_id);
    append_text(out, "worker_hostname", execution->worker_hostname);
    append_number(out, "exit_code", execution->has_exit_code, execution->exit_code);
    append_number(out, "cost_micros", false, 0);
    append_text(out, "cost_display", NULL);
    append_number(out, "artifacts_count", false, 0);

    append_flag(out, "sealed", execution->sealed);
    append_number(out, "last_index", true, (int64_t)execution->next_sequence);
    append_number(out, "first_sequence", true, (int64_t)execution->first_sequence);
    append_number(out, "duration_ms", has_duration, duration_ms);
    append_json(out, "metadata", execution->metadata_json);
    append_time(out, "expires_at", 0);
    append_runner(out, live);
    append_text(out, "workflow_id", execution->workflow_id);
    append_text(out, "batch_id", execution->batch_id);
    append_digest(out, execution);
    append_number(out, "restored_from", execution->restored_from != UINT64_MAX, (int64_t)execution->restored_from);
    buf_append_byte(out, '}');
}
