#include "model/retry.h"

#include <signal.h>

#define SIGNAL_CODE 128 // exit codes above it are those of signals
#define CODE_MAX    255
#define SIGNAL_MAX  63

// --- What follows

static bool rule_says_any(const struct retry_rule *rule)
{
    bool says = rule->any_failure || rule->timed_out || rule->lost || rule->signals != 0;
    for (size_t i = 0; i < sizeof(rule->exit_codes); i++)
        says = says || rule->exit_codes[i] != 0;
    return says;
}

static bool has_code(const struct retry_rule *rule, int code)
{
    return code >= 0 && code <= CODE_MAX && (rule->exit_codes[code / 8] >> (code % 8) & 1);
}

static bool has_signal(const struct retry_rule *rule, int signal)
{
    return signal > 0 && signal <= SIGNAL_MAX && (rule->signals >> signal & 1);
}

static bool covers(const struct retry_rule *rule, const struct outcome *outcome)
{
    bool any = !rule_says_any(rule);
    switch (outcome->status) {
    case STATUS_TIMED_OUT:
        return any || rule->timed_out;
    case STATUS_LOST:
        return any || rule->lost;
    case STATUS_FAILED:
        if (any || rule->any_failure)
            return true;
        return outcome->has_exit_code &&
               (has_code(rule, outcome->exit_code) || has_signal(rule, outcome->exit_code - SIGNAL_CODE));
    default:
        return false;
    }
}

static int64_t delay_after(const struct retry_rule *rule, unsigned attempt)
{
    int64_t delay_ms = rule->delay_ms;
    for (unsigned i = 1; i < attempt && delay_ms > 0 && delay_ms < RETRY_DELAY_MAX_MS; i++)
        delay_ms *= 2;
    return MIN(delay_ms, RETRY_DELAY_MAX_MS);
}

struct retry_verdict retry_decide(const struct retry_rule *rule, const struct retry_attempt *attempt)
{
    if (attempt->unwanted || attempt->number > rule->retries || !covers(rule, attempt->outcome))
        return (struct retry_verdict){0};
    int64_t delay_ms = delay_after(rule, attempt->number);
    if (attempt->outcome->status == STATUS_LOST)
        delay_ms = MAX(delay_ms, RETRY_LOST_MARGIN_MS);
    return (struct retry_verdict){.again = true, .delay_ms = delay_ms};
}

bool retry_after_lost(const struct retry_rule *rule, unsigned attempt)
{
    return attempt <= rule->retries && covers(rule, &(struct outcome){.status = STATUS_LOST});
}

// --- Words

static bool number_in(struct str text, uint64_t most, uint64_t *ret)
{
    uint64_t number;
    if (!str_to_u64(text, &number) || number == 0 || number > most)
        return false;
    *ret = number;
    return true;
}

static bool add_codes(struct retry_rule *rule, struct str range)
{
    uint64_t from, to;
    struct str first = str_split(&range, '-');
    if (!number_in(first, CODE_MAX, &from))
        return false;
    to = from;
    if (range.data && (!number_in(range, CODE_MAX, &to) || to < from))
        return false;
    for (uint64_t code = from; code <= to; code++)
        rule->exit_codes[code / 8] |= (uint8_t)(1u << (code % 8));
    return true;
}

static bool signal_of(struct str name, uint64_t *ret)
{
    if (number_in(name, SIGNAL_MAX, ret))
        return true;
    if (str_starts(name, STR("SIG")))
        name = str_n(name.data + 3, name.len - 3);
    for (int i = 1; i <= SIGNAL_MAX; i++) {
        const char *known = sigabbrev_np(i);
        if (!known || !str_eq_nocase(name, str_of(known)))
            continue;
        *ret = (uint64_t)i;
        return true;
    }
    return false;
}

bool retry_rule_add(struct retry_rule *rule, struct str word)
{
    static const struct {
        struct str word;
        size_t flag;
    } flags[] = {
        {STR("failed"), offsetof(struct retry_rule, any_failure)},
        {STR("timed_out"), offsetof(struct retry_rule, timed_out)},
        {STR("lost"), offsetof(struct retry_rule, lost)},
    };
    for (size_t i = 0; i < ARRAY_LEN(flags); i++) {
        if (!str_eq(word, flags[i].word))
            continue;
        *(bool *)((char *)rule + flags[i].flag) = true;
        return true;
    }
    uint64_t signal;
    struct str value = word, kind = str_split(&value, ':');
    if (str_eq(kind, STR("exit")))
        return add_codes(rule, value);
    if (!str_eq(kind, STR("signal")) || !signal_of(value, &signal))
        return false;
    rule->signals |= (uint64_t)1 << signal;
    return true;
}

static void append_word(struct buf *out, size_t begin, const char *text)
{
    if (out->len > begin)
        buf_append_byte(out, ',');
    buf_append_text(out, text);
}

static void append_codes(const struct retry_rule *rule, struct buf *out, size_t begin)
{
    for (int from = 0; from <= CODE_MAX; from++) {
        int to = from;
        if (!has_code(rule, from))
            continue;
        while (has_code(rule, to + 1))
            to++;
        char word[32];
        snprintf(word, sizeof(word), to > from ? "exit:%d-%d" : "exit:%d", from, to);
        append_word(out, begin, word);
        from = to;
    }
}

void retry_rule_append(const struct retry_rule *rule, struct buf *out)
{
    size_t begin = out->len;
    if (rule->any_failure)
        append_word(out, begin, "failed");
    if (rule->timed_out)
        append_word(out, begin, "timed_out");
    if (rule->lost)
        append_word(out, begin, "lost");
    append_codes(rule, out, begin);
    for (int signal = 1; signal <= SIGNAL_MAX; signal++) {
        char word[16];
        snprintf(word, sizeof(word), "signal:%d", signal);
        if (has_signal(rule, signal))
            append_word(out, begin, word);
    }
}

bool retry_rule_parse(struct str words, struct retry_rule *rule)
{
    while (words.len > 0)
        if (!retry_rule_add(rule, str_split(&words, ',')))
            return false;
    return true;
}
