#include "model/execution.h"

#include "model/cost.h"
#include "model/demand.h"

#include <xxhash.h>

#define SECOND_MS 1000

// All owned strings, so that no copy or release forgets one.
static const size_t owned[] = {
    offsetof(struct execution, execution_id),
    offsetof(struct execution, owner),
    offsetof(struct execution, script_filename),
    offsetof(struct execution, runtime),
    offsetof(struct execution, worker_id),
    offsetof(struct execution, worker_hostname),
    offsetof(struct execution, workflow_id),
    offsetof(struct execution, batch_id),
    offsetof(struct execution, spec_json),
    offsetof(struct execution, metadata_json),
    offsetof(struct execution, cancel_reason),
    offsetof(struct execution, command_json),
    offsetof(struct execution, args_json),
    offsetof(struct execution, name),
    offsetof(struct execution, job.demand),
    offsetof(struct execution, job.retry_of),
    offsetof(struct execution, job.retried_as),
    offsetof(struct execution, job.reason),
    offsetof(struct execution, account_retention),
    offsetof(struct execution, details_json),
    offsetof(struct execution, result_json),
    offsetof(struct execution, job.secrets),
    offsetof(struct execution, image),
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

static void add_number(struct json_writer *json, const char *name, bool known, int64_t number)
{
    if (known)
        json_add_i64(json, name, number);
    else
        json_add_null(json, name);
}

// Returns false while the duration is not known: the job has not started, or it is lost and may still run.
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

static void add_runner(struct json_writer *json, const struct execution_live *live)
{
    if (!live || !live->known) {
        json_add_null(json, "runner");
        return;
    }
    json_open_object(json, "runner");
    json_add_bool(json, "connected", live->runner_connected);
    add_number(json, "lag_records", live->has_lag, (int64_t)live->lag_records);
    json_close(json);
}

static void add_digest(struct json_writer *json, const struct execution *execution)
{
    if (execution->next_sequence > 0 && !execution->digest_unknown)
        json_add_hex(json, "digest", execution->digest);
    else
        json_add_null(json, "digest");
}

// Of jobs: a worker's time is paid for. What runs is charged until now.
static void add_cost(struct json_writer *json, const struct execution *execution, bool has_duration,
                     int64_t duration_ms, const char *currency)
{
    CLEANUP(buf_release) struct buf display = {0};
    bool known = execution->job.is_job && (has_duration || execution->sealed || execution->status == STATUS_QUEUED);
    int64_t micros = has_duration ? cost_micros(duration_ms, execution->job.rate_micros) : 0;
    if (known)
        cost_append(&display, str_of(currency), micros);
    add_number(json, "cost_micros", known, micros);
    json_add_text(json, "cost_display", known ? buf_cstr(&display) : NULL);
}

// Of a job that is to be tried again only its queue knows that. A lost one may come back, but nobody else takes its
// place.
uint64_t execution_claim_mark(struct str key, uint64_t epoch)
{
    uint64_t mark = XXH3_64bits_withSeed(key.data, key.len, epoch);
    return mark ? mark : 1;
}

uint64_t execution_claimed_with(struct str key, uint64_t claim_mark, uint64_t epoch)
{
    return key.len > 0 && claim_mark == execution_claim_mark(key, epoch) ? epoch : 0;
}

bool execution_settled(const struct execution *execution)
{
    if (execution->job.is_job)
        return execution->job.state == JOB_LOST || execution->job.state == JOB_ENDED;
    return status_terminal(execution->status) || execution->status == STATUS_LOST;
}

// Their names, never their values.
static void add_secrets(struct json_writer *json, const struct job_view *job)
{
    struct str rest = str_of(job->secrets);
    if (!job->is_job) {
        json_add_null(json, "secrets");
        return;
    }
    json_open_array(json, "secrets");
    while (rest.len > 0)
        json_add_str(json, NULL, str_split(&rest, ' '));
    json_close(json);
}

// What runs it: the demand says so; what was just made has none yet.
static void add_executor(struct json_writer *json, const struct execution *execution)
{
    struct demand demand;
    bool is_job = execution->job.is_job;
    if (is_job && demand_parse(str_of(execution->job.demand), &demand))
        json_add_str(json, "executor", demand.executor);
    else
        json_add_text(json, "executor", !is_job ? NULL : execution->image ? "container" : "process");
    json_add_text(json, "image", execution->image);
}

// The members are null of what its own runner took.
static void add_job(struct json_writer *json, const struct job_view *job)
{
    add_number(json, "attempt", job->is_job, job->attempt);
    add_number(json, "retries", job->is_job, job->retries);
    json_add_text(json, "retry_of", job->retry_of);
    json_add_text(json, "retried_as", job->retried_as);
    json_add_text(json, "reason", job->reason);
    add_number(json, "priority", job->is_job, job->priority);
    add_number(json, "timeout_seconds", job->timeout_ms > 0, job->timeout_ms / SECOND_MS);
    json_add_time(json, "not_before", job->state == JOB_DELAYED ? job->not_before_ms : 0);
    add_secrets(json, job);
}

int64_t execution_expires_ms(const struct execution *execution, const struct retention *rules)
{
    struct retention retention = *rules;
    const struct retention_facts facts = {
        .status = execution->status,
        .sealed = execution->sealed,
        .purged = execution->purged,
        .pinned = execution->pinned,
        .sealed_ms = execution->sealed_ms,
        .own = execution->retention,
    };
    retention_parse(str_of(execution->account_retention), &retention); // it was checked when it was set
    return retention_expires_ms(&retention, &facts);
}

void execution_add_fields(struct json_writer *json, const struct execution *execution,
                          const struct execution_live *live, const struct execution_terms *terms, int64_t now_ms)
{
    int64_t duration_ms = 0;
    bool has_duration = duration_of(execution, now_ms, &duration_ms);

    json_add_text(json, "execution_id", execution->execution_id);
    json_add_text(json, "name", execution->name);
    json_add_text(json, "status", status_word(execution->status));
    json_add_text(json, "script_filename", execution->script_filename);
    json_add_raw(json, "command", str_of(execution->command_json));
    json_add_raw(json, "args", str_of(execution->args_json));
    json_add_text(json, "runtime", execution->runtime);
    json_add_time(json, "created_at", execution->created_ms);
    json_add_time(json, "started_at", execution->started_ms);
    json_add_time(json, "completed_at", execution->completed_ms);
    add_number(json, "duration_seconds", has_duration, duration_ms / SECOND_MS);
    json_add_text(json, "worker_id", execution->worker_id);
    json_add_text(json, "worker_hostname", execution->worker_hostname);
    add_number(json, "exit_code", execution->has_exit_code, execution->exit_code);
    add_cost(json, execution, has_duration, duration_ms, terms->currency);
    json_add_u64(json, "artifacts_count", execution->artifacts);

    json_add_bool(json, "sealed", execution->sealed);
    json_add_bool(json, "settled", execution_settled(execution));
    add_number(json, "last_index", true, (int64_t)execution->next_sequence);
    add_number(json, "first_sequence", true, (int64_t)execution->first_sequence);
    add_number(json, "duration_ms", has_duration, duration_ms);
    json_add_raw(json, "metadata", str_of(execution->metadata_json));
    json_add_time(json, "expires_at", execution_expires_ms(execution, terms->retention));
    add_runner(json, live);
    json_add_raw(json, "execution_metadata", str_of(execution->details_json));
    json_add_raw(json, "result", str_of(execution->result_json));
    json_add_text(json, "workflow_id", execution->workflow_id);
    json_add_text(json, "batch_id", execution->batch_id);
    json_add_text(json, "user_id", execution->owner);
    json_add_bool(json, "pinned", execution->pinned);
    json_add_u64(json, "artifacts_bytes", execution->artifact_bytes);
    add_digest(json, execution);
    if (execution->has_cut_digest && !execution->purged)
        json_add_hex(json, "cut_digest", execution->cut_digest);
    else
        json_add_null(json, "cut_digest");
    add_number(json, "restored_from", execution->restored_from != UINT64_MAX, (int64_t)execution->restored_from);
    add_executor(json, execution);
    add_job(json, &execution->job);
}

void execution_add_status(struct json_writer *json, const char *name, const struct execution *execution,
                          const struct execution_live *live, const struct execution_terms *terms, int64_t now_ms)
{
    json_open_object(json, name);
    execution_add_fields(json, execution, live, terms, now_ms);
    json_close(json);
}
