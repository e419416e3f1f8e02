#include "metrics/metrics.h"

#include "metrics/process.h"
#include "util/error.h"

#include <stdatomic.h>

#define BUCKETS         20
#define BUCKET_FIRST_NS 64000u
#define CACHE_LINE      128
#define REASONS         (ERR_END_ - ERR_FIRST_ - 1)

enum kind { KIND_C, KIND_G, KIND_H };

struct description {
    enum kind kind;
    const char *name;
    enum metric_labels labels;
    const char *help;
};

static const struct description descriptions[] = {
#define METRIC_DESCRIPTION(kind, name, labels, help) {KIND_##kind, #name, METRIC_BY_##labels, help},
    METRICS(METRIC_DESCRIPTION)
#undef METRIC_DESCRIPTION
};

struct label_set {
    const char *names;
    bool sparse;
};

static const struct label_set label_sets[] = {
#define METRIC_LABEL_SET(labels, names, sparse) {names, sparse},
    METRIC_LABELS(METRIC_LABEL_SET)
#undef METRIC_LABEL_SET
};

struct histogram {
    _Atomic uint64_t buckets[BUCKETS + 1]; // the last bucket takes everything that is longer
    _Atomic uint64_t sum_ns;
};

// Each thread writes to its own shard, on its own cache lines.
struct shard {
    _Atomic int64_t *values;
    struct histogram *histograms;
};

struct cells {
    char **texts;
    size_t count;
};

struct metrics {
    unsigned shard_count;
    atomic_bool left_out[METRIC_COUNT];
    struct cells cells[METRIC_LABELS_COUNT];
    size_t first[METRIC_COUNT]; // of its cells, among the values or the histograms of a shard
    struct shard *shards;       // one more than shard_count: the last holds what was counted elsewhere and set here
};

// --- Life

static void add_cells(struct cells *cells, const struct metric_cells *more)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (more->count == 0)
        return;
    cells->texts = xrealloc(cells->texts, (cells->count + more->count) * sizeof(*cells->texts));
    for (size_t i = 0; i < more->count; i++) {
        buf_reset(&text);
        more->label(&text, i, more->arg);
        cells->texts[cells->count++] = xstrdup(buf_cstr(&text));
    }
}

static void no_label(struct buf *out, size_t cell, const void *arg)
{
    (void)out, (void)cell, (void)arg;
}

static void reason_label(struct buf *out, size_t cell, const void *arg)
{
    (void)arg;
    buf_printf(out, "reason=\"%s\"", error_word(ERR_FIRST_ + 1 + (int)cell));
}

static void transport_label(struct buf *out, size_t cell, const void *arg)
{
    static const char *const words[] = {[METRIC_WEBSOCKET] = "websocket", [METRIC_SSE] = "sse", [METRIC_HTTP] = "http"};
    (void)arg;
    buf_printf(out, "transport=\"%s\"", words[cell]);
}

static const struct metric_cells known[METRIC_LABELS_COUNT] = {
    [METRIC_BY_none] = {1, no_label, NULL},
    [METRIC_BY_reason] = {REASONS, reason_label, NULL},
    [METRIC_BY_transport] = {METRIC_HTTP + 1, transport_label, NULL},
};

static void *zeroed_lines(size_t size)
{
    size = (size / CACHE_LINE + 1) * CACHE_LINE;
    void *ret = aligned_alloc(CACHE_LINE, size);
    if (!ret)
        abort();
    return memset(ret, 0, size);
}

struct metrics *metrics_new(unsigned shards, const struct metric_cells cells[METRIC_LABELS_COUNT])
{
    struct metrics *metrics = xcalloc(1, sizeof(*metrics));
    size_t values = 0, histograms = 0;
    for (size_t set = 0; set < METRIC_LABELS_COUNT; set++) {
        add_cells(&metrics->cells[set], &known[set]);
        if (cells)
            add_cells(&metrics->cells[set], &cells[set]);
    }
    for (size_t i = 0; i < METRIC_COUNT; i++) {
        size_t *next = descriptions[i].kind == KIND_H ? &histograms : &values;
        metrics->first[i] = *next;
        *next += metrics->cells[descriptions[i].labels].count;
    }
    metrics->shard_count = MAX(shards, 1);
    metrics->shards = xcalloc(metrics->shard_count + 1, sizeof(*metrics->shards));
    for (unsigned i = 0; i <= metrics->shard_count; i++)
        metrics->shards[i] = (struct shard){.values = zeroed_lines(values * sizeof(*metrics->shards->values)),
                                            .histograms = zeroed_lines(histograms * sizeof(struct histogram))};
    return metrics;
}

static void cells_free(struct cells *cells)
{
    for (size_t i = 0; i < cells->count; i++)
        free(cells->texts[i]);
    free(cells->texts);
}

void metrics_free(struct metrics **metrics_ptr)
{
    struct metrics *metrics = TAKE_PTR(*metrics_ptr);
    if (!metrics)
        return;
    for (unsigned i = 0; i <= metrics->shard_count; i++) {
        free(metrics->shards[i].values);
        free(metrics->shards[i].histograms);
    }
    for (size_t i = 0; i < METRIC_LABELS_COUNT; i++)
        cells_free(&metrics->cells[i]);
    free(metrics->shards);
    free(metrics);
}

// --- Counting

static bool has_cell(const struct metrics *metrics, enum metric metric, size_t cell)
{
    return cell < metrics->cells[descriptions[metric].labels].count;
}

static struct shard *own_shard(struct metrics *metrics, unsigned shard)
{
    return &metrics->shards[shard % metrics->shard_count];
}

static struct shard *outside_shard(struct metrics *metrics)
{
    return &metrics->shards[metrics->shard_count];
}

void metrics_add_to(struct metrics *metrics, unsigned shard, enum metric metric, size_t cell, int64_t amount)
{
    if (has_cell(metrics, metric, cell))
        atomic_fetch_add_explicit(&own_shard(metrics, shard)->values[metrics->first[metric] + cell], amount,
                                  memory_order_relaxed);
}

void metrics_add(struct metrics *metrics, unsigned shard, enum metric metric, int64_t amount)
{
    metrics_add_to(metrics, shard, metric, 0, amount);
}

void metrics_set(struct metrics *metrics, enum metric metric, int64_t value)
{
    atomic_store_explicit(&outside_shard(metrics)->values[metrics->first[metric]], value, memory_order_relaxed);
}

void metrics_set_total(struct metrics *metrics, enum metric metric, uint64_t value)
{
    metrics_set(metrics, metric, (int64_t)MIN(value, (uint64_t)INT64_MAX));
}

static unsigned bucket_of(uint64_t ns)
{
    unsigned i = 0;
    for (uint64_t bound = BUCKET_FIRST_NS; i < BUCKETS && ns > bound; bound *= 2)
        i++;
    return i;
}

void metrics_observe_in(struct metrics *metrics, unsigned shard, enum metric metric, size_t cell, uint64_t ns)
{
    if (!has_cell(metrics, metric, cell))
        return;
    struct histogram *histogram = &own_shard(metrics, shard)->histograms[metrics->first[metric] + cell];
    atomic_fetch_add_explicit(&histogram->buckets[bucket_of(ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, ns, memory_order_relaxed);
}

void metrics_observe_ns(struct metrics *metrics, unsigned shard, enum metric metric, uint64_t ns)
{
    metrics_observe_in(metrics, shard, metric, 0, ns);
}

void metrics_set_histogram(struct metrics *metrics, enum metric metric, const uint64_t *buckets, unsigned count,
                           uint64_t sum_ns)
{
    struct histogram *histogram = &outside_shard(metrics)->histograms[metrics->first[metric]];
    for (unsigned i = 0; i < MIN(count, BUCKETS + 1u); i++)
        atomic_store_explicit(&histogram->buckets[i], buckets[i], memory_order_relaxed);
    atomic_store_explicit(&histogram->sum_ns, sum_ns, memory_order_relaxed);
}

void metrics_leave_out(struct metrics *metrics, enum metric metric)
{
    atomic_store_explicit(&metrics->left_out[metric], true, memory_order_relaxed);
}

void metrics_refused(struct metrics *metrics, unsigned shard, int err)
{
    if (err <= ERR_FIRST_ || err >= ERR_END_)
        err = ERR_INTERNAL;
    metrics_add_to(metrics, shard, METRIC_refusals_total, (size_t)(err - ERR_FIRST_ - 1), 1);
}

// --- Exporting

static void append_seconds(struct buf *out, uint64_t ns)
{
    buf_printf(out, "%llu.%09llu", (unsigned long long)(ns / 1000000000), (unsigned long long)(ns % 1000000000));
    while (out->data[out->len - 1] == '0' && out->data[out->len - 2] != '.')
        out->len--;
}

// What stands behind a name: {labels, le="…"}; nothing if there is neither.
static void append_labels(struct buf *out, const char *labels, const char *le)
{
    if (!*labels && !*le)
        return;
    buf_printf(out, "{%s%s%s}", labels, *labels && *le ? "," : "", le);
}

static void export_value(const struct metrics *metrics, enum metric metric, size_t cell, struct buf *out)
{
    const struct description *description = &descriptions[metric];
    int64_t sum = 0;
    for (unsigned i = 0; i <= metrics->shard_count; i++)
        sum += atomic_load_explicit(&metrics->shards[i].values[metrics->first[metric] + cell], memory_order_relaxed);
    if (sum == 0 && label_sets[description->labels].sparse)
        return;
    buf_printf(out, "runnel_%s", description->name);
    append_labels(out, metrics->cells[description->labels].texts[cell], "");
    buf_printf(out, " %lld\n", (long long)sum);
}

// The sum is read first, and the count is the sum of the buckets. So an observation that happens meanwhile cannot make
// the count contradict the buckets.
static void add_up(const struct metrics *metrics, size_t at, uint64_t counts[BUCKETS + 1], uint64_t *ret_sum_ns)
{
    for (unsigned s = 0; s <= metrics->shard_count; s++)
        *ret_sum_ns += atomic_load_explicit(&metrics->shards[s].histograms[at].sum_ns, memory_order_relaxed);
    for (unsigned i = 0; i <= BUCKETS; i++)
        for (unsigned s = 0; s <= metrics->shard_count; s++)
            counts[i] += atomic_load_explicit(&metrics->shards[s].histograms[at].buckets[i], memory_order_relaxed);
    for (unsigned i = 1; i <= BUCKETS; i++)
        counts[i] += counts[i - 1];
}

static void append_bound(struct buf *out, unsigned bucket)
{
    buf_append_text(out, "le=\"");
    if (bucket < BUCKETS)
        append_seconds(out, (uint64_t)BUCKET_FIRST_NS << bucket);
    else
        buf_append_text(out, "+Inf");
    buf_append_byte(out, '"');
}

static void export_histogram(const struct metrics *metrics, enum metric metric, size_t cell, struct buf *out)
{
    const struct description *description = &descriptions[metric];
    const char *labels = metrics->cells[description->labels].texts[cell];
    uint64_t counts[BUCKETS + 1] = {0}, sum_ns = 0;
    CLEANUP(buf_release) struct buf bound = {0};
    add_up(metrics, metrics->first[metric] + cell, counts, &sum_ns);
    if (counts[BUCKETS] == 0 && label_sets[description->labels].sparse)
        return;
    for (unsigned i = 0; i <= BUCKETS; i++) {
        buf_reset(&bound);
        append_bound(&bound, i);
        buf_printf(out, "runnel_%s_bucket", description->name);
        append_labels(out, labels, buf_cstr(&bound));
        buf_printf(out, " %llu\n", (unsigned long long)counts[i]);
    }
    buf_printf(out, "runnel_%s_sum", description->name);
    append_labels(out, labels, "");
    buf_append_byte(out, ' ');
    append_seconds(out, sum_ns);
    buf_printf(out, "\nrunnel_%s_count", description->name);
    append_labels(out, labels, "");
    buf_printf(out, " %llu\n", (unsigned long long)counts[BUCKETS]);
}

static const char *const kind_names[] = {[KIND_C] = "counter", [KIND_G] = "gauge", [KIND_H] = "histogram"};

void metrics_export(const struct metrics *metrics, struct buf *out)
{
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const struct description *description = &descriptions[i];
        if (atomic_load_explicit(&metrics->left_out[i], memory_order_relaxed))
            continue;
        buf_printf(out, "# HELP runnel_%s %s\n# TYPE runnel_%s %s\n", description->name, description->help,
                   description->name, kind_names[description->kind]);
        for (size_t cell = 0; cell < metrics->cells[description->labels].count; cell++) {
            if (description->kind == KIND_H)
                export_histogram(metrics, i, cell, out);
            else
                export_value(metrics, i, cell, out);
        }
    }
}

void metrics_document(struct buf *out)
{
    buf_append_text(out, "# Metrics\n\n"
                         "`GET /metrics` answers in the text format of Prometheus (0.0.4). Histograms have 20 buckets, "
                         "from 64 µs on, each twice as\n"
                         "wide as the one before. What this server's store cannot tell is left out.\n\n"
                         "| name | kind | meaning |\n|---|---|---|\n");
    for (unsigned i = 0; i < METRIC_COUNT; i++) {
        const char *names = label_sets[descriptions[i].labels].names;
        buf_printf(out, "| `runnel_%s%s%s%s` | %s | %s |\n", descriptions[i].name, *names ? "{" : "", names,
                   *names ? "}" : "", kind_names[descriptions[i].kind], descriptions[i].help);
    }
    process_metrics_document(out);
}
