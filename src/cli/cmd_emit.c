// `emit`: writes into a log. Within a job by the socket of its runner, without a credential; else by the server.
#include "cli/cli_private.h"
#include "model/foreign_json.h"
#include "util/id.h"
#include "util/unix_path.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_STEP   ((size_t)64 * 1024)
#define ANSWER_MAX  ((size_t)64 * 1024)
#define TEXT_MAX    ((size_t)128 * 1024) // of one record; escaped, it still fits into a line of the socket
#define RECORDS_MAX ((size_t)128 * 1024) // of those that are sent together
#define NO_ANSWER   "the runner ended before it answered; whether it was recorded is not known"

// What a flag becomes in the record.
static const struct emitted {
    const char *option, *member;
    bool text; // else the value is JSON
} emitted[] = {
    {"level", "level", true},
    {"stream", "stream", true},
    {"event-type", "event_type", true},
    {"category", "category", true},
    {"node", "node_id", true},
    {"node-name", "node_name", true},
    {"node-type", "node_type", true},
    {"progress", "progress_percentage", false},
    {"duration", "duration_seconds", false},
    {"priority", "display_priority", false},
    {"friendly", "user_friendly_message", true},
    {"stack-trace", "stack_trace", true},
    {"producer", "producer", true},
    {"time", "timestamp", true},
    {"data", "data", false},
    {"details", "technical_details", false},
    {"metrics", "performance_metrics", false},
};

struct emit {
    struct cli *cli;
    struct client *client; // NULL: by the socket
    const char *id;        // of the execution, for the server
    int fd;                // of the socket; -1: by the server
    bool ndjson;           // standard input has records, not texts
    struct buf members;    // of each record: `"level":"INFO",` …
    struct buf records;    // an array, which is sent as a whole
    size_t count;
    struct buf heard; // from the socket
};

static void emit_release(struct emit *emit)
{
    close_fd(&emit->fd);
    client_free(&emit->client);
    buf_release(&emit->members);
    buf_release(&emit->records);
    buf_release(&emit->heard);
}

// --- What every record has

// In JSON a newline can only stand between values.
static void append_on_one_line(struct buf *out, const char *json)
{
    for (; *json; json++)
        buf_append_byte(out, *json == '\n' || *json == '\r' ? ' ' : *json);
}

static bool wants_json(const struct emitted *what)
{
    static const char *const options[] = {"data", "details", "metrics"};
    for (size_t i = 0; i < ARRAY_LEN(options); i++)
        if (strcmp(what->option, options[i]) == 0)
            return true;
    return false;
}

static int add_member(struct emit *emit, const struct emitted *what)
{
    const char *value = cli_value(emit->cli, what->option);
    if (!value)
        return 0;
    if (!utf8_valid(value, strlen(value)))
        return cli_usage_error(emit->cli, "--%s is not UTF-8", what->option);
    buf_printf(&emit->members, "\"%s\":", what->member);
    if (what->text) {
        buf_append_json_string(&emit->members, str_of(value));
    } else {
        json_error_t error;
        CLEANUP(json_free) json_t *json = json_loads(value, JSON_DECODE_ANY | JSON_DECODE_INT_AS_REAL, &error);
        if (!json)
            return cli_usage_error(emit->cli, "--%s wants %s, not \"%s\": %s", what->option,
                                   wants_json(what) ? "JSON" : "a number", value, error.text);
        append_on_one_line(&emit->members, value);
    }
    buf_append_byte(&emit->members, ',');
    return 0;
}

// N/M
static int add_step(struct emit *emit)
{
    const char *value = cli_value(emit->cli, "step");
    struct str rest = str_of(value), number = str_split(&rest, '/');
    uint64_t step, total;
    if (!value)
        return 0;
    if (!str_to_u64(number, &step) || !str_to_u64(rest, &total))
        return cli_usage_error(emit->cli, "--step wants N/M, such as 2/5, not \"%s\"", value);
    buf_printf(&emit->members, "\"step_number\":%llu,\"total_steps\":%llu,", (unsigned long long)step,
               (unsigned long long)total);
    return 0;
}

static int add_members(struct emit *emit)
{
    int code = 0;
    for (size_t i = 0; i < ARRAY_LEN(emitted) && code == 0; i++)
        code = add_member(emit, &emitted[i]);
    if (cli_flag(emit->cli, "milestone"))
        buf_append_text(&emit->members, "\"is_milestone\":true,");
    if (cli_flag(emit->cli, "continues"))
        buf_append_text(&emit->members, "\"continues\":true,");
    return code ? code : add_step(emit);
}

// --- By the socket

static int connect_socket(struct emit *emit, const char *path)
{
    CLEANUP(unix_path_release) struct unix_path found = {.dir_fd = -1};
    int err = unix_path_find(path, &found);
    if (err == 0)
        emit->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (err == 0 && (emit->fd < 0 || connect(emit->fd, (struct sockaddr *)&found.address, sizeof(found.address)) < 0))
        err = -errno;
    if (err < 0)
        return cli_fail(emit->cli, ERR_UNREACHABLE, "RUNNEL_SOCKET: %s: %s; has the job's runner ended?", path,
                        error_text(err));
    return 0;
}

static bool send_all(int fd, struct str text)
{
    while (text.len > 0) {
        ssize_t put = send(fd, text.data, text.len, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR)
            continue;
        if (put <= 0)
            return false;
        text = str_n(text.data + put, text.len - (size_t)put);
    }
    return true;
}

// One line. False at the end of the connection.
static bool hear_line(struct emit *emit, struct str *ret)
{
    buf_reset(&emit->heard);
    while (!emit->heard.data || !memchr(emit->heard.data, '\n', emit->heard.len)) {
        buf_reserve(&emit->heard, READ_STEP);
        ssize_t got = recv(emit->fd, emit->heard.data + emit->heard.len, READ_STEP, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0 || emit->heard.len > ANSWER_MAX)
            return false;
        emit->heard.len += (size_t)got;
    }
    struct str rest = buf_str(&emit->heard);
    *ret = str_split(&rest, '\n');
    return true;
}

static int judge_answer(struct emit *emit, struct str answer)
{
    CLEANUP(json_free) json_t *json = json_loadb(answer.data, answer.len, 0, NULL);
    const json_t *error = json_object_get(json, "error");
    if (json_is_true(json_object_get(json, "ok")))
        return 0;
    const char *word = json_string_value(json_object_get(error, "code"));
    const char *text = json_string_value(json_object_get(error, "message"));
    int err = word ? error_from_word(word, strlen(word)) : ERR_MALFORMED;
    return cli_fail(emit->cli, err, "the runner does not take it: %s", text ? text : error_text(err));
}

static int send_to_runner(struct emit *emit)
{
    struct str answer;
    buf_append_byte(&emit->records, '\n');
    if (!send_all(emit->fd, buf_str(&emit->records)) || !hear_line(emit, &answer))
        return cli_fail(emit->cli, ERR_CLOSED, NO_ANSWER);
    return judge_answer(emit, answer);
}

// --- By the server

static int send_to_server(struct emit *emit)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/logs", emit->id);
    return cli_call(emit->cli, emit->client, "POST", path, buf_str(&emit->records), &response);
}

// --- Records

static int send_records(struct emit *emit)
{
    if (emit->count == 0)
        return 0;
    if (emit->count > 1)
        buf_append_byte(&emit->records, ']');
    else
        emit->records.data[0] = ' '; // alone it is no array, and what is said of it names no place in one
    int code = emit->fd >= 0 ? send_to_runner(emit) : send_to_server(emit);
    buf_reset(&emit->records);
    emit->count = 0;
    return code;
}

static void begin_record(struct emit *emit)
{
    buf_append_text(&emit->records, emit->count++ == 0 ? "[{" : ",{");
    buf_append_str(&emit->records, buf_str(&emit->members));
}

static void add_record(struct emit *emit, struct str message)
{
    begin_record(emit);
    buf_append_text(&emit->records, "\"message\":");
    buf_append_json_string(&emit->records, message);
    buf_append_byte(&emit->records, '}');
}

// A line that is a record by itself: its members come before those of the flags.
static int add_json(struct emit *emit, struct str line)
{
    json_error_t error;
    if (str_trim(line).len == 0)
        return 0;
    CLEANUP(json_free) json_t *given = foreign_json_load(line, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(given))
        return cli_fail(emit->cli, ERR_MALFORMED, "standard input: a line is no JSON object: %s",
                        given ? "it is another value" : error.text);
    CLEANUP(buf_release) struct buf flags = {0};
    buf_append_byte(&flags, '{');
    buf_append(&flags, emit->members.data, emit->members.len - (emit->members.len > 0));
    buf_append_byte(&flags, '}');
    CLEANUP(json_free) json_t *usual = json_loadb(flags.data, flags.len, 0, NULL);
    json_object_update_missing(given, usual);
    CLEANUP(free_ptr) char *text = json_dumps(given, JSON_COMPACT | JSON_SORT_KEYS);
    buf_append_text(&emit->records, emit->count++ == 0 ? "[" : ",");
    buf_append_text(&emit->records, text ? text : "{}");
    return 0;
}

// Whole lines that have come; at the end also what has no newline. Sent once for all of them.
static int add_lines(struct emit *emit, struct buf *text, bool ended)
{
    struct str rest = buf_str(text);
    int code = 0;
    while (code == 0 && (memchr(rest.data ? rest.data : "", '\n', rest.len) || (ended && rest.len > 0))) {
        struct str line = str_split(&rest, '\n');
        code = emit->ndjson ? add_json(emit, line) : 0;
        if (!emit->ndjson)
            add_record(emit, line);
        if (code)
            return code;
        code = emit->records.len > RECORDS_MAX ? send_records(emit) : 0;
    }
    buf_consume(text, text->len - rest.len);
    return code ? code : send_records(emit);
}

static int emit_input(struct emit *emit)
{
    CLEANUP(buf_release) struct buf text = {0};
    for (;;) {
        buf_reserve(&text, READ_STEP);
        ssize_t got = read(STDIN_FILENO, text.data + text.len, READ_STEP);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return cli_fail(emit->cli, ERR_IO, "standard input: %s", strerror(errno));
        text.len += (size_t)got;
        bool too_long = text.len > TEXT_MAX && !memchr(text.data, '\n', text.len);
        int code = too_long ? cli_fail(emit->cli, ERR_TOO_LONG, "standard input: a line may have 128 KiB")
                            : add_lines(emit, &text, got == 0);
        if (code || got == 0)
            return code;
    }
}

static int emit_text(struct emit *emit, const char *text)
{
    if (text && strlen(text) > TEXT_MAX)
        return cli_fail(emit->cli, ERR_TOO_LONG, "a text may have 128 KiB");
    if (text) {
        add_record(emit, str_of(text));
    } else { // an event speaks for itself
        begin_record(emit);
        emit->records.len--; // the comma behind the last member
        buf_append_byte(&emit->records, '}');
    }
    return send_records(emit);
}

// --- The command

static int find_log(struct emit *emit)
{
    const char *path = getenv("RUNNEL_SOCKET"), *id = cli_value(emit->cli, "id");
    if (!id && path && *path)
        return connect_socket(emit, path);
    emit->id = id ? id : getenv("RUNNEL_EXECUTION_ID");
    if (!emit->id || !*emit->id)
        return cli_usage_error(emit->cli, "there is no RUNNEL_SOCKET here, as a job has one; --id names the execution "
                                          "that is written to");
    if (!id_execution_valid(str_of(emit->id)))
        return cli_usage_error(emit->cli, "\"%s\" cannot be the identifier of an execution", emit->id);
    return cli_connect(emit->cli, &emit->client);
}

static int run_emit(struct cli *cli)
{
    CLEANUP(emit_release) struct emit emit = {.cli = cli, .fd = -1, .ndjson = cli_flag(cli, "ndjson")};
    char *const *operands;
    size_t count = cli_operands(cli, &operands);
    bool input = cli_flag(cli, "stdin") || emit.ndjson || (count == 1 && strcmp(operands[0], "-") == 0);
    if (count > 1)
        return cli_usage_error(cli, "one text at a time, so \"%s\" is too much; quote it", operands[1]);
    if ((cli_flag(cli, "stdin") || (emit.ndjson && strcmp(operands[0] ? operands[0] : "-", "-") != 0)) && count > 0)
        return cli_usage_error(cli, "standard input is read, so \"%s\" is too much", operands[0]);
    if (!input && count == 0 && !cli_value(cli, "event-type"))
        return cli_usage_error(cli, "say what to write: runnel emit TEXT, or --stdin for a record of each line");
    int code = add_members(&emit);
    if (code == 0)
        code = find_log(&emit);
    if (code)
        return code;
    return input ? emit_input(&emit) : emit_text(&emit, count == 1 ? operands[0] : NULL);
}

const struct cli_command cmd_emit = {
    .name = "emit",
    .summary = "write a record into a job's own log",
    .usage = "[OPTIONS] TEXT | [OPTIONS] --stdin | [OPTIONS] --ndjson",
    .description = "Within a job, under `runnel wrap` too, writes a record into its log. It goes by RUNNEL_SOCKET and "
                   "the job's spool, so it needs neither a server that is there nor a credential. The exit code is 0 "
                   "only when it is in the spool.\n\n"
                   "Elsewhere --id names the execution that is written to, through the server; this needs a key with "
                   "the role service.\n\n"
                   "What it writes is a line of stdout unless --stream says otherwise, or an event with --event-type. "
                   "Events are shown by `runnel logs` on a terminal, with -t, or with --stream event.",
    .options =
        (const struct cli_option[]){
            {'l', "level", CLI_VALUE, "LEVEL", "debug, info, warning, error or critical"},
            {0, "node", CLI_VALUE, "ID", "the node or step that it is about"},
            {0, "node-name", CLI_VALUE, "NAME", "its name"},
            {0, "node-type", CLI_VALUE, "TYPE", "its type"},
            {0, "step", CLI_VALUE, "N/M", "the step, and how many there are"},
            {'p', "progress", CLI_VALUE, "PERCENT", "how far it is; 0 to 100"},
            {0, "duration", CLI_VALUE, "SECONDS", "how long it took"},
            {0, "event-type", CLI_VALUE, "TYPE", "makes it an event, such as step_started; TEXT may be left out"},
            {0, "category", CLI_VALUE, "CATEGORY", "technical or business"},
            {0, "milestone", CLI_FLAG, NULL, "it is a milestone"},
            {0, "priority", CLI_VALUE, "N", "of its display; 1 to 10"},
            {0, "friendly", CLI_VALUE, "TEXT", "for users, beside the technical TEXT"},
            {0, "stack-trace", CLI_VALUE, "TEXT", "of an error"},
            {0, "data", CLI_VALUE, "JSON", "what else belongs to it"},
            {0, "details", CLI_VALUE, "JSON", "technical details"},
            {0, "metrics", CLI_VALUE, "JSON", "of its performance"},
            {0, "producer", CLI_VALUE, "NAME", "who says it"},
            {0, "time", CLI_VALUE, "TIME", "when it was, by RFC 3339; now without it"},
            {0, "continues", CLI_FLAG, NULL, "it goes on with the record before it; filters take them as one"},
            {0, "stream", CLI_VALUE, "STREAM", "stdout, stderr or event"},
            {0, "stdin", CLI_FLAG, NULL, "a record for each line of standard input; also: - as TEXT"},
            {0, "ndjson", CLI_FLAG, NULL,
             "each line of standard input is a record as JSON; what it lacks is as the flags say"},
            {0, "id", CLI_VALUE, "ID", "the execution to write to, through the server"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel emit \"3 of 10 files done\" --progress 30", "from within a job"},
            {"runnel emit --level warning --node fetch \"slow answer\"", "about a step"},
            {"runnel emit --event-type step_completed --step 2/5 --data '{\"rows\": 12}'", "an event"},
            {"./check | runnel emit --stdin --level error", "each line as a record"},
            {"./steps | runnel emit --ndjson --node fetch", "each line is a record already"},
            {"runnel emit \"HTTP 503 from s3\" --friendly \"The files cannot be read right now\"",
             "for both kinds of readers"},
            {0},
        },
    .run = run_emit,
};
