// JSON to records, against jansson: both call the same texts JSON; what is written of a record is read back the same.
#include "model/record.h"

#include <jansson.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

struct again {
    struct record_parser *parser;
    unsigned calls;
    const struct record *expected;
};

static int compare(void *arg, const struct record_input *input)
{
    const struct again *again = arg;
    const struct record *a = &input->record, *b = again->expected;
    check(a->time_ms == b->time_ms && a->stream == b->stream && a->level == record_level_of(b) &&
          a->partial == b->partial && a->continues == b->continues && str_eq(a->message, b->message) &&
          str_eq(a->extra, b->extra));
    return 0;
}

static int read_back(void *arg, const struct record_input *input)
{
    struct again *again = arg;
    struct buf json = {0};
    again->calls++;
    check(input->record.message.len == 0 || utf8_valid(input->record.message.data, input->record.message.len));
    check(record_extra_valid(again->parser, input->record.extra));
    if (input->type.len > 0 && !str_eq(input->type, STR("log")))
        return 0;
    again->expected = &input->record;
    record_append_json(&json, &input->record, STR("exec_1"), 7, true);
    check(record_parse(again->parser, buf_str(&json), compare, again, NULL) == 0);
    buf_release(&json);
    return 0;
}

// True if jansson's opinion of this object counts: it refuses numbers that are too large for its types, and we keep
// them as written.
static bool judge(struct str text, bool *ret_json)
{
    json_error_t error;
    // jansson 2.14 overlooks a NUL byte behind a number.
    if (str_find(text, '\0'))
        return false;
    json_t *parsed = json_loadb(text.data, text.len, JSON_ALLOW_NUL, &error);
    bool counts = true;
    *ret_json = parsed && json_is_object(parsed);
    if (!parsed) {
        // It also refuses lone surrogates, which become U+FFFD here, and NULs in names.
        enum json_error_code code = json_error_code(&error);
        counts =
            code != json_error_numeric_overflow && code != json_error_null_byte_in_key && !strstr(error.text, "\\u");
    }
    json_decref(parsed);
    return counts;
}

static unsigned depth_of(struct str text)
{
    unsigned depth = 0, deepest = 0;
    for (size_t i = 0; i < text.len; i++) {
        depth += text.data[i] == '{' || text.data[i] == '[';
        deepest = MAX(deepest, depth);
    }
    return deepest;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct record_problem problem = {0};
    struct again again = {.parser = record_parser_new(0)};
    struct record_parser *parser = record_parser_new(0);
    char *copy = xmalloc(size + 1);
    if (size > 0)
        memcpy(copy, data, size);
    struct str text = str_n(copy, size), trimmed = str_trim(text);
    int err = record_parse(parser, text, read_back, &again, &problem);
    check(err == 0 || (err < 0 && problem.field && problem.reason));

    // Any bytes are safe as extra, too: they may come from a file.
    struct buf scratch = {0};
    struct str found;
    record_extra_get(text, STR("data"), &found);
    record_extra_string(text, STR("node_id"), &scratch, &found);
    check(!record_extra_valid(parser, text) || size == 0 || data[0] == '"');
    buf_release(&scratch);

    bool json;
    bool one_object = trimmed.len > 0 && trimmed.data[0] == '{' && again.calls < 2 && depth_of(text) < 60;
    if (one_object && judge(text, &json) && (json || err == 0))
        check(json == (err != ERR_MALFORMED));
    record_parser_free(&again.parser);
    record_parser_free(&parser);
    free(copy);
    return 0;
}
