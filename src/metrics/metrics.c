#include "metrics/metrics.h"

#include "util/error.h"

#include <stdatomic.h>

#define BUCKETS         20
#define BUCKET_FIRST_NS 64000u
#define REASONS         (ERR_END_ - ERR_FIRST_ - 1)

enum kind { KIND_C, KIND_G, KIND_H };

struct description {
    enum kind kind;
    const char *name, *help;
};

static const struct description descriptions[] = {
#define METRIC_DESCRIPTION(kind, name, help) {KIND_##kind, #name, help},
    METRICS(METRIC_DESCRIPTION)
#undef METRIC_DESCRIPTION
};

// Gives each histogram its own index among the histograms.
enum histogram_index {
#define HISTOGRAM_C(name)
#define HISTOGRAM_G(name)
#define HISTOGRAM_H(name)                HISTOGRAM_##name,
#define HISTOGRAM_ENUM(kind, name, help) HISTOGRAM_##kind(name)
    METRICS(HISTOGRAM_ENUM)
#undef HISTOGRAM_ENUM
#undef HISTOGRAM_H
        HISTOGRAMS
};

static const unsigned char histogram_of[] = {
#define HISTOGRAM_H(name)                 [METRIC_##name] = HISTOGRAM_##name,
#define HISTOGRAM_PLACE(kind, name, help) HISTOGRAM_##kind(name)
    METRICS(HISTOGRAM_PLACE)};

struct histogram {
    _Atomic uint64_t buckets[BUCKETS + 1]; // the last bucket takes everything that is longer
    _Atomic uint64_t sum_ns;
};

// Each thread writes to its own shard, on its own cache lines.
struct shard {
    _Alignas(128) _Atomic int64_t values[METRIC_COUNT];
    _Atomic uint64_t refusals[REASONS];
    struct histogram histograms[HISTOGRAMS];
};

struct metrics {
    unsigned shard_count;
    atomic_bool left_out[METRIC_COUNT];
    struct shard *shards; // one more than shard_count: the last holds what was counted elsewhere and set here
};

struct metrics *metrics_new(unsigned shards)
{
    struct metrics *metrics = xcalloc(1, sizeof(*metrics));
    metrics->shard_count = MAX(shards, 1);
    size_t size = (metrics->shard_count + 1) * sizeof(*metrics->shards);
    metrics->shards = aligned_alloc(_Alignof(struct shard), size);
    if (!metrics->shards)
        abort();
    memset(metrics->shards, 0, size);
    return metrics;
}

void metrics_free(struct metrics **metrics)
{
    if (!*metrics)
        return;
    free((*metrics)->shards);
    free(TAKE_PTR(*metrics));
}

static struct shard *own_shard(struct metrics *metrics, unsigned shard)
{
    return &metrics->shards[shard % metrics->shard_count];
}

static struct shard *outside_shard(struct metrics *metrics)
{
    return &metrics->shards[metrics->shard_count];
}

void metrics_add(struct metrics *metrics, unsigned shard, enum metric metric, int64_t amount)
{
    atomic_fetch_add_explicit(&own_shard(metrics, shard)->values[metric], amount, memory_order_relaxed);
}

void metrics_set(struct metrics *metrics, enum metric metric, int64_t value)
{
    atomic_store_explicit(&outside_shard(metrics)->values[metric], value, memory_order_relaxed);
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

void metrics_observe_ns(struct metrics *metrics, unsigned shard, enum metric metric, uint64_t ns)
{
    struct histogram *histogram = &own_shard(metrics, shard)->histograms[histogram_of[metric]];
    atomic_fetch_add_explicit(&histogram->buckets[bucket_of(ns)], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&histogram->sum_ns, ns, memory_order_relaxed);
}

void metrics_set_histogram(struct metrics *metrics, enum metric metric, const uint64_t *buckets, unsigned count,
                           uint64_t sum_ns)
{
    struct histogram *histogram = &outside_shard(metrics)->histograms[histogram_of[metric]];
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
    atomic_fetch_add_explicit(&own_shard(metrics, shard)->refusals[err - ERR_FIRST_ - 1], 1, memory_order_relaxed);
}

static void append_seconds(struct buf *out, uint64_t ns)
{
    buf_printf(out, "%llu.%09llu", (unsigned long long)(ns / 1000000000), (unsigned long long)(ns % 1000000000));
    while (out->data[out->len - 1] == '0' && out->data[out->len - 2] != '.')
        out->len--;
}

static void export_value(const struct metrics *metrics, enum metric metric, struct buf *out)
{
    int64_t sum = 0;
    for (unsigned i = 0; i <= metrics->shard_count; i++)
        sum += atomic_load_explicit(&metrics->shards[i].values[metric], memory_order_relaxed);
    buf_printf(out, "runnel_%s %lld\n", descriptions[metric].name, (long long)sum);
}

static void export_histogram(const struct metrics *metrics, enum metric metric, struct buf *out)
{
    const char *name = descriptions[metric].name;
    uint64_t count = 0, sum_ns = 0, bound = BUCKET_FIRST_NS;
    // The sum is read first, and the count is the sum of the buckets. So an observation that happens meanwhile cannot
    // make the count contradict the buckets.
    for (unsigned s = 0; s <= metrics->shard_count; s++)
        sum_ns +=
            atomic_load_explicit(&metrics->shards[s].histograms[histogram_of[metric]].sum_ns, memory_order_relaxed);
    for (unsigned i = 0; i <= BUCKETS; i++, bound *= 2) {
        for (unsigned s = 0; s <= metrics->shard_count; s++)
            count += atomic_load_explicit(&metrics->shards[s].histograms[histogram_of[metric]].buckets[i],
                                          memory_order_relaxed);
        buf_printf(out, "runnel_%s_bucket{le=\"", name);
        if (i < BUCKETS)
            append_seconds(out, bound);
        else
            buf_append_text(out, "+Inf");
        buf_printf(out, "\"} %llu\n", (unsigned long long)count);
    }
    buf_printf(out, "runnel_%s_sum ", name);
    append_seconds(out, sum_ns);
    buf_printf(out, "\nrunnel_%s_count %llu\n", name, (unsigned long long)count);
}

#define REFUSALS_HELP "requests and frames refused, by the code word of the error"

static void export_refusals(const struct metrics *metrics, struct buf *out)
{
    buf_append_text(out, "# HELP runnel_refusals_total " REFUSALS_HELP "\n# TYPE runnel_refusals_total counter\n");
    for (int reason = 0; reason < REASONS; reason++) {
        uint64_t count = 0;
        for (unsigned s = 0; s <= metrics->shard_count; s++)
            count += atomic_load_explicit(&metrics->shards[s].refusals[reason], memory_order_relaxed);
        buf_printf(out, "runnel_refusals_total{reason=\"%s\"} %llu\n", error_word(ERR_FIRST_ + 1 + reason),
                   (unsigned long long)count);
    }
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
        if (description->kind == KIND_H)
            export_histogram(metrics, i, out);
        else
            export_value(metrics, i, out);
    }
    export_refusals(metrics, out);
}

void metrics_document(struct buf *out)
{
    buf_append_text(out, "# Metrics\n\n"
                         "`GET /metrics` answers in the text format of Prometheus (0.0.4). Histograms have 20 buckets, "
                         "from 64 µs on, each twice as\n"
                         "wide as the one before. What this server's store cannot tell is left out.\n\n"
                         "| name | kind | meaning |\n|---|---|---|\n");
    for (unsigned i = 0; i < METRIC_COUNT; i++)
        buf_printf(out, "| `runnel_%s` | %s | %s |\n", descriptions[i].name, kind_names[descriptions[i].kind],
                   descriptions[i].help);
    buf_append_text(out, "| `runnel_refusals_total{reason=\"…\"}` | counter | " REFUSALS_HELP " |\n");
}
