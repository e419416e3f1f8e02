#include "cli/log_reader.h"

#include "util/clock.h"
#include "util/id.h"

#include <poll.h>

#define READ_IDLE_MS   30000
#define RETRY_MAX_MS   5000
#define BROKEN_MAX     5
#define RETRY_FIRST_MS 250
#define CONNECT_MS     5000 // so that attempts are at most so far apart when packets get lost
#define LINE_MAX_BYTES ((size_t)8 * 1024 * 1024)
#define REPLACEMENT    "\xef\xbf\xbd"

int log_reader_init(struct log_reader *reader, struct cli *cli, struct log_printer *printer, const char *execution_id)
{
    *reader = (struct log_reader){
        .cli = cli, .printer = printer, .execution_id = execution_id, .filters = "", .position = "from=0"};
    const struct client_options *options = cli_server(cli);
    if (!options)
        return error_exit_code(ERR_INVALID);
    reader->options = *options;
    reader->options.connect_timeout_ms = CONNECT_MS;
    reader->parser = record_parser_new(0);
    int err = client_new(&reader->options, &reader->client);
    return err ? cli_fail(cli, err, "%s: %s", options->url, error_text(err)) : 0;
}

void log_reader_release(struct log_reader *reader)
{
    client_free(&reader->client);
    client_free(&reader->exact_client);
    record_parser_free(&reader->parser);
    chunk_stream_release(&reader->chunks);
    buf_release(&reader->line);
    log_waits_release(&reader->waits);
    chunk_unref(&reader->exact);
    free_ptr(&reader->status);
    buf_release(&reader->fatal_text);
    buf_release(&reader->refusal);
}

void log_reader_append_query(const struct log_reader *reader, struct buf *path)
{
    if (reader->printer->any)
        buf_printf(path, "&from=%llu", (unsigned long long)reader->printer->next);
    else
        buf_printf(path, "&%s", reader->position);
    buf_append_text(path, reader->filters);
    if (reader->incarnation[0])
        buf_printf(path, "&incarnation=%s", reader->incarnation);
}

static bool make_fatal(struct log_reader *reader, int err, const char *text)
{
    reader->fatal = err;
    buf_reset(&reader->fatal_text);
    buf_append_text(&reader->fatal_text, text && *text ? text : error_text(err));
    return false;
}

bool log_reader_error_is_final(int err)
{
    switch (err) {
    case ERR_UNAUTHORIZED:
    case ERR_TOKEN_EXPIRED:
    case ERR_FORBIDDEN:
    case ERR_SUSPENDED:
    case ERR_NOT_FOUND:
    case ERR_EXPIRED:
    case ERR_MALFORMED:
    case ERR_BAD_CURSOR:
    case ERR_INVALID:
    case ERR_CORRUPT:
    case ERR_WRONG_SERVER:
        return true;
    default:
        return false;
    }
}

// --- Exact bytes. In JSON, bytes that are not UTF-8 become U+FFFD. If a record has one, the stored form is fetched.

static bool take_exact(void *arg, uint64_t first, const struct chunk *chunk)
{
    struct log_reader *reader = arg;
    chunk_unref(&reader->exact);
    reader->exact = chunk_ref(chunk);
    reader->exact_first = first;
    return false;
}

static bool feed_exact(void *arg, struct str bytes)
{
    return chunk_stream_feed(arg, bytes) == 0;
}

static bool exact_covers(const struct log_reader *reader, uint64_t sequence_number)
{
    return reader->exact && sequence_number >= reader->exact_first &&
           sequence_number - reader->exact_first < chunk_count(reader->exact);
}

static bool fetch_exact(struct log_reader *reader, uint64_t sequence_number)
{
    if (exact_covers(reader, sequence_number))
        return true;
    if (!reader->exact_client && client_new(&reader->options, &reader->exact_client))
        return false;
    CLEANUP(free_ptr)
    char *path = xasprintf("/api/v1/executions/%s/logs?format=chunk&from=%llu", reader->execution_id,
                           (unsigned long long)sequence_number);
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(chunk_stream_release) struct chunk_stream stream = {.chunk = take_exact, .arg = reader};
    client_stream(reader->exact_client, path, NULL, feed_exact, &stream, READ_IDLE_MS, &response);
    return exact_covers(reader, sequence_number);
}

static bool needs_exact(const struct log_reader *reader, const struct record *record)
{
    return reader->printer->form != LOG_FORM_JSON && reader->printer->exact && record->message.len > 0 &&
           memmem(record->message.data, record->message.len, REPLACEMENT, sizeof(REPLACEMENT) - 1);
}

// --- Objects

struct object {
    struct log_reader *reader;
    struct str json; // the form that will be printed
};

static int take_record(void *arg, const struct record_input *input)
{
    const struct object *object = arg;
    struct log_reader *reader = object->reader;
    struct record record = input->record;
    if (!input->has_sequence_number)
        return ERR_MALFORMED;
    if (!log_printer_wants(reader->printer, input->sequence_number))
        return 0;
    if (needs_exact(reader, &record)) {
        // Without the exact bytes nothing may be printed. The attempt ends, and the next one begins with this record.
        if (!fetch_exact(reader, input->sequence_number))
            return ERR_CLOSED;
        chunk_record(reader->exact, (uint32_t)(input->sequence_number - reader->exact_first), &record);
    }
    reader->progress = true;
    log_printer_record(reader->printer, input->sequence_number, &record, object->json);
    return 0;
}

static void take_complete(struct log_reader *reader, const json_t *message)
{
    const json_t *exit_code = json_object_get(message, "exit_code");
    const char *status = json_string_value(json_object_get(message, "status"));
    reader->complete = true;
    reader->progress = true;
    free(reader->status);
    reader->status = xstrdup(status ? status : "completed");
    reader->has_exit_code = json_is_integer(exit_code);
    reader->job_exit_code = reader->has_exit_code ? (int)json_integer_value(exit_code) : 0;
}

static void say_gap(const struct log_reader *reader, uint64_t from, uint64_t to, const char *reason)
{
    CLEANUP(buf_release) struct buf text = {0};
    const char *several = from < to ? "s" : "";
    buf_printf(&text, "record%s %llu", several, (unsigned long long)from);
    if (from < to)
        buf_printf(&text, " to %llu", (unsigned long long)to);
    if (strcmp(reason, "retention") == 0)
        buf_printf(&text, " %s removed by retention", from < to ? "were" : "was");
    else
        buf_printf(&text, " %s missing: %s", from < to ? "are" : "is", reason);
    log_reader_say(reader, buf_cstr(&text));
}

static void take_gap(struct log_reader *reader, const json_t *message)
{
    uint64_t from = (uint64_t)json_integer_value(json_object_get(message, "from"));
    uint64_t to = (uint64_t)json_integer_value(json_object_get(message, "to"));
    const char *reason = json_string_value(json_object_get(message, "reason"));
    say_gap(reader, from, to, reason ? reason : "no reason given");
    reader->progress = true;
    if (reason && strcmp(reason, "restored") == 0) {
        // The store has less than was printed. Records that it numbers from here on are new.
        reader->printer->next = from;
        reader->printer->any = true;
    } else {
        log_printer_moved(reader->printer, to + 1);
    }
}

static bool take_error(struct log_reader *reader, const json_t *message)
{
    const char *code = json_string_value(json_object_get(message, "code"));
    const char *text = json_string_value(json_object_get(message, "error"));
    int err = code ? error_from_word(code, strlen(code)) : ERR_INTERNAL;
    return log_reader_error_is_final(err) ? make_fatal(reader, err, text) : false;
}

static bool take_control(struct log_reader *reader, struct str json)
{
    CLEANUP(json_free) json_t *message = json_loadb(json.data, json.len, 0, NULL);
    const char *type = json_string_value(json_object_get(message, "type"));
    const json_t *number = json_object_get(message, "sequence_number");
    if (!type)
        return false;
    if (strcmp(type, "position") == 0 && json_is_integer(number)) {
        if (json_integer_value(number) >= 0)
            log_printer_moved(reader->printer, (uint64_t)json_integer_value(number) + 1);
    } else if (strcmp(type, "complete") == 0) {
        take_complete(reader, message);
        return false;
    } else if (strcmp(type, "gap") == 0) {
        take_gap(reader, message);
    } else if (strcmp(type, "state") == 0) {
        log_reader_take_state(reader, json_string_value(json_object_get(message, "status")),
                              json_object_get(message, "runner_connected"));
        return !reader->gave_up;
    } else if (strcmp(type, "error") == 0) {
        return take_error(reader, message);
    }
    return true;
}

// Not earlier: if the connection breaks before, the position must stay as it was.
static void take_incarnation(struct log_reader *reader)
{
    memcpy(reader->incarnation, reader->answering, sizeof(reader->incarnation));
}

bool log_reader_object(struct log_reader *reader, struct str json)
{
    static const char type_log[] = "{\"type\":\"log\",";
    static const char type_any[] = "{\"type\":";
    CLEANUP(buf_release) struct buf plain = {0};
    struct object object = {.reader = reader, .json = json};
    take_incarnation(reader);
    if (str_starts(json, STR(type_log))) {
        if (reader->printer->form == LOG_FORM_JSON) {
            buf_append_byte(&plain, '{');
            buf_append(&plain, json.data + sizeof(type_log) - 1, json.len - (sizeof(type_log) - 1));
            object.json = buf_str(&plain);
        }
    } else if (str_starts(json, STR(type_any))) {
        return take_control(reader, json);
    }
    struct record_problem problem = {0};
    return record_parse(reader->parser, json, take_record, &object, &problem) == 0 &&
           !log_printer_ended(reader->printer);
}

// --- One request

struct pass {
    struct log_reader *reader;
    struct client_response response;
    bool stopped; // stopped by what has come, and not by the printer
    bool chunks, follow;
};

static bool take_lines(struct log_reader *reader, struct str bytes)
{
    while (bytes.len > 0) {
        const char *newline = str_find(bytes, '\n');
        size_t len = newline ? (size_t)(newline - bytes.data) : bytes.len;
        if (!newline || reader->line.len > 0)
            buf_append(&reader->line, bytes.data, len);
        if (!newline)
            return reader->line.len <= LINE_MAX_BYTES;
        struct str line = reader->line.len > 0 ? buf_str(&reader->line) : str_n(bytes.data, len);
        bool go_on = line.len == 0 || log_reader_object(reader, line);
        buf_reset(&reader->line);
        if (!go_on)
            return false;
        bytes = str_n(bytes.data + len + 1, bytes.len - len - 1);
    }
    return true;
}

static bool take_bytes(void *arg, struct str bytes)
{
    struct pass *pass = arg;
    struct log_reader *reader = pass->reader;
    reader->reached = true;
    buf_reset(&reader->refusal);
    if (pass->response.incarnation[0])
        memcpy(reader->answering, pass->response.incarnation, sizeof(reader->answering));
    bool go_on = pass->chunks ? chunk_stream_feed(&reader->chunks, bytes) == 0 : take_lines(reader, bytes);
    log_printer_flush(reader->printer);
    if (pass->follow && go_on)
        log_waits_look(reader);
    pass->stopped = !go_on;
    return go_on && !log_printer_ended(reader->printer);
}

static bool print_chunk(void *arg, uint64_t first, const struct chunk *chunk)
{
    struct log_reader *reader = arg;
    struct log_printer *printer = reader->printer;
    reader->progress = true;
    take_incarnation(reader);
    if (printer->any && first < printer->next) {
        // Chunks follow each other without gaps, so the store has gone back.
        say_gap(reader, first, printer->next - 1, "restored");
        printer->next = first;
    }
    for (uint32_t i = 0; i < chunk_count(chunk) && !log_printer_ended(printer); i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        log_printer_record(printer, first + i, &record, str_n(NULL, 0));
    }
    return !log_printer_ended(printer);
}

static void chunks_message(void *arg, struct str json)
{
    take_incarnation(arg);
    take_control(arg, json);
}

bool log_reader_is_ours(const struct client_response *response)
{
    return response->body.len > 0 && memmem(response->body.data, response->body.len, "\"error\":{", 9);
}

// Takes an answer that is not 2xx.
static void take_refusal(struct log_reader *reader, const struct client_response *response, bool follow)
{
    CLEANUP(buf_release) struct buf text = {0};
    int err = client_response_error(response, &text);
    bool ours = log_reader_is_ours(response);
    // Something on the way may refuse long answers only. The short ones will tell.
    reader->foreign = !ours && follow;
    if (log_reader_error_is_final(err) && !reader->foreign) {
        make_fatal(reader, err, buf_cstr(&text));
        return;
    }
    reader->reached = true;
    buf_reset(&reader->refusal);
    buf_append_str(&reader->refusal, buf_str(&text));
}

enum log_pass log_reader_pass(struct log_reader *reader, const char *format, bool follow, uint64_t idle_ms)
{
    CLEANUP(buf_release) struct buf path = {0};
    struct pass pass = {.reader = reader, .chunks = strcmp(format, "chunk") == 0, .follow = follow};
    buf_printf(&path, "/api/v1/executions/%s/logs?format=%s", reader->execution_id, format);
    if (follow)
        buf_append_text(&path, "&follow=true&states=true");
    log_reader_append_query(reader, &path);
    buf_reset(&reader->line);
    chunk_stream_release(&reader->chunks);
    reader->chunks = (struct chunk_stream){.chunk = print_chunk, .message = chunks_message, .arg = reader};
    reader->progress = reader->foreign = false;
    int err = client_stream(reader->client, buf_cstr(&path), NULL, take_bytes, &pass, idle_ms, &pass.response);
    reader->broke_off = err == ERR_CLOSED;
    log_printer_flush(reader->printer);

    enum log_pass result = LOG_PASS_CUT;
    if (err == 0 && (pass.response.status < 200 || pass.response.status >= 300)) {
        take_refusal(reader, &pass.response, follow);
    } else if (err == 0 && !pass.stopped) {
        reader->reached = true;
        // Half a frame or half a line at the end means that the answer was cut.
        result = reader->chunks.buf.len == 0 && reader->line.len == 0 ? LOG_PASS_WHOLE : LOG_PASS_CUT;
    } else if ((err == ERR_UNREACHABLE && !reader->reached) || (err && err != ERR_CLOSED && err != ERR_UNREACHABLE)) {
        CLEANUP(free_ptr) char *text = xasprintf("%s: %s", reader->options.url, client_cause(&pass.response, err));
        make_fatal(reader, err, text);
    }
    client_response_release(&pass.response);
    return reader->fatal || reader->complete || log_printer_ended(reader->printer) ? LOG_PASS_STOP : result;
}

// `ret_end` is the status of a log that is sealed, else NULL; the caller frees it.
static enum log_pass ask_status(struct log_reader *reader, json_t **ret_end)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/status", reader->execution_id);
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(json_free) json_t *status = NULL;
    if (client_request(reader->client, "GET", path, str_n(NULL, 0), NULL, &response))
        return LOG_PASS_CUT;
    if (response.status != 200) {
        CLEANUP(buf_release) struct buf text = {0};
        int err = client_response_error(&response, &text);
        if (!log_reader_error_is_final(err))
            return LOG_PASS_CUT;
        make_fatal(reader, err, buf_cstr(&text));
        return LOG_PASS_STOP;
    }
    status = json_loadb(response.body.data, response.body.len, 0, NULL);
    const json_t *runner = json_object_get(status, "runner");
    if (json_is_object(runner))
        log_reader_take_state(reader, json_string_value(json_object_get(status, "status")),
                              json_object_get(runner, "connected"));
    log_waits_take(reader, status);
    if (json_is_true(json_object_get(status, "sealed")))
        *ret_end = TAKE_PTR(status);
    return LOG_PASS_WHOLE;
}

enum log_pass log_reader_poll(struct log_reader *reader, uint64_t idle_ms)
{
    CLEANUP(json_free) json_t *end = NULL;
    bool progress = false;
    for (;;) {
        enum log_pass pass = log_reader_pass(reader, "ndjson", false, idle_ms);
        progress |= reader->progress;
        if (pass == LOG_PASS_WHOLE && end) {
            take_complete(reader, end);
            return LOG_PASS_STOP;
        }
        if (pass == LOG_PASS_WHOLE && !end)
            pass = ask_status(reader, &end);
        reader->progress = progress;
        if (pass != LOG_PASS_WHOLE || !end)
            return pass;
        // The last lines may have come after those that were read, and before the seal.
    }
}

// --- Waiting

bool log_reader_until_passed(const struct log_reader *reader)
{
    return reader->has_until && clock_real_ms() > reader->until_ms;
}

uint64_t log_reader_wait_most(const struct log_reader *reader, uint64_t ms)
{
    int64_t left = reader->until_ms - clock_real_ms() + 1;
    return reader->has_until && left < (int64_t)ms ? (uint64_t)MAX(left, (int64_t)0) : ms;
}

bool log_reader_wait(struct log_reader *reader, uint64_t ms)
{
    uint64_t until = clock_mono_ms() + log_reader_wait_most(reader, ms);
    log_printer_flush(reader->printer);
    for (uint64_t now = clock_mono_ms(); now < until; now = clock_mono_ms()) {
        struct pollfd watched = {.fd = reader->printer->out.fd};
        if (poll(&watched, 1, (int)(until - now)) > 0 && watched.revents & (POLLERR | POLLNVAL)) {
            reader->printer->out.closed = true;
            return false;
        }
    }
    return !log_printer_ended(reader->printer);
}

bool log_reader_wait_retry(struct log_reader *reader, bool notice)
{
    if (notice && !reader->lost_told) {
        reader->lost_told = true;
        log_printer_flush(reader->printer);
        if (reader->refusal.len > 0)
            fprintf(stderr, "runnel: the server cannot serve now (%s); trying again\n", buf_cstr(&reader->refusal));
        else
            log_reader_say(reader, "connection lost; reconnecting");
    }
    uint64_t most = RETRY_FIRST_MS;
    for (unsigned i = 1; i < reader->failures && most < RETRY_MAX_MS; i++)
        most *= 2;
    most = MIN(most, (uint64_t)RETRY_MAX_MS);
    uint64_t wait = reader->failures == 0 ? 0 : most / 2 + random_u64() % (most / 2 + 1);
    reader->failures++;
    return log_reader_wait(reader, wait);
}

int log_reader_read(struct log_reader *reader)
{
    const char *format = *reader->filters == '\0' && reader->printer->form != LOG_FORM_JSON ? "chunk" : "ndjson";
    for (unsigned broken = 0;;) {
        enum log_pass pass = log_reader_pass(reader, format, false, READ_IDLE_MS);
        if (pass != LOG_PASS_CUT)
            break;
        // A server that is away may come back. A server that breaks off at the same record each time will not give
        // more.
        broken = reader->progress ? 0 : broken + reader->broke_off;
        if (broken > BROKEN_MAX) {
            make_fatal(reader, ERR_CORRUPT, "the server breaks off in the middle of the log; its own log says why");
            break;
        }
        if (reader->progress) {
            reader->failures = 0;
            reader->lost_told = false;
        }
        if (!log_reader_wait_retry(reader, true))
            break;
    }
    return reader->fatal ? cli_fail(reader->cli, reader->fatal, "%s", buf_cstr(&reader->fatal_text)) : 0;
}
