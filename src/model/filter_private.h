// The inside of a filter. Only for the files filter*.c.
#pragma once

#include "model/filter.h"
#include "model/needle.h"
#include "model/token_filter.h"

#include <stdatomic.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define FILTER_LIST_MAX 64 // values of one name

enum filter_category { CATEGORY_ANY, CATEGORY_TECHNICAL, CATEGORY_BUSINESS };

struct filter_list {
    char *items[FILTER_LIST_MAX];
    size_t count;
};

#define FILTER_LITERALS_MAX 64

// Texts of which every match contains at least one. If there are none, nothing is known.
struct filter_literals {
    struct token_needle needles[FILTER_LITERALS_MAX];
    size_t count;
    char *longest; // the longest text that every match contains, if there is one alternative alone; else NULL
};

struct filter_rules {
    unsigned streams, levels;   // one bit for each that may pass
    int64_t time_min, time_max; // both limits are included
    enum filter_category category;
    struct filter_list event_types, nodes;
    bool milestone;
    unsigned min_priority; // 0: any
    struct str grep;       // owned; `.data` is NULL if there is none
    pcre2_code *regex;
    // For whole columns of lines. `column` finds just the lines that `regex` matches; NULL if it cannot be made.
    // `must` is in every line that `regex` matches; its text is empty if there is none.
    pcre2_code *column;
    struct needle grep_needle, must;
    struct filter_literals literals[2]; // for grep, and for regex
    bool ignore_case, invert;           // for grep and regex
};

struct filter {
    _Atomic uint32_t refs;
    struct filter_rules rules;
};

// Finds the texts that a regular expression needs, as far as a simple analysis tells. Finds none if it cannot tell.
void filter_literals_of_regex(struct filter_literals *ret, struct str pattern, bool ignore_case);
void filter_literals_of_text(struct filter_literals *ret, struct str text);
void filter_literals_release(struct filter_literals *literals);
void filter_rules_release(struct filter_rules *rules);
// Returns 1 for a match, 0 for none, ERR_INVALID when the run's budget is spent.
int filter_regex_match(const pcre2_code *regex, struct filter_run *run, struct str text);
// Finds the first match that begins at or behind `at`. No match looks at more than `reach` bytes. With ERR_INVALID,
// *ret_at says from where on the text was not looked at.
int filter_regex_find(const pcre2_code *regex, struct filter_run *run, struct str text, size_t at, size_t reach,
                      size_t *ret_at, size_t *ret_end);
// The same for a text of many lines, with a low limit that does not grow. FILTER_HARD: a place near *ret_at, which may
// be a match, needs more. *ret_at is where the match begins, or the place up to which there is none.
enum { FILTER_NONE, FILTER_FOUND, FILTER_HARD };
int filter_regex_find_easy(const pcre2_code *regex, struct filter_run *run, struct str text, size_t at, size_t reach,
                           size_t *ret_at);
// Makes an expression that finds in a column of lines just what `pattern` matches in one of the lines. Returns NULL if
// it is not known how. Owned by the caller.
char *filter_column_pattern(struct str pattern);
