// The blocking parts of a delivery.
#include "runner/delivery_private.h"
#include "util/clock.h"

#include <unistd.h>

#define READ_CHUNKS_MAX 256

static void append_query_value(struct buf *out, const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool plain = (*at >= '0' && *at <= '9') || (*at >= 'A' && *at <= 'Z') || (*at >= 'a' && *at <= 'z') ||
                     (*at < 0x80 && strchr("-._~", *at));
        if (plain)
            buf_append_byte(out, (char)*at);
        else
            buf_printf(out, "%%%02X", *at);
    }
}

static char *make_path(const struct delivery_options *options)
{
    char host[256] = "";
    CLEANUP(buf_release) struct buf path = {0};
    if (gethostname(host, sizeof(host) - 1) < 0)
        host[0] = 0;
    buf_printf(&path, "/ws/runner/executions/%s/stream?producer=", options->run->execution_id);
    append_query_value(&path, options->producer ? options->producer : options->run->producer);
    buf_printf(&path, "&chunk_versions=%d&at=%llu", CHUNK_VERSION, (unsigned long long)clock_boot_ms());
    if (host[0]) {
        buf_append_text(&path, "&worker=");
        append_query_value(&path, host);
    }
    if (options->run->epoch)
        buf_printf(&path, "&epoch=%llu", (unsigned long long)options->run->epoch);
    if (options->run->epoch && options->run->incarnation[0]) {
        buf_append_text(&path, "&incarnation=");
        append_query_value(&path, options->run->incarnation);
    }
    return buf_take(&path);
}

static char *make_body(const struct run_file *run, bool with_time)
{
    CLEANUP(buf_release) struct buf body = {0};
    buf_printf(&body, "{\"execution_id\":\"%s\"", run->execution_id);
    if (run->command_json)
        buf_printf(&body, ",\"command\":%s", run->command_json);
    if (run->script_filename) {
        buf_append_text(&body, ",\"script_filename\":");
        buf_append_json_string(&body, str_of(run->script_filename));
    }
    if (run->metadata_json)
        buf_printf(&body, ",\"metadata\":%s", run->metadata_json);
    if (with_time) {
        char time[TIME_RFC3339_LEN + 1] = {0};
        time_format_rfc3339(run->started_ms, time);
        buf_printf(&body, ",\"started_at\":\"%s\"", time);
    }
    buf_append_text(&body, ",\"queue\":false}");
    return buf_take(&body);
}

struct connect_job *connect_job_new(const struct delivery_options *options)
{
    struct connect_job *job = xcalloc(1, sizeof(*job));
    job->server = *options->server;
    job->server.abort = &job->abort;
    job->path = make_path(options);
    job->registered = options->run->registered;
    job->existed = options->run->existed;
    job->idempotency_header = xasprintf("Idempotency-Key: %s", options->run->producer);
    if (!job->registered) {
        bool has_time = options->run->started_ms > 0;
        job->body = make_body(options->run, has_time);
        job->timeless_body = has_time ? make_body(options->run, false) : NULL;
    }
    return job;
}

void connect_job_free(struct connect_job **job_ptr)
{
    struct connect_job *job = TAKE_PTR(*job_ptr);
    if (!job)
        return;
    client_ws_close(&job->ws, 1001);
    buf_release(&job->text);
    free(job->path);
    free(job->body);
    free(job->timeless_body);
    free(job->idempotency_header);
    free(job);
}

// A proxy that finds no server behind it gives an answer, too.
static void note_reached(struct connect_job *job, int err, const struct client_response *response)
{
    bool answered = response->status > 0 && response->status != 502 && response->status != 504;
    job->reached |= answered || err == ERR_TOO_LARGE || err == ERR_MALFORMED;
}

// Returns 0 if there is an answer.
static int post_run(struct connect_job *job, const char *body, struct client_response *ret)
{
    CLEANUP(client_free) struct client *client = NULL;
    int err = client_new(&job->server, &client);
    if (err == 0)
        err = client_request(client, "POST", "/api/v1/executions", str_of(body), job->idempotency_header, ret);
    if (err < 0) {
        buf_append_text(&job->text, client_cause(ret, err));
        job->refused = err == ERR_INVALID || err == ERR_WRONG_SERVER; // a retry would end in the same way
    }
    note_reached(job, err, ret);
    return err;
}

// An answer that no Runnel server wrote (the page of a proxy, or of a network that wants a login) may be temporary.
// That no connection can be made, because the certificate is not trusted for example, is not.
static int answer_error(const struct client_response *response, struct buf *ret_text)
{
    int err = client_response_error(response, ret_text);
    return err == ERR_WRONG_SERVER ? ERR_UNAVAILABLE : err;
}

static int register_run(struct connect_job *job)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    int err = post_run(job, job->body, &response);
    if (err < 0)
        return err;
    err = answer_error(&response, &job->text);
    if ((err == ERR_INVALID || err == ERR_IDEMPOTENCY) && job->timeless_body) {
        // A clock ahead of the server's must not cost the log. The execution is registered without its start time, or
        // it already has been.
        buf_reset(&job->text);
        client_response_release(&response);
        err = post_run(job, job->timeless_body, &response);
        if (err < 0)
            return err;
        err = answer_error(&response, &job->text);
    }
    // If it exists already, that is fine. The socket will show whether we may have it.
    job->existed = err == ERR_CONFLICT;
    if (err < 0 && !job->existed) {
        job->refused = true;
        return err;
    }
    buf_reset(&job->text);
    job->registered = true;
    return 0;
}

void connect_job_work(struct job *work)
{
    struct connect_job *job = CONTAINER_OF(work, struct connect_job, job);
    CLEANUP(client_response_release) struct client_response response = {0};
    bool registers = !job->registered;
    if (registers && (job->err = register_run(job)) < 0)
        return;
    job->err = client_ws_open(&job->server, job->path, job->idempotency_header, &response, &job->ws);
    note_reached(job, job->err, &response);
    if (job->err == 0)
        return;
    bool answered = response.status > 0;
    job->refused = answered || job->err == ERR_WRONG_SERVER;
    if (answered)
        job->err = answer_error(&response, &job->text);
    if (response.cause.len > 0 || job->text.len == 0) {
        buf_reset(&job->text);
        buf_append_text(&job->text, client_cause(&response, job->err));
    }
    if (job->err == 0) // a 2xx, which is not a WebSocket
        job->err = ERR_UNAVAILABLE;
    if (job->err != ERR_NOT_FOUND)
        return;
    if (registers && job->existed)
        job->err = ERR_CONFLICT; // it exists, but this credential may not see it
    else
        job->registered = false; // the store was restored from a backup that is older than the registration
}

typedef int spool_source(struct spool *spool, uint64_t counter, uint64_t *ret_first, struct chunk **ret);

// Returns the chunk that covers `from`. While chunks are small, those after it that begin before `to` are merged with
// it.
static int gather(struct spool *spool, spool_source *source, uint64_t from, uint64_t to, size_t raw_max,
                  uint64_t *ret_first, struct chunk **ret)
{
    struct chunk *chunks[READ_CHUNKS_MAX];
    int err = source(spool, from, ret_first, &chunks[0]);
    if (err < 0)
        return err;
    size_t count = 1;
    size_t raw = chunk_raw(chunks[0]);
    uint64_t next = *ret_first + chunk_count(chunks[0]);
    while (count < READ_CHUNKS_MAX && raw < raw_max && next < to) {
        uint64_t first;
        if (source(spool, next, &first, &chunks[count]) < 0)
            break;
        uint64_t end = next + chunk_count(chunks[count]);
        // Short lines reach the limit of records before the limit of bytes.
        if (first != next || raw + chunk_raw(chunks[count]) > raw_max || end - *ret_first > CHUNK_COUNT_MAX) {
            chunk_unref(&chunks[count]);
            break;
        }
        raw += chunk_raw(chunks[count++]);
        next = end;
    }
    err = chunk_merge(chunks, count, 1, ret);
    for (size_t i = 0; i < count; i++)
        chunk_unref(&chunks[i]);
    return err;
}

int delivery_gather_cached(struct spool *spool, uint64_t from, uint64_t to, uint64_t *ret_first, struct chunk **ret)
{
    return gather(spool, spool_cached, from, to, GATHER_BYTES, ret_first, ret);
}

void read_job_work(struct job *work)
{
    struct read_job *job = CONTAINER_OF(work, struct read_job, job);
    job->err = gather(job->spool, spool_read, job->from, UINT64_MAX, CHUNK_MERGE_RAW, &job->first, &job->chunk);
}
