#include "model/demand.h"

// --- Text: "process runtime=python:3.11 cpus=2000 memory=1073741824 label=gpu label=ssd unconfined"

bool demand_word_valid(struct str word)
{
    for (size_t i = 0; i < word.len; i++)
        if (word.data[i] <= ' ' || word.data[i] >= 0x7f)
            return false;
    return word.len > 0;
}

static bool words_valid(const struct demand *demand)
{
    if (demand->label_count > DEMAND_LABELS_MAX || !demand_word_valid(demand->executor))
        return false;
    for (unsigned i = 0; i < demand->label_count; i++)
        if (!demand_word_valid(demand->labels[i]))
            return false;
    return demand->runtime.len == 0 || demand_word_valid(demand->runtime);
}

static int compare_labels(const void *a, const void *b)
{
    const struct str *left = a, *right = b;
    int order = memcmp(left->data, right->data, MIN(left->len, right->len));
    return order ? order : (left->len > right->len) - (left->len < right->len);
}

static void append_labels(const struct demand *demand, struct buf *out)
{
    struct str labels[DEMAND_LABELS_MAX];
    memcpy(labels, demand->labels, sizeof(labels));
    qsort(labels, demand->label_count, sizeof(*labels), compare_labels);
    for (unsigned i = 0; i < demand->label_count; i++)
        if (i == 0 || !str_eq(labels[i], labels[i - 1]))
            buf_printf(out, " label=%.*s", STR_ARGS(labels[i]));
}

bool demand_append(const struct demand *demand, struct buf *out)
{
    size_t begin = out->len;
    if (!words_valid(demand))
        return false;
    buf_append_str(out, demand->executor);
    if (demand->runtime.len > 0)
        buf_printf(out, " runtime=%.*s", STR_ARGS(demand->runtime));
    if (demand->cpus_milli > 0)
        buf_printf(out, " cpus=%u", demand->cpus_milli);
    if (demand->memory_bytes > 0)
        buf_printf(out, " memory=%llu", (unsigned long long)demand->memory_bytes);
    append_labels(demand, out);
    if (demand->unconfined)
        buf_append_text(out, " unconfined");
    if (out->len - begin <= DEMAND_TEXT_MAX)
        return true;
    out->len = begin;
    return false;
}

static bool parse_word(struct str name, struct str value, struct demand *demand)
{
    uint64_t number;
    if (str_eq(name, STR("unconfined")) && !value.data)
        return demand->unconfined = true;
    if (!demand_word_valid(value))
        return false;
    if (str_eq(name, STR("runtime"))) {
        demand->runtime = value;
        return true;
    }
    if (str_eq(name, STR("label")) && demand->label_count < DEMAND_LABELS_MAX) {
        demand->labels[demand->label_count++] = value;
        return true;
    }
    if (str_eq(name, STR("memory")))
        return str_to_u64(value, &demand->memory_bytes);
    if (!str_eq(name, STR("cpus")) || !str_to_u64(value, &number) || number > UINT32_MAX)
        return false;
    demand->cpus_milli = (uint32_t)number;
    return true;
}

bool demand_parse(struct str text, struct demand *ret)
{
    struct demand demand = {.executor = str_split(&text, ' ')};
    if (!demand_word_valid(demand.executor))
        return false;
    while (text.data) {
        struct str value = str_split(&text, ' '), name = str_split(&value, '=');
        if (!parse_word(name, value, &demand))
            return false;
    }
    *ret = demand;
    return true;
}

// --- Fit

bool runtime_matches(struct str wanted, struct str offered)
{
    if (!str_starts(offered, wanted) || wanted.len == 0)
        return wanted.len == 0;
    if (offered.len == wanted.len)
        return true;
    bool has_version = str_find(wanted, ':') != NULL;
    return offered.data[wanted.len] == (has_version ? '.' : ':');
}

static bool among(struct str word, const struct str *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (str_eq(word, words[i]))
            return true;
    return false;
}

static bool runtime_among(struct str wanted, const struct str *offered, unsigned count)
{
    bool found = wanted.len == 0;
    for (unsigned i = 0; i < count && !found; i++)
        found = runtime_matches(wanted, offered[i]);
    return found;
}

static bool lacks_label(const struct demand *demand, const struct offer *offer, struct str *ret_label)
{
    for (unsigned i = 0; i < demand->label_count; i++) {
        if (among(demand->labels[i], offer->labels, offer->label_count))
            continue;
        if (ret_label)
            *ret_label = demand->labels[i];
        return true;
    }
    return false;
}

enum demand_fit demand_fits(const struct demand *demand, const struct offer *offer, struct str *ret_label)
{
    if (!among(demand->executor, offer->executors, offer->executor_count))
        return DEMAND_NO_EXECUTOR;
    if (!runtime_among(demand->runtime, offer->runtimes, offer->runtime_count))
        return DEMAND_NO_RUNTIME;
    if (lacks_label(demand, offer, ret_label))
        return DEMAND_NO_LABEL;
    if (demand->cpus_milli > offer->cpus_milli || demand->memory_bytes > offer->memory_bytes)
        return DEMAND_TOO_LARGE;
    if (offer->confined_only && !demand->unconfined)
        return DEMAND_NOT_TRUSTED;
    bool free =
        offer->slots_free > 0 && demand->cpus_milli <= offer->cpus_free && demand->memory_bytes <= offer->memory_free;
    return free ? DEMAND_FITS : DEMAND_BUSY;
}

// --- Why not

// The closer to fitting, the smaller.
static unsigned distance(enum demand_fit fit)
{
    static const unsigned distances[] = {
        [DEMAND_FITS] = 0,       [DEMAND_BUSY] = 1,        [DEMAND_TOO_LARGE] = 2,   [DEMAND_NO_LABEL] = 3,
        [DEMAND_NO_RUNTIME] = 4, [DEMAND_NOT_TRUSTED] = 5, [DEMAND_NO_EXECUTOR] = 6,
    };
    return distances[fit];
}

void demand_why_add(struct demand_why *why, const struct demand *demand, const struct offer *offer, bool drains)
{
    struct str label = {0};
    enum demand_fit fit = demand_fits(demand, offer, &label);
    bool could = fit == DEMAND_FITS || fit == DEMAND_BUSY;
    if (drains) {
        why->drains |= could;
        return;
    }
    if (distance(fit) >= distance(why->fit))
        return;
    why->fit = fit;
    why->label = label;
}
