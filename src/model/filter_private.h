// The inside of a filter. Only for the files filter*.c.
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

// Texts of which every match contains at least one. If there are none, nothing is known.
struct filter_literals {
    struct token_needle needles[FILTER_LITERALS_MAX];
    size_t count;
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
