#include "cli/log_request.h"

#include <unistd.h>

#define CONTEXT_MAX 100000

struct filter_option {
    const char *option, *parameter;
    bool about_events;
};

static const struct filter_option filter_options[] = {
    {"stream", "stream", false},
    {"level", "level", false},
    {"min-level", "min_level", false},
    {"category", "category", false},
    {"event-type", "event_type", true},
    {"node", "node", true},
    {"min-priority", "min_priority", false},
};

void log_request_release(struct log_request *request)
{
    buf_release(&request->all_filters);
    buf_release(&request->filters);
    buf_release(&request->texts);
    buf_release(&request->position);
}

static bool wants_events(const struct cli *cli)
{
    const char *const *streams;
    size_t count = cli_values(cli, "stream", &streams);
    for (size_t i = 0; i < count; i++)
        if (strstr(streams[i], "event"))
            return true;
    for (size_t i = 0; i < ARRAY_LEN(filter_options); i++)
        if (filter_options[i].about_events && cli_value(cli, filter_options[i].option))
            return true;
    return cli_flag(cli, "milestone");
}

// --- Texts

// Appends it as a part of a regular expression that matches exactly this text.
static void append_quoted(struct buf *out, const char *text)
{
    buf_append_text(out, "\\Q");
    for (const char *end; (end = strstr(text, "\\E")); text = end + 2) {
        buf_append(out, text, (size_t)(end - text));
        buf_append_text(out, "\\E\\\\E\\Q");
    }
    buf_append_text(out, text);
    buf_append_text(out, "\\E");
}

// Called for each parameter that asks for texts.
typedef int text_fn(void *arg, const char *name, const char *value);

// Several texts or expressions of which any may match are joined into one expression.
static int each_any(const char *const *values, size_t count, bool quoted, text_fn *each, void *arg)
{
    CLEANUP(buf_release) struct buf regex = {0};
    for (size_t i = 0; i < count; i++) {
        if (i > 0)
            buf_append_byte(&regex, '|');
        if (quoted)
            append_quoted(&regex, values[i]);
        else
            buf_printf(&regex, "(?:%s)", values[i]);
    }
    return each(arg, "regex", buf_cstr(&regex));
}

static int each_text(struct cli *cli, text_fn *each, void *arg)
{
    const char *const *greps, *const *regexes;
    size_t grep_count = cli_values(cli, "grep", &greps), regex_count = cli_values(cli, "regex", &regexes);
    int err = 0;
    if (grep_count == 1)
        err = each(arg, "grep", greps[0]);
    else if (grep_count > 1)
        err = each_any(greps, grep_count, true, each, arg);
    if (err == 0 && regex_count == 1)
        err = each(arg, "regex", regexes[0]);
    else if (err == 0 && regex_count > 1)
        err = each_any(regexes, regex_count, false, each, arg);
    if (err == 0 && cli_flag(cli, "ignore-case"))
        err = each(arg, "ignore_case", "true");
    if (err == 0 && cli_flag(cli, "invert-match"))
        err = each(arg, "invert", "true");
    return err;
}

static int append_text(void *arg, const char *name, const char *value)
{
    query_append(arg, name, value);
    return 0;
}

static int check_texts(struct cli *cli)
{
    static const char *const about[] = {"ignore-case", "invert-match", "after-context", "before-context", "around"};
    const char *const *values;
    size_t greps = cli_values(cli, "grep", &values), regexes = cli_values(cli, "regex", &values);
    for (size_t i = 0; i < ARRAY_LEN(about) && greps + regexes == 0; i++)
        if (cli_flag(cli, about[i]))
            return cli_usage_error(cli, "--%s is about --grep and --regex; give one of them", about[i]);
    if (greps > 1 && regexes > 0)
        return cli_usage_error(cli, "give several --grep, or one with --regex");
    return 0;
}

struct offered {
    struct filter_builder *builder;
    const char *reason;
};

static int offer_text(void *arg, const char *name, const char *value)
{
    struct offered *offered = arg;
    bool taken;
    return filter_builder_offer(offered->builder, str_of(name), str_of(value), &taken, &offered->reason);
}

int log_request_filter(struct cli *cli, struct filter **ret)
{
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    struct offered offered = {.builder = builder};
    int err = each_text(cli, offer_text, &offered);
    if (err == 0)
        err = filter_builder_finish(builder, ret, &offered.reason);
    return err ? cli_usage_error(cli, "--grep or --regex %s", offered.reason) : 0;
}

// --- All of it

// Appends the parameters of a query, which begins with '?', with '&' before each.
static void append_parameters(struct buf *out, const struct buf *query)
{
    if (query->len == 0)
        return;
    buf_append_byte(out, '&');
    buf_append(out, query->data + 1, query->len - 1);
}

static int append_filters(struct cli *cli, struct log_request *ret)
{
    CLEANUP(buf_release) struct buf query = {0}, texts = {0};
    bool output_only = ret->form == LOG_FORM_BYTES || ret->form == LOG_FORM_COUNT;
    int code = check_texts(cli);
    for (size_t i = 0; i < ARRAY_LEN(filter_options); i++) {
        const char *const *values;
        size_t count = cli_values(cli, filter_options[i].option, &values);
        for (size_t v = 0; v < count; v++)
            query_append(&query, filter_options[i].parameter, values[v]);
    }
    if (cli_flag(cli, "milestone"))
        query_append(&query, "milestone", "true");
    // What is not shown must not be counted.
    if (output_only && cli_value(cli, "tail") && !ret->events && !cli_value(cli, "stream"))
        query_append(&query, "stream", "stdout,stderr");
    if (code == 0 && cli_value(cli, "until"))
        code = query_append_time(cli, &query, "end_time", "until", true);
    ret->has_until = cli_moment(cli, "until", true, &ret->until_ms);
    each_text(cli, append_text, &texts);
    append_parameters(&ret->filters, &query);
    append_parameters(&ret->texts, &texts);
    buf_append_str(&ret->all_filters, buf_str(&ret->filters));
    buf_append_str(&ret->all_filters, buf_str(&ret->texts));
    return code;
}

static int read_lines(struct cli *cli, const char *option, unsigned *ret)
{
    uint64_t number;
    const char *text = cli_value(cli, option);
    if (!text)
        return 0;
    if (!str_to_u64(str_of(text), &number) || number > CONTEXT_MAX)
        return cli_usage_error(cli, "--%s wants a number of lines, not \"%s\"", option, text);
    *ret = (unsigned)number;
    return 0;
}

static int read_context(struct cli *cli, struct log_request *ret)
{
    unsigned both = 0;
    int code = read_lines(cli, "around", &both);
    ret->before = ret->after = both;
    if (code == 0)
        code = read_lines(cli, "before-context", &ret->before);
    if (code == 0)
        code = read_lines(cli, "after-context", &ret->after);
    // -c counts lines that match, so lines around them do not matter.
    ret->context = ret->before + ret->after > 0 && ret->form != LOG_FORM_COUNT;
    return code;
}

static enum log_form form_of(const struct cli *cli)
{
    const char *output = cli_value(cli, "output");
    if (cli_flag(cli, "count"))
        return LOG_FORM_COUNT;
    if (cli_json(cli))
        return LOG_FORM_JSON;
    bool raw = output && strcmp(output, "raw") == 0;
    return !raw && (cli_flag(cli, "timestamps") || isatty(STDOUT_FILENO)) ? LOG_FORM_LINES : LOG_FORM_BYTES;
}

static int append_number(struct cli *cli, struct buf *query, const char *option, const char *parameter)
{
    const char *text = cli_value(cli, option);
    uint64_t number;
    if (!str_to_u64(str_of(text), &number))
        return cli_usage_error(cli, "--%s wants a number, not \"%s\"", option, text);
    query_append(query, parameter, text);
    return 0;
}

static int append_position(struct cli *cli, struct buf *out)
{
    CLEANUP(buf_release) struct buf query = {0};
    const char *tail = cli_value(cli, "tail"), *since = cli_value(cli, "since"), *from = cli_value(cli, "from-seq");
    int code = 0;
    if (from && (tail || since))
        return cli_usage_error(cli, "--from-seq says where to begin, and so does --%s", tail ? "tail" : "since");
    if (tail)
        code = append_number(cli, &query, "tail", "tail");
    // Made absolute now, so that it means the same after a reconnection.
    if (code == 0 && since)
        code = query_append_time(cli, &query, "since", "since", false);
    if (code == 0 && from)
        code = append_number(cli, &query, "from-seq", "from");
    if (query.len == 0)
        query_append(&query, "from", "0");
    buf_append(out, query.data + 1, query.len - 1);
    return code;
}

int log_request_read(struct cli *cli, struct log_request *ret)
{
    *ret = (struct log_request){
        .form = form_of(cli),
        .events = wants_events(cli),
        .follow = cli_flag(cli, "follow"),
        .exit_status = cli_flag(cli, "exit-status"),
    };
    int code = append_filters(cli, ret);
    if (code == 0)
        code = read_context(cli, ret);
    return code ? code : append_position(cli, &ret->position);
}
