#include "cli/log_request.h"

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

void log_request_release(struct log_request *query)
{
    buf_release(&query->filters);
    buf_release(&query->position);
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

// As a part of a regular expression that means just this text.
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

// Any of several texts or expressions is one expression.
static void append_any(struct buf *query, const char *const *values, size_t count, bool quoted)
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
    query_append(query, "regex", buf_cstr(&regex));
}

static int append_texts(struct cli *cli, struct buf *query)
{
    const char *const *greps, *const *regexes;
    size_t grep_count = cli_values(cli, "grep", &greps), regex_count = cli_values(cli, "regex", &regexes);
    bool ignore_case = cli_flag(cli, "ignore-case"), invert = cli_flag(cli, "invert-match");
    if (grep_count + regex_count == 0 && (ignore_case || invert))
        return cli_usage_error(cli, "-%c is about --grep and --regex; give one of them", invert ? 'v' : 'i');
    if (grep_count > 1 && regex_count > 0)
        return cli_usage_error(cli, "give several --grep, or one with --regex");
    if (grep_count == 1)
        query_append(query, "grep", greps[0]);
    else if (grep_count > 1)
        append_any(query, greps, grep_count, true);
    if (regex_count == 1)
        query_append(query, "regex", regexes[0]);
    else if (regex_count > 1)
        append_any(query, regexes, regex_count, false);
    if (ignore_case)
        query_append(query, "ignore_case", "true");
    if (invert)
        query_append(query, "invert", "true");
    return 0;
}

// --- All of it

static int append_filters(struct cli *cli, bool output_only, struct log_request *ret)
{
    CLEANUP(buf_release) struct buf query = {0};
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
    int code = append_texts(cli, &query);
    if (code == 0 && cli_value(cli, "until"))
        code = query_append_time(cli, &query, "end_time", "until", true);
    if (code == 0 && query.len > 0) {
        query.data[0] = '&';
        buf_append_str(&ret->filters, buf_str(&query));
    }
    ret->has_until = cli_moment(cli, "until", true, &ret->until_ms);
    return code;
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
    // Made absolute now, so that it means the same when the connection has to be made again.
    if (code == 0 && since)
        code = query_append_time(cli, &query, "since", "since", false);
    if (code == 0 && from)
        code = append_number(cli, &query, "from-seq", "from");
    if (query.len == 0)
        query_append(&query, "from", "0");
    buf_append(out, query.data + 1, query.len - 1);
    return code;
}

int log_request_read(struct cli *cli, bool output_only, struct log_request *ret)
{
    *ret = (struct log_request){.events = wants_events(cli)};
    int code = append_filters(cli, output_only, ret);
    return code ? code : append_position(cli, &ret->position);
}
