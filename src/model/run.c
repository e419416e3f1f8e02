#include "model/run.h"

static const struct {
    const char *word, *run_word;
} states[NODE_STATE_COUNT] = {
#define STATE_ENTRY(name, word, run_word) [NODE_##name] = {word, run_word},
    NODE_STATES(STATE_ENTRY)
#undef STATE_ENTRY
};

#define AS_IT_WAS NODE_STATE_COUNT

// Every event type that means something to its node. The first one of a trace's type is what that type becomes.
static const struct rule {
    struct str event_type;
    const char *trace; // NULL: traces have no such type
    enum node_state state;
} rules[] = {
    {{"node_queued", 11}, NULL, NODE_PENDING},
    {{"node_started", 12}, "STARTED", NODE_RUNNING},
    {{"node_progress", 13}, "PROGRESS", AS_IT_WAS},
    {{"node_awaiting_input", 19}, "AWAITING_INPUT", NODE_AWAITING_INPUT},
    {{"node_completed", 14}, "COMPLETED", NODE_COMPLETED},
    {{"node_failed", 11}, "FAILED", NODE_FAILED},
    {{"node_skipped", 12}, "SKIPPED", NODE_SKIPPED},
    {{"node_cancelled", 14}, NULL, NODE_CANCELLED},
    {{"step_started", 12}, "STARTED", NODE_RUNNING},
    {{"step_completed", 14}, "COMPLETED", NODE_COMPLETED},
    {{"step_error", 10}, "FAILED", NODE_FAILED},
};

_Static_assert(ARRAY_LEN(rules) == RUN_EVENT_TYPES, "each has a place");

const char *node_state_word(enum node_state state)
{
    return states[state].word;
}

const char *node_state_run_word(enum node_state state)
{
    return states[state].run_word;
}

bool node_state_over(enum node_state state)
{
    return state >= NODE_COMPLETED;
}

static bool is_under_way(enum node_state state)
{
    return state == NODE_RUNNING || state == NODE_AWAITING_INPUT;
}

static const struct rule *rule_of(struct str event_type)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (str_eq(rules[i].event_type, event_type))
            return &rules[i];
    }
    return NULL;
}

enum node_state node_state_after(enum node_state state, struct str event_type, bool *ret_attempt)
{
    const struct rule *rule = rule_of(event_type);
    enum node_state next = rule ? rule->state : AS_IT_WAS;
    if (next == AS_IT_WAS)
        next = state == NODE_PENDING ? NODE_RUNNING : state;
    else if (next == NODE_PENDING && is_under_way(state))
        next = state; // it does not stop to wait for its next attempt before this one ends
    // An end that nobody saw begin was an attempt, too. The same end again is the same attempt.
    bool tried = is_under_way(next) || next == NODE_COMPLETED || next == NODE_FAILED;
    *ret_attempt = tried && !is_under_way(state) && next != state;
    return next;
}

enum node_state node_state_shown(enum node_state state, enum execution_status run, bool sealed)
{
    if (!is_under_way(state) || (!sealed && !status_terminal(run)))
        return state;
    switch (run) {
    case STATUS_COMPLETED:
        return NODE_COMPLETED;
    case STATUS_CANCELLED:
        return NODE_CANCELLED;
    case STATUS_SKIPPED:
        return NODE_SKIPPED;
    default:
        return NODE_FAILED;
    }
}

void node_progress_apply(struct node_progress *progress, struct str event_type, int64_t time_ms)
{
    bool attempt;
    struct node_times *times = &progress->times;
    enum node_state before = progress->state, after = node_state_after(before, event_type, &attempt);
    if (attempt) {
        progress->attempts++;
        *times = (struct node_times){.queued_ms = before == NODE_PENDING ? times->queued_ms : 0, .started_ms = time_ms};
    } else if (after == NODE_PENDING && (before != NODE_PENDING || times->queued_ms == 0)) {
        times->queued_ms = time_ms;
    }
    if (node_state_over(after) && after != before)
        times->ended_ms = time_ms;
    progress->state = after;
}

static bool is_spelling(struct str type, const struct rule *rule)
{
    struct str prefix = STR("node_");
    return str_eq_nocase(type, rule->event_type) || (rule->trace && str_eq_nocase(type, str_of(rule->trace))) ||
           (type.len > prefix.len && rule->trace && str_eq_nocase(str_n(type.data, prefix.len), prefix) &&
            str_eq_nocase(str_n(type.data + prefix.len, type.len - prefix.len), str_of(rule->trace)));
}

struct str run_event_type(struct str type)
{
    for (size_t i = 0; i < ARRAY_LEN(rules); i++) {
        if (is_spelling(type, &rules[i]))
            return rules[i].event_type;
    }
    return str_n(NULL, 0);
}

size_t run_event_place(struct str event_type)
{
    const struct rule *rule = rule_of(event_type);
    return rule ? (size_t)(rule - rules) : RUN_EVENT_TYPES;
}

struct str run_event_word(size_t place)
{
    return rules[place].event_type;
}

const char *run_trace_type(struct str event_type)
{
    const struct rule *rule = rule_of(event_type);
    return rule ? rule->trace : NULL;
}
