// The status of a batch, as the contract has it.
#include "api/jobs/jobs.h"
#include "model/cost.h"
#include "model/title.h"

#define SECOND_MS 1000

static void add_seconds(struct json_writer *json, const char *name, bool known, int64_t ms)
{
    if (known)
        json_add_i64(json, name, (ms + SECOND_MS / 2) / SECOND_MS);
    else
        json_add_null(json, name);
}

static void add_counts(struct json_writer *json, const struct batch_counts *counts)
{
    json_add_u64(json, "total_count", batch_total(counts));
    json_add_u64(json, "completed_count", counts->of[STATUS_COMPLETED]);
    json_add_u64(json, "failed_count", batch_failed(counts));
    json_add_u64(json, "running_count", batch_running(counts));
    json_add_u64(json, "queued_count", counts->of[STATUS_QUEUED]);
    json_add_u64(json, "skipped_count", counts->of[STATUS_SKIPPED]);
    json_open_object(json, "counts");
    for (enum execution_status status = 0; status < STATUS_COUNT; status++)
        json_add_u64(json, status_word(status), counts->of[status]);
    json_close(json);
}

// Of all attempts, with what runs, until now. The whole is rounded up, not each job.
static int64_t cost_of(const struct batch *batch, int64_t now_ms)
{
    const struct batch_counts *counts = &batch->counts;
    int64_t running_ms = (int64_t)batch_running(counts) * now_ms - counts->running_started_sum;
    return cost_micros(counts->ended_ms_sum + MAX(running_ms, (int64_t)0), batch->rate_micros);
}

static void add_times(struct json_writer *json, const struct batch *batch, bool over, int64_t now_ms)
{
    const struct batch_counts *counts = &batch->counts;
    int64_t eta_ms = batch_eta_ms(counts, &batch->limits, now_ms);
    int64_t end_ms = over ? counts->last_ended_ms : now_ms;
    json_add_time(json, "created_at", batch->created_ms);
    json_add_time(json, "started_at", counts->first_started_ms);
    json_add_time(json, "completed_at", over ? counts->last_ended_ms : 0);
    add_seconds(json, "duration_seconds", counts->first_started_ms > 0,
                MAX(end_ms - counts->first_started_ms, (int64_t)0));
    add_seconds(json, "eta_seconds", eta_ms >= 0, eta_ms);
}

char *batch_title(const struct execution *execution)
{
    struct buf title = {0};
    json_t *command = execution->command_json ? json_loads(execution->command_json, 0, NULL) : NULL;
    json_t *args = execution->args_json ? json_loads(execution->args_json, 0, NULL) : NULL;
    title_append(&title, &(struct title_parts){execution->name, execution->script_filename, command, args});
    json_decref(command);
    json_decref(args);
    if (title.len > 0)
        return buf_take(&title);
    buf_release(&title);
    return NULL;
}

static void add_failure(struct json_writer *json, const struct execution *execution)
{
    CLEANUP(free_ptr) char *title = batch_title(execution);
    json_open_object(json, NULL);
    json_add_text(json, "execution_id", execution->execution_id);
    json_add_text(json, "title", title);
    json_add_text(json, "status", status_word(execution->status));
    if (execution->has_exit_code)
        json_add_i64(json, "exit_code", execution->exit_code);
    else
        json_add_null(json, "exit_code");
    json_add_text(json, "reason", execution->job.reason);
    json_add_time(json, "completed_at", execution->completed_ms);
    json_close(json);
}

void batch_add_status(struct json_writer *json, const char *name, const struct batch *batch, const char *currency,
                      const struct store_batch_failures *failures, int64_t now_ms)
{
    CLEANUP(buf_release) struct buf display = {0};
    enum batch_status status = batch_stands(batch);
    bool over = batch_status_over(status);
    int64_t cost = cost_of(batch, now_ms);

    json_open_object(json, name);
    json_add_text(json, "batch_id", batch->batch_id);
    json_add_text(json, "name", batch->name);
    json_add_text(json, "status", batch_status_word(status));
    add_counts(json, &batch->counts);
    add_times(json, batch, over, now_ms);
    cost_append(&display, str_of(currency), cost);
    json_add_i64(json, "cost_micros", cost);
    json_add_text(json, "cost_display", buf_cstr(&display));
    json_add_bool(json, "open", batch->open);
    json_add_bool(json, "stopped", batch->stopped);
    json_add_raw(json, "metadata", str_of(batch->metadata_json));
    json_add_text(json, "retention", batch->retention);
    json_add_bool(json, "pin", batch->pinned);
    if (failures) {
        json_open_array(json, "failures");
        for (size_t i = 0; i < failures->ret_count; i++)
            add_failure(json, &failures->ret_executions[i]);
        json_close(json);
    }
    json_close(json);
}
