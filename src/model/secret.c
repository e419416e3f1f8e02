#include "model/secret.h"

#include "util/base64.h"

#include <jansson.h>

#define WRAPPED_MIN 8 // of a line of base64 that was broken: a shorter rest is in too much else
#define SHIFTS      3 // how many bytes may stand before it in a group of base64

bool secret_name_valid(struct str name)
{
    if (name.len == 0 || name.len > SECRET_NAME_MAX || (name.data[0] >= '0' && name.data[0] <= '9'))
        return false;
    for (size_t i = 0; i < name.len; i++) {
        char c = ascii_lower(name.data[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && c != '_')
            return false;
    }
    return true;
}

bool secret_is_run_token(struct str name)
{
    return str_eq(name, STR(SECRET_RUN_TOKEN));
}

bool secret_use_parse(struct str use, struct str *ret_name, struct str *ret_variable)
{
    bool renamed = str_find(use, '=');
    struct str name = str_split(&use, '=');
    bool run_token = secret_is_run_token(name);
    struct str variable = renamed ? use : run_token ? STR("RUNNEL_TOKEN") : name;
    if ((!run_token && !secret_name_valid(name)) || !secret_name_valid(variable))
        return false;
    *ret_name = name;
    *ret_variable = variable;
    return true;
}

// --- Parts

// The next line without white space around it; false at the end.
static bool next_line(struct str *rest, struct str *ret)
{
    if (rest->len == 0)
        return false;
    *ret = str_trim(str_split(rest, '\n'));
    return true;
}

// Calls `each` for every string in the document, on whatever level.
static void each_string(const json_t *value, void (*each)(void *arg, struct str text), void *arg)
{
    json_t *item;
    const char *name;
    size_t i;
    if (json_is_string(value))
        each(arg, str_n(json_string_value(value), json_string_length(value)));
    json_array_foreach(value, i, item) each_string(item, each, arg);
    json_object_foreach((json_t *)(uintptr_t)value, name, item) each_string(item, each, arg);
}

// NULL unless it is an object or an array.
static json_t *document_of(struct str value)
{
    return json_loadb(value.len > 0 ? value.data : "", value.len, JSON_ALLOW_NUL, NULL);
}

// --- What a value may be

struct lengths {
    size_t count, longest;
};

static void measure(void *arg, struct str text)
{
    struct lengths *lengths = arg;
    lengths->count++;
    lengths->longest = MAX(lengths->longest, str_trim(text).len);
}

static bool too_short(const struct lengths *lengths)
{
    return lengths->count > 0 && lengths->longest < MASK_TEXT_MIN;
}

static struct lengths measure_lines(struct str value)
{
    struct lengths lines = {0};
    struct str line;
    while (next_line(&value, &line))
        measure(&lines, line);
    return lines;
}

static struct lengths measure_strings(struct str value)
{
    struct lengths strings = {0};
    json_t *document = document_of(value);
    each_string(document, measure, &strings);
    json_decref(document);
    return strings;
}

const char *secret_value_problem(struct str value)
{
    if (value.len > SECRET_VALUE_MAX)
        return "is larger than 64 KiB";
    if (str_find(value, '\0'))
        return "has a zero byte, which no variable of an environment can have";
    if (str_trim(value).len < MASK_TEXT_MIN)
        return "has fewer than 4 bytes: so little is in too much else to be masked in logs";
    struct lengths lines = measure_lines(value), strings = measure_strings(value);
    if (too_short(&lines))
        return "has only lines of fewer than 4 bytes: so little is in too much else to be masked in logs";
    if (too_short(&strings))
        return "is JSON with only strings of fewer than 4 bytes: so little is in too much else to be masked in logs";
    return NULL;
}

// --- Base64

static void add_alphabets(struct mask *mask, struct str text)
{
    CLEANUP(buf_release) struct buf url = {0};
    mask_add(mask, text);
    buf_append_str(&url, text);
    for (size_t i = 0; i < url.len; i++)
        url.data[i] = text.data[i] == '+' ? '-' : text.data[i] == '/' ? '_' : text.data[i];
    mask_add(mask, buf_str(&url));
}

// The digits that depend on nothing but the value, whatever stands before and behind it; and with those of its end.
static void add_shifted(struct mask *mask, struct str value, size_t before)
{
    CLEANUP(buf_release) struct buf bytes = {0};
    for (size_t i = 0; i < before; i++)
        buf_append_byte(&bytes, 0);
    buf_append_str(&bytes, value);
    CLEANUP(free_ptr) char *text = xmalloc(BASE64_LEN(bytes.len) + 1);
    size_t len = base64_encode(bytes.data, bytes.len, text), first = (before * 8 + 5) / 6;
    size_t alone = bytes.len * 8 / 6, ended = (bytes.len * 8 + 5) / 6;
    add_alphabets(mask, str_n(text + first, alone - first));
    add_alphabets(mask, str_n(text + first, ended - first));
    add_alphabets(mask, str_n(text + first, len - first));
}

// As programs break it into lines.
static void add_wrapped(struct mask *mask, struct str value)
{
    static const size_t widths[] = {64, 76};
    CLEANUP(free_ptr) char *text = xmalloc(BASE64_LEN(value.len) + 1);
    base64_encode(value.data, value.len, text);
    size_t len = value.len * 8 / 6;
    for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
        for (size_t at = 0; at + WRAPPED_MIN <= len && len > widths[i]; at += widths[i])
            add_alphabets(mask, str_n(text + at, MIN(widths[i], len - at)));
    }
}

static void add_base64(struct mask *mask, struct str value)
{
    for (size_t before = 0; before < SHIFTS; before++)
        add_shifted(mask, value, before);
    add_wrapped(mask, value);
}

// --- As it is, and in JSON

// Writes the digits of \u00E9 in small letters, as some do.
static void lower_escapes(char *text)
{
    for (char *at = text; *at; at++) {
        if (*at != '\\')
            continue;
        at++;
        for (unsigned i = 1; *at == 'u' && i <= 4 && at[i]; i++)
            at[i] = ascii_lower(at[i]);
        if (!*at)
            return;
    }
}

static void add_as_json(struct mask *mask, struct str text)
{
    static const size_t flags[] = {0, JSON_ENSURE_ASCII, JSON_ESCAPE_SLASH, JSON_ENSURE_ASCII | JSON_ESCAPE_SLASH};
    json_t *string = json_stringn(text.data, text.len); // NULL if it is not UTF-8
    for (size_t i = 0; i < ARRAY_LEN(flags) && string; i++) {
        char *dumped = json_dumps(string, JSON_ENCODE_ANY | flags[i]);
        mask_add(mask, str_n(dumped + 1, strlen(dumped) - 2));
        lower_escapes(dumped);
        mask_add(mask, str_n(dumped + 1, strlen(dumped) - 2));
        free(dumped);
    }
    json_decref(string);
}

static void add_text(struct mask *mask, struct str text)
{
    struct str trimmed = str_trim(text);
    if (trimmed.len < MASK_TEXT_MIN)
        return;
    mask_add(mask, trimmed);
    add_as_json(mask, trimmed);
}

static void add_string(void *arg, struct str text)
{
    struct mask *mask = arg;
    struct str trimmed = str_trim(text);
    add_text(mask, trimmed);
    if (trimmed.len >= MASK_TEXT_MIN)
        add_base64(mask, trimmed);
}

// A terminal, and some programs, end lines with "\r\n".
static void add_crlf(struct mask *mask, struct str value)
{
    CLEANUP(buf_release) struct buf text = {0};
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] == '\n' && (i == 0 || value.data[i - 1] != '\r'))
            buf_append_byte(&text, '\r');
        buf_append_byte(&text, value.data[i]);
    }
    mask_add(mask, buf_str(&text));
}

void secret_add_forms(struct mask *mask, struct str value)
{
    struct str trimmed = str_trim(value), rest = trimmed, line;
    if (trimmed.len < MASK_TEXT_MIN)
        return;
    add_string(mask, trimmed);
    add_crlf(mask, trimmed);
    while (next_line(&rest, &line))
        add_text(mask, line);
    json_t *document = document_of(trimmed);
    each_string(document, add_string, mask);
    json_decref(document);
}
