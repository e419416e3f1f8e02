#include "cli/search_printer.h"

#include <unistd.h>

#define PAGE        1000 // hits of one answer
#define CONTEXT_MAX 1000
#define UNREAD_TOLD 10 // logs that are named, of those that could not be looked at

struct searching {
    struct cli *cli;
    struct client *client;
    struct output output;
    struct search_printer printer;
    const char *execution_id; // the only one that is searched; NULL: all
    struct buf base;          // the request without its place
    uint64_t context, wanted, found, unread;
    // A hit that is not shown yet: what is around it depends on the next one.
    json_t *held;
    char *unread_id;     // the log that was named last as one that could not be looked at
    char *shown_id;      // the execution of the line that was shown last
    uint64_t shown_next; // and the line behind it
};

static void searching_release(struct searching *it)
{
    json_decref(it->held);
    free(it->unread_id);
    free(it->shown_id);
    buf_release(&it->base);
    search_printer_release(&it->printer);
    output_release(&it->output);
    client_free(&it->client);
}

static const char *id_of(const struct searching *it, const json_t *hit)
{
    const char *id = json_string_value(json_object_get(hit, "execution_id"));
    return id ? id : it->execution_id ? it->execution_id : "";
}

static uint64_t number_of(const json_t *hit)
{
    return (uint64_t)json_integer_value(json_object_get(hit, "sequence_number"));
}

// --- Showing

static int get_lines(struct searching *it, const char *id, uint64_t from, uint64_t count, json_t **ret)
{
    CLEANUP(free_ptr)
    char *path = xasprintf("/api/v1/executions/%s/logs?from=%llu&limit=%llu", id, (unsigned long long)from,
                           (unsigned long long)count);
    return cli_get_json(it->cli, it->client, path, ret);
}

// Shows a hit with the lines around it, as far as those before are not shown yet and those behind are not hits.
static int show_around(struct searching *it, const json_t *hit, const char *id, uint64_t until)
{
    CLEANUP(json_free) json_t *page = NULL;
    uint64_t number = number_of(hit), from = number - MIN(number, it->context);
    bool same = it->shown_id && strcmp(it->shown_id, id) == 0;
    from = same ? MAX(from, it->shown_next) : from;
    bool heading = it->printer.terminal && !it->printer.one && !same; // that is gap enough
    if (it->shown_id && !heading && (!same || from > it->shown_next))
        search_printer_gap(&it->printer);
    int code = get_lines(it, id, from, MIN(until, number + it->context + 1) - from, &page);
    const json_t *lines = json_object_get(page, "logs"), *line;
    size_t i;
    json_array_foreach(lines, i, line)
    {
        bool match = number_of(line) == number;
        search_printer_line(&it->printer, id, match ? hit : line, match);
        it->shown_next = number_of(line) + 1;
    }
    free(it->shown_id);
    it->shown_id = xstrdup(id);
    return code;
}

// Shows the hit that is held, now that the next one is known; NULL: there is none.
static int show_held(struct searching *it, const json_t *next)
{
    CLEANUP(json_free) json_t *hit = TAKE_PTR(it->held);
    if (!hit)
        return 0;
    const char *id = id_of(it, hit);
    bool same = next && strcmp(id_of(it, next), id) == 0;
    return show_around(it, hit, id, same ? number_of(next) : UINT64_MAX);
}

static int take_hit(struct searching *it, json_t *hit)
{
    int code = 0;
    it->found++;
    if (cli_json(it->cli)) {
        if (it->execution_id)
            json_object_set_new(hit, "execution_id", json_string(it->execution_id));
        json_append_line(&it->output.buf, hit);
    } else if (it->context == 0) {
        search_printer_line(&it->printer, id_of(it, hit), hit, true);
    } else {
        code = show_held(it, hit);
        it->held = json_incref(hit);
    }
    output_advance(&it->output);
    return code;
}

// An answer may end within a log, so the next one names it again.
static void tell_unread(struct searching *it, const json_t *page)
{
    const json_t *logs = json_object_get(page, "unread"), *log;
    size_t i;
    json_array_foreach(logs, i, log)
    {
        const char *id = json_string_value(json_object_get(log, "execution_id"));
        const char *code = json_string_value(json_object_get(log, "code"));
        if (!id || (it->unread_id && strcmp(it->unread_id, id) == 0))
            continue;
        free(it->unread_id);
        it->unread_id = xstrdup(id);
        if (it->unread++ < UNREAD_TOLD)
            fprintf(stderr, "runnel: %s could not be searched, or not all of it: %s\n", id, code ? code : "");
    }
}

// --- Asking

struct place {
    char *cursor; // NULL: none
    bool has_after;
    uint64_t after;
    bool ended;
};

static void place_release(struct place *place)
{
    free(place->cursor);
}

static void append_number(struct buf *path, const char *name, uint64_t number)
{
    char text[24];
    snprintf(text, sizeof(text), "%llu", (unsigned long long)number);
    query_append(path, name, text);
}

// Where the next request goes on.
static void move_on(const struct searching *it, struct place *place, const json_t *page, uint64_t asked)
{
    const json_t *hits = json_object_get(page, "hits");
    const char *cursor = json_string_value(json_object_get(page, "next_cursor"));
    size_t count = json_array_size(hits);
    free(TAKE_PTR(place->cursor));
    place->cursor = cursor ? xstrdup(cursor) : NULL;
    place->ended = !cursor && (!it->execution_id || count < asked);
    if (it->execution_id && count > 0) {
        place->has_after = true;
        place->after = number_of(json_array_get(hits, count - 1));
    }
}

static int search_page(struct searching *it, struct place *place)
{
    CLEANUP(buf_release) struct buf path = {0};
    CLEANUP(json_free) json_t *page = NULL;
    uint64_t asked = MIN(it->wanted - it->found, (uint64_t)PAGE);
    buf_append_str(&path, buf_str(&it->base));
    append_number(&path, "limit", asked);
    if (it->execution_id)
        query_append(&path, "count", "false");
    if (place->cursor)
        query_append(&path, "cursor", place->cursor);
    if (place->has_after)
        append_number(&path, "after", place->after);
    int code = cli_get_json(it->cli, it->client, buf_cstr(&path), &page);
    json_t *hits = json_object_get(page, "hits"), *hit;
    size_t i;
    json_array_foreach(hits, i, hit)
    {
        if (code == 0)
            code = take_hit(it, hit);
    }
    if (code == 0)
        move_on(it, place, page, asked);
    tell_unread(it, page);
    output_flush(&it->output);
    return code;
}

static int search_all(struct searching *it)
{
    CLEANUP(place_release) struct place place = {0};
    int code = 0;
    while (code == 0 && !place.ended && it->found < it->wanted && !output_ended(&it->output))
        code = search_page(it, &place);
    if (code == 0)
        code = show_held(it, NULL);
    if (code == 0 && !place.ended && it->found >= it->wanted && !cli_json(it->cli))
        fprintf(stderr, "runnel: there may be more; -n asks for more than %llu\n", (unsigned long long)it->wanted);
    return code;
}

// Says how many lines match, in as many answers as it takes.
static int count_all(struct searching *it)
{
    CLEANUP(free_ptr) char *cursor = NULL;
    int code = 0;
    for (bool more = true; code == 0 && more;) {
        CLEANUP(buf_release) struct buf path = {0};
        CLEANUP(json_free) json_t *page = NULL;
        buf_append_str(&path, buf_str(&it->base));
        query_append(&path, "limit", "0");
        if (cursor)
            query_append(&path, "cursor", cursor);
        code = cli_get_json(it->cli, it->client, buf_cstr(&path), &page);
        it->found += (uint64_t)json_integer_value(json_object_get(page, "count"));
        free(TAKE_PTR(cursor));
        const char *next = json_string_value(json_object_get(page, "next_cursor"));
        cursor = next ? xstrdup(next) : NULL;
        more = cursor != NULL;
    }
    if (code == 0)
        buf_printf(&it->output.buf, "%llu\n", (unsigned long long)it->found);
    return code;
}

// --- The command

static int append_query(struct searching *it, const char *word)
{
    static const char *const filters[][2] = {{"stream", "stream"},
                                             {"level", "level"},
                                             {"min-level", "min_level"},
                                             {"event-type", "event_type"},
                                             {"node", "node"}};
    struct cli *cli = it->cli;
    buf_append_text(&it->base, "/api/v1/");
    if (it->execution_id)
        buf_printf(&it->base, "executions/%s/logs/", it->execution_id);
    buf_append_text(&it->base, "search");
    query_append(&it->base, "q", word);
    if (cli_flag(cli, "regex"))
        query_append(&it->base, "regex", "true");
    if (cli_flag(cli, "ignore-case"))
        query_append(&it->base, "case", "false");
    for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
        const char *const *values;
        size_t count = cli_values(cli, filters[i][0], &values);
        for (size_t j = 0; j < count; j++)
            query_append(&it->base, filters[i][1], values[j]);
    }
    return it->execution_id ? 0 : query_append_executions(cli, &it->base);
}

static int read_number(struct cli *cli, const char *option, uint64_t least, uint64_t most, uint64_t *ret)
{
    const char *text = cli_value(cli, option);
    if (text && (!str_to_u64(str_of(text), ret) || *ret < least || *ret > most))
        return cli_usage_error(cli, "--%s wants a number from %llu on, not \"%s\"", option, (unsigned long long)least,
                               text);
    return 0;
}

static int check_options(struct searching *it)
{
    static const char *const about_many[] = {"status", "batch", "workflow", "metadata", "since"};
    struct cli *cli = it->cli;
    bool one = it->execution_id || cli_flag(cli, "last");
    for (size_t i = 0; i < ARRAY_LEN(about_many) && one; i++)
        if (cli_flag(cli, about_many[i]))
            return cli_usage_error(cli, "--%s chooses among executions; leave out --execution and --last",
                                   about_many[i]);
    if (it->execution_id && cli_flag(cli, "last"))
        return cli_usage_error(cli, CLI_LAST_AND_ANOTHER, it->execution_id);
    if (cli_flag(cli, "count") && !one)
        return cli_usage_error(cli, "-c counts in one execution; name it by --execution, or give --last");
    int code = read_number(cli, "around", 0, CONTEXT_MAX, &it->context);
    return code ? code : read_number(cli, "limit", 1, UINT64_MAX, &it->wanted);
}

static int search_run(struct searching *it, const char *word)
{
    struct cli *cli = it->cli;
    int code = check_options(it);
    if (code == 0)
        code = cli_connect(cli, &it->client);
    if (code == 0 && (it->execution_id || cli_flag(cli, "last")))
        code = cli_find_execution(cli, it->client, &it->execution_id);
    if (code == 0)
        code = append_query(it, word);
    it->printer.one = it->execution_id != NULL;
    if (code == 0)
        code = cli_flag(cli, "count") ? count_all(it) : search_all(it);
    int written = cli_finish(cli, &it->output);
    if (it->unread > UNREAD_TOLD)
        fprintf(stderr, "runnel: %llu logs in all could not be searched\n", (unsigned long long)it->unread);
    if (code == 0 && written == 0 && (it->found == 0 || it->unread > 0))
        return 1; // as grep does when there is none
    return code ? code : written;
}

static int run_search(struct cli *cli)
{
    CLEANUP(searching_release)
    struct searching it = {.cli = cli, .wanted = PAGE, .execution_id = cli_value(cli, "execution")};
    char *const *operands;
    output_init(&it.output, STDOUT_FILENO);
    it.printer =
        (struct search_printer){.colour = cli_colour(cli), .terminal = it.output.is_terminal, .out = &it.output.buf};
    size_t count = cli_operands(cli, &operands);
    if (count == 0)
        return cli_usage_error(cli, "say what to search for: runnel search WORD");
    if (count > 1)
        return cli_usage_error(cli, "one word or pattern at a time, so \"%s\" is too much; quote one with spaces",
                               operands[1]);
    if (!*operands[0])
        return cli_usage_error(cli, "an empty word is in every line; use runnel logs");
    return search_run(&it, operands[0]);
}

const struct cli_command cmd_search = {
    .name = "search",
    .summary = "search the logs of all executions, or one of them",
    .usage = "[OPTIONS] WORD",
    .description =
        "Shows the lines that contain a text: those of the newest execution first. On a terminal each "
        "execution is a heading; on a pipe each line reads EXECUTION:NUMBER:TEXT, and lines of the context "
        "EXECUTION-NUMBER-TEXT. With --execution the name is left out. Exits with 1 if there is none, or if a "
        "log could not be read, which is named then.",
    .options =
        (const struct cli_option[]){
            {0, "execution", CLI_VALUE, "ID", "in this execution alone"},
            {0, "last", CLI_FLAG, NULL, "in the latest execution"},
            {0, "regex", CLI_FLAG, NULL, "WORD is a regular expression (PCRE2)"},
            {'i', "ignore-case", CLI_FLAG, NULL, "letters of either case are one"},
            {'C', "around", CLI_VALUE, "N", "N lines before and after each, too"},
            {'n', "limit", CLI_VALUE, "N", "at most so many; 1000 unless told"},
            {'c', "count", CLI_FLAG, NULL, "say how many lines there are, instead of showing them"},
            {'s', "status", CLI_VALUE_MANY, "STATUS", CLI_STATUSES},
            {0, "batch", CLI_VALUE_MANY, "ID", "executions of a batch"},
            {0, "workflow", CLI_VALUE_MANY, "ID", "executions of a workflow"},
            {'m', "metadata", CLI_VALUE_MANY, "KEY=VALUE", "executions with this in their metadata"},
            {0, "since", CLI_VALUE, "TIME", "executions made at or after a time: " CLI_TIMES},
            {0, "stream", CLI_VALUE_MANY, "STREAM", "stdout, stderr or event"},
            {0, "level", CLI_VALUE_MANY, "LEVEL", "DEBUG, INFO, WARNING, ERROR or CRITICAL"},
            {0, "min-level", CLI_VALUE, "LEVEL", "this level and those above it"},
            {0, "event-type", CLI_VALUE_MANY, "TYPE", "events of a type, such as step_started"},
            {0, "node", CLI_VALUE_MANY, "NODE", "records of a node"},
            {'o', "output", CLI_VALUE, "FORMAT", "text or json, one object a line"},
            {0},
        },
    .examples =
        (const struct cli_example[]){
            {"runnel search OutOfMemoryError --since 7d", "who ran out of memory this week"},
            {"runnel search -i timeout -m team=data -C 2", "with two lines around each"},
            {"runnel search --execution exec_abc123 --regex 'took [0-9]{4,} ms'", "slow requests of one execution"},
            {0},
        },
    .run = run_search,
};
