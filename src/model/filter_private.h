// The inside of a filter, for filter*.c alone.
#pragma once

#include "model/filter.h"
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

// Texts of which one or another is in whatever matches. Of none nothing is known.
struct filter_literals {
    struct token_needle needles[FILTER_LITERALS_MAX];
    size_t count;
};

struct filter_rules {
    unsigned streams, levels;   // a bit for each that may pass
    int64_t time_min, time_max; // both pass
    enum filter_category category;
    struct filter_list event_types, nodes;
    bool milestone;
    unsigned min_priority; // 0: any
    struct str grep;       // owned; NULL if none
    pcre2_code *regex;
    struct filter_literals literals[2]; // of grep, of regex
    bool ignore_case, invert;           // of grep and regex
};

struct filter {
    _Atomic uint32_t refs;
    struct filter_rules rules;
};

// What a regular expression needs, as far as a simple look tells; nothing if it does not.
void filter_literals_of_regex(struct filter_literals *ret, struct str pattern, bool ignore_case);
void filter_literals_of_text(struct filter_literals *ret, struct str text);
void filter_literals_release(struct filter_literals *literals);
void filter_rules_release(struct filter_rules *rules);
// 1 match, 0 none, ERR_INVALID when the run's budget is spent.
int filter_regex_match(const pcre2_code *regex, struct filter_run *run, struct str text);
