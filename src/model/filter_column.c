// Searches whole columns of lines: the text of a chunk is one piece of memory, and most of it does not match. No line
// is looked at by itself unless something speaks for it.
#include "model/filter_private.h"

#define REACH_USUAL 4096 // no line is longer, usually

struct filter_column filter_column_of(struct str text)
{
    struct filter_column column = {.text = text, .reach = REACH_USUAL};
    const char *at = text.data, *end = text.data + text.len;
    while (end - at > REACH_USUAL) {
        const char *newline = memrchr(at, '\n', REACH_USUAL);
        if (!newline) {
            column.reach = text.len;
            break;
        }
        at = newline + 1;
    }
    return column;
}

// The line that holds the place; it begins at or behind `at`.
static struct str line_around(struct str column, size_t at, size_t place)
{
    const char *before = place > at ? memrchr(column.data + at, '\n', place - at) : NULL;
    const char *begin = before ? before + 1 : column.data + at;
    const char *end = memchr(column.data + place, '\n', column.len - place);
    return str_n(begin, (size_t)((end ? end : column.data + column.len) - begin));
}

struct candidate {
    struct str line;
    bool sure; // it matches
};

static int by_needle(const struct needle *needle, struct str column, size_t at, struct candidate *ret)
{
    const char *found = needle_find(needle, column.data + at, column.data + column.len);
    if (!found)
        return 0;
    ret->line = line_around(column, at, (size_t)(found - column.data));
    return 1;
}

static int by_column(const pcre2_code *regex, struct filter_run *run, const struct filter_column *column, size_t at,
                     struct candidate *ret)
{
    size_t place = at;
    int found = filter_regex_find_easy(regex, run, column->text, at, column->reach, &place);
    // Behind the last newline there is no line, but an empty match may lie there.
    if (found == FILTER_NONE || (found == FILTER_FOUND && place == column->text.len))
        return 0;
    ret->line = line_around(column->text, at, MIN(place, column->text.len - 1));
    ret->sure = found == FILTER_FOUND;
    return MIN(found, 1);
}

// The next line that may match.
static int next_candidate(const struct filter_rules *rules, struct filter_run *run, const struct filter_column *column,
                          size_t at, struct candidate *ret)
{
    ret->sure = false;
    if (rules->grep.data) {
        int found = by_needle(&rules->grep_needle, column->text, at, ret);
        ret->sure = !rules->regex && !str_find(rules->grep, '\n');
        return found;
    }
    if (rules->must.text.len > 0)
        return by_needle(&rules->must, column->text, at, ret);
    if (rules->column)
        return by_column(rules->column, run, column, at, ret);
    ret->line = line_around(column->text, at, at);
    return 1;
}

int filter_find_line(const struct filter *filter, struct filter_run *run, const struct filter_column *column, size_t at,
                     struct str *ret)
{
    const struct filter_rules *rules = &filter->rules;
    while (at < column->text.len) {
        struct candidate candidate;
        int found = next_candidate(rules, run, column, at, &candidate);
        if (found == 0)
            return 0;
        *ret = candidate.line;
        if (found == 1 && !candidate.sure)
            found = filter_match_text(filter, run, candidate.line);
        if (found != 0)
            return found;
        at = (size_t)(candidate.line.data - column->text.data) + candidate.line.len + 1;
    }
    return 0;
}

int filter_find_text(const struct filter *filter, struct filter_run *run, struct str line, size_t at, size_t *ret_from,
                     size_t *ret_to)
{
    const struct filter_rules *rules = &filter->rules;
    if (at > line.len)
        return 0;
    if (rules->regex)
        return filter_regex_find(rules->regex, run, line, at, line.len, ret_from, ret_to);
    if (!rules->grep.data || line.len == 0)
        return 0;
    const char *found = needle_find(&rules->grep_needle, line.data + at, line.data + line.len);
    if (!found)
        return 0;
    *ret_from = (size_t)(found - line.data);
    *ret_to = *ret_from + rules->grep.len;
    return 1;
}
