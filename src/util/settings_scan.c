#include "util/settings_scan.h"

#define WORD_ENDS " \t\r\n\f\v\"'={}()+,#"

enum token { TOKEN_END, TOKEN_WORD, TOKEN_ASSIGN, TOKEN_APPEND, TOKEN_OPEN, TOKEN_CLOSE, TOKEN_OTHER, TOKEN_UNCLOSED };

struct given { // a setting that has a value
    int section;
    unsigned line;
    struct str name;
};

struct reader {
    const char *at, *end;
    unsigned line;
    struct str word; // of TOKEN_WORD: without its quotes
    unsigned begun;  // the line on which the token begins
    int section;     // the one at hand, -1 at the top level
    int sections;
    bool in_list;
    struct str name; // of the setting whose value is read
    struct buf given;
    struct settings_scan *found;
};

static bool starts(const struct reader *reader, const char *text)
{
    return str_starts(str_n(reader->at, (size_t)(reader->end - reader->at)), str_of(text));
}

static void step(struct reader *reader)
{
    reader->line += *reader->at++ == '\n';
}

static void skip_line(struct reader *reader)
{
    while (reader->at < reader->end && *reader->at != '\n')
        reader->at++;
}

// Returns false if the comment has no end.
static bool skip_comment(struct reader *reader)
{
    while (reader->at < reader->end && !starts(reader, "*/"))
        step(reader);
    if (reader->at == reader->end)
        return false;
    reader->at += 2;
    return true;
}

// At "${". Notes the variable if it is not set and has no text in its place.
static void take_variable(struct reader *reader)
{
    const char *from = reader->at + 2, *close = memchr(from, '}', (size_t)(reader->end - from));
    if (!close)
        return;
    struct str variable = str_n(from, (size_t)(close - from));
    const char *colon = str_find(variable, ':');
    if (colon && colon + 1 < close && colon[1] == '-')
        return;
    CLEANUP(free_ptr) char *name = str_dup(variable);
    struct settings_unset unset = {reader->section, reader->name, variable};
    if (!getenv(name))
        buf_append(&reader->found->unset, &unset, sizeof(unset));
}

static enum token take_quoted(struct reader *reader)
{
    char quote = *reader->at++;
    const char *from = reader->at;
    while (reader->at < reader->end && *reader->at != quote) {
        if (*reader->at == '\\' && reader->at + 1 < reader->end)
            step(reader);
        else if (quote == '"' && starts(reader, "${"))
            take_variable(reader);
        step(reader);
    }
    if (reader->at == reader->end)
        return TOKEN_UNCLOSED;
    reader->word = str_n(from, (size_t)(reader->at++ - from));
    return TOKEN_WORD;
}

static enum token take_word(struct reader *reader)
{
    const char *from = reader->at;
    if (starts(reader, "${")) {
        take_variable(reader);
        while (reader->at < reader->end && *reader->at != '}')
            step(reader);
        reader->at += reader->at < reader->end;
    }
    while (reader->at < reader->end && !strchr(WORD_ENDS, *reader->at))
        reader->at++;
    reader->word = str_n(from, (size_t)(reader->at - from));
    return TOKEN_WORD;
}

static enum token take_sign(struct reader *reader)
{
    if (starts(reader, "+=")) {
        reader->at += 2;
        return TOKEN_APPEND;
    }
    char sign = *reader->at++;
    return sign == '=' ? TOKEN_ASSIGN : sign == '{' ? TOKEN_OPEN : sign == '}' ? TOKEN_CLOSE : TOKEN_OTHER;
}

static enum token next_token(struct reader *reader)
{
    while (reader->at < reader->end) {
        reader->begun = reader->line;
        if (strchr(" \t\r\n\f\v", *reader->at)) {
            step(reader);
        } else if (*reader->at == '#' || starts(reader, "//")) {
            skip_line(reader);
        } else if (starts(reader, "/*")) {
            if (!skip_comment(reader))
                return TOKEN_UNCLOSED;
        } else if (*reader->at == '"' || *reader->at == '\'') {
            return take_quoted(reader);
        } else if (strchr(WORD_ENDS, *reader->at)) {
            return take_sign(reader);
        } else {
            return take_word(reader);
        }
    }
    return TOKEN_END;
}

static void take_name(struct reader *reader, unsigned line, bool appends)
{
    const struct given *given = (const struct given *)(const void *)reader->given.data;
    size_t count = reader->given.len / sizeof(*given);
    struct settings_scan *found = reader->found;
    for (size_t i = 0; i < count && !appends && !found->repeated_line; i++) {
        if (given[i].section != reader->section || !str_eq(given[i].name, reader->name))
            continue;
        found->repeated = reader->name;
        found->repeated_line = line;
        found->repeated_from = given[i].line;
    }
    struct given now = {reader->section, line, reader->name};
    if (!found->repeated_line)
        buf_append(&reader->given, &now, sizeof(now));
}

static bool assigns(enum token token)
{
    return token == TOKEN_ASSIGN || token == TOKEN_APPEND;
}

static void take_brace(struct reader *reader, enum token token, enum token before)
{
    bool list = token == TOKEN_OPEN ? assigns(before) : reader->in_list;
    reader->in_list = list && token == TOKEN_OPEN;
    if (list)
        return;
    reader->section = token == TOKEN_OPEN ? reader->sections++ : -1;
    reader->name = STR("");
}

void settings_scan(struct str text, struct settings_scan *ret)
{
    struct reader reader = {.at = text.data, .end = text.data + text.len, .line = 1, .section = -1, .found = ret};
    enum token token = TOKEN_OTHER;

    *ret = (struct settings_scan){0};
    while (text.len > 0 && token != TOKEN_END && token != TOKEN_UNCLOSED) {
        enum token before = token;
        struct str word = reader.word;
        unsigned line = reader.begun;
        token = next_token(&reader);
        if (assigns(token) && before == TOKEN_WORD) {
            reader.name = word;
            take_name(&reader, line, token == TOKEN_APPEND);
        } else if (token == TOKEN_OPEN || token == TOKEN_CLOSE) {
            take_brace(&reader, token, before);
        }
    }
    ret->unclosed_line = token == TOKEN_UNCLOSED ? reader.begun : 0;
    buf_release(&reader.given);
}

void settings_scan_release(struct settings_scan *scan)
{
    buf_release(&scan->unset);
}

struct str settings_scan_unset(const struct settings_scan *scan, int section, const char *name)
{
    const struct settings_unset *unset = (const struct settings_unset *)(const void *)scan->unset.data;
    for (size_t i = 0; i < scan->unset.len / sizeof(*unset); i++)
        if (unset[i].section == section && str_eq(unset[i].name, str_of(name)))
            return unset[i].variable;
    return str_n(NULL, 0);
}
