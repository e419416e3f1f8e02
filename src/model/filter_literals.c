// Finds texts that every match of a regular expression contains. Chunks that lack them are then skipped. The analysis
// is simple: what it does not understand counts as something that may match anything, so a gap in it costs only time.
#include "model/filter_private.h"

#define RUNS_MAX 4 // how many runs of one alternative are kept: the longest ones

struct look {
    const char *at, *end;
    bool ignore_case;
    bool given_up;
    bool common;     // an alternative may be in any chunk
    struct buf run;  // literal bytes that follow each other
    size_t last_len; // length of the last character in `run`
    struct buf texts[RUNS_MAX];
    struct filter_literals *ret;
};

void filter_literals_release(struct filter_literals *literals)
{
    for (size_t i = 0; i < literals->count; i++)
        token_needle_release(&literals->needles[i]);
    literals->count = 0;
    free_ptr(&literals->longest);
}

void filter_literals_of_text(struct filter_literals *ret, struct str text)
{
    token_needle_add(&ret->needles[0], text);
    ret->count = 1;
}

// Ends the run. It takes the place of the shortest run that is kept.
static void end_run(struct look *look)
{
    struct buf *shortest = &look->texts[0];
    for (size_t i = 1; i < RUNS_MAX; i++) {
        if (look->texts[i].len < shortest->len)
            shortest = &look->texts[i];
    }
    if (look->run.len > shortest->len) {
        buf_reset(shortest);
        buf_append_str(shortest, buf_str(&look->run));
    }
    buf_reset(&look->run);
    look->last_len = 0;
}

// With a second alternative, no text is in every match.
static void keep_longest(struct look *look)
{
    const struct buf *longest = &look->texts[0];
    for (size_t i = 1; i < RUNS_MAX; i++) {
        if (look->texts[i].len > longest->len)
            longest = &look->texts[i];
    }
    free_ptr(&look->ret->longest);
    if (look->ret->count == 0 && longest->len > 0 && !memchr(longest->data, 0, longest->len))
        look->ret->longest = str_dup(buf_str(longest));
}

// Ends an alternative. All its runs must be present, so their tokens are asked for together, like those of one needle.
static void end_alternative(struct look *look)
{
    end_run(look);
    if (look->ret->count == FILTER_LITERALS_MAX) {
        look->given_up = true;
        return;
    }
    keep_longest(look);
    struct token_needle *needle = &look->ret->needles[look->ret->count++];
    *needle = (struct token_needle){0};
    for (size_t i = 0; i < RUNS_MAX; i++) {
        token_needle_add(needle, buf_str(&look->texts[i]));
        buf_reset(&look->texts[i]);
    }
    look->common |= needle->count == 0;
}

// Letters that equal other letters of Unicode when case is ignored: K, S, and everything that is not ASCII.
static bool stands_for_others(const struct look *look, char c)
{
    return look->ignore_case && (c == 'k' || c == 'K' || c == 's' || c == 'S' || (unsigned char)c >= 0x80);
}

static void take_literal(struct look *look)
{
    const char *start = look->at++;
    while (look->at < look->end && ((unsigned char)*look->at & 0xc0) == 0x80)
        look->at++;
    if (stands_for_others(look, *start)) {
        end_run(look);
        return;
    }
    look->last_len = (size_t)(look->at - start);
    buf_append(&look->run, start, look->last_len);
}

// `+` repeats the last character; all other quantifiers may also remove it.
static void take_quantifier(struct look *look)
{
    bool counted = *look->at == '{';
    if (*look->at != '+')
        look->run.len -= look->last_len;
    look->at++;
    end_run(look);
    if (!counted)
        return;
    // Braces are a quantifier only if a count stands in them; otherwise they are ordinary characters.
    const char *at = look->at;
    while (at < look->end && ((*at >= '0' && *at <= '9') || *at == ',' || *at == ' '))
        at++;
    if (at < look->end && *at == '}')
        look->at = at + 1;
}

// Moves behind the class that begins here.
static void skip_class(struct look *look)
{
    end_run(look);
    look->at++;
    if (look->at < look->end && *look->at == '^')
        look->at++;
    if (look->at < look->end && *look->at == ']')
        look->at++;
    while (look->at < look->end && *look->at != ']') {
        // Nested classes and quoted brackets are not understood.
        if (*look->at == '[')
            look->given_up = true;
        if (*look->at == '\\' && look->at + 1 < look->end) {
            look->at++;
            look->given_up |= *look->at == 'Q' || *look->at == 'E';
        }
        look->at++;
    }
    look->at += look->at < look->end;
}

static void skip_quoted(struct look *look)
{
    while (look->at < look->end && !(look->end - look->at >= 2 && look->at[0] == '\\' && look->at[1] == 'E'))
        take_literal(look);
    look->at += look->end - look->at >= 2 ? 2 : 0;
}

static void take_escape(struct look *look)
{
    look->at++;
    if (look->at == look->end) {
        look->given_up = true;
        return;
    }
    char c = *look->at;
    bool letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (unsigned char)c >= 0x80;
    if (!letter) {
        take_literal(look); // the character itself
        return;
    }
    look->at++;
    if (c == 'Q') {
        skip_quoted(look);
        return;
    }
    // A class of characters, or an assertion. Escapes with more characters, such as \x41, are not understood.
    end_run(look);
    look->given_up |= strchr("dDwWsSbBAzZGhHvVRN", c) == NULL;
}

// A group is needed or not in ways that differ, so its content is ignored.
static void skip_group(struct look *look)
{
    unsigned depth = 0;
    end_run(look);
    do {
        char c = *look->at;
        if (c == '[') {
            skip_class(look);
            continue;
        }
        if (c == '\\') {
            look->at++;
            look->given_up |= look->at == look->end || *look->at == 'Q' || *look->at == 'E';
        } else if (c == '(') {
            depth++;
            bool special = look->end - look->at >= 2 && (look->at[1] == '?' || look->at[1] == '*');
            look->given_up |= special && !(look->end - look->at >= 3 && look->at[1] == '?' && look->at[2] == ':');
        } else if (c == ')') {
            depth--;
        }
        look->at += look->at < look->end;
    } while (depth > 0 && look->at < look->end && !look->given_up);
}

static void take_one(struct look *look)
{
    switch (*look->at) {
    case '|':
        look->at++;
        end_alternative(look);
        return;
    case '(':
        skip_group(look);
        return;
    case '[':
        skip_class(look);
        return;
    case '\\':
        take_escape(look);
        return;
    case '*':
    case '?':
    case '+':
    case '{':
        take_quantifier(look);
        return;
    case '.':
    case '^':
    case '$':
    case ')':
    case '}':
        look->at++;
        end_run(look);
        return;
    default:
        take_literal(look);
    }
}

void filter_literals_of_regex(struct filter_literals *ret, struct str pattern, bool ignore_case)
{
    struct look look = {.at = pattern.data, .end = pattern.data + pattern.len, .ignore_case = ignore_case, .ret = ret};
    while (look.at < look.end && !look.given_up)
        take_one(&look);
    if (!look.given_up)
        end_alternative(&look);
    if (look.given_up || look.common) {
        char *longest = look.given_up ? NULL : TAKE_PTR(ret->longest);
        filter_literals_release(ret);
        ret->longest = longest;
    }
    for (size_t i = 0; i < RUNS_MAX; i++)
        buf_release(&look.texts[i]);
    buf_release(&look.run);
}
