// Makes expressions for columns.
//
// In a line there is no newline. So an expression means the same in a column if nothing in it can take a newline: what
// could take one is written so that it cannot, and ^ and $ mean lines. What is not understood is not used in columns.
#include "model/filter_private.h"

struct rewrite {
    const char *at, *end;
    struct buf out;
    bool given_up;
};

// Escapes that never take a newline, outside of classes and within them.
#define SAFE_ESCAPES       "dwSbBNht"
#define SAFE_CLASS_ESCAPES "dwSh"
#define ANY_CLASS_ESCAPES  "dwSshDWH" // within a class that excludes the newline

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
}

static void copy(struct rewrite *it, size_t len)
{
    buf_append(&it->out, it->at, len);
    it->at += len;
}

static void take_escape(struct rewrite *it)
{
    if (it->end - it->at < 2) {
        it->given_up = true;
        return;
    }
    char c = it->at[1];
    const char *other = c == 's' ? "[^\\S\n]" : c == 'D' ? "[^\\d\n]" : c == 'W' ? "[^\\w\n]" : NULL;
    if (other) {
        buf_append_text(&it->out, other);
        it->at += 2;
        return;
    }
    it->given_up |= is_letter(c) ? !strchr(SAFE_ESCAPES, c) : (unsigned char)c < 0x20;
    copy(it, 2);
}

static void take_class(struct rewrite *it)
{
    copy(it, 1);
    bool excludes = it->at < it->end && *it->at == '^';
    if (excludes)
        copy(it, 1);
    // These would not be what they are behind an inserted newline.
    it->given_up |= it->at == it->end || *it->at == ']' || *it->at == '-';
    if (excludes)
        buf_append_byte(&it->out, '\n');
    while (!it->given_up && it->at < it->end && *it->at != ']') {
        bool escape = *it->at == '\\';
        if (escape) {
            char c = it->end - it->at > 1 ? it->at[1] : 0;
            it->given_up |= c < 0x20 || (is_letter(c) && !strchr(excludes ? ANY_CLASS_ESCAPES : SAFE_CLASS_ESCAPES, c));
        }
        it->given_up |= *it->at == '[' || (unsigned char)*it->at < 0x20;
        if (!it->given_up)
            copy(it, escape ? 2 : 1);
    }
    it->given_up |= it->at == it->end;
    if (!it->given_up)
        copy(it, 1);
}

static void take_group(struct rewrite *it)
{
    static const char *const heads[] = {"(?:", "(?=", "(?!", "(?<=", "(?<!", "(?>", "(?i)", "(?i:"};
    struct str rest = str_n(it->at, (size_t)(it->end - it->at));
    if (rest.len < 2 || (rest.data[1] != '?' && rest.data[1] != '*')) {
        copy(it, 1);
        return;
    }
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        if (str_starts(rest, str_of(heads[i]))) {
            copy(it, strlen(heads[i]));
            return;
        }
    }
    it->given_up = true;
}

char *filter_column_pattern(struct str pattern)
{
    struct rewrite it = {.at = pattern.data, .end = pattern.data + pattern.len};
    while (it.at < it.end && !it.given_up) {
        char c = *it.at;
        if (c == '\\')
            take_escape(&it);
        else if (c == '[')
            take_class(&it);
        else if (c == '(')
            take_group(&it);
        else if ((unsigned char)c < 0x20)
            it.given_up = true;
        else
            copy(&it, 1);
    }
    if (!it.given_up)
        return buf_take(&it.out);
    buf_release(&it.out);
    return NULL;
}
