#include "server/collect.h"

#include "api/routes.h"
#include "model/run.h"

static void event_label(struct buf *out, size_t cell, const void *arg)
{
    (void)arg;
    struct str word = cell < RUN_EVENT_TYPES ? run_event_word(cell) : STR("other");
    buf_printf(out, "event_type=\"%.*s\"", (int)word.len, word.data);
}

struct metrics *collect_metrics_new(unsigned shards)
{
    size_t routes = route_count(api_routes) + 1;
    const struct metric_cells cells[METRIC_LABELS_COUNT] = {
        [METRIC_BY_event] = {RUN_EVENT_TYPES + 1, event_label, NULL},
        [METRIC_BY_route] = {routes, route_label, api_routes},
        [METRIC_BY_answer] = {routes * ROUTE_CLASSES, route_answer_label, api_routes},
    };
    return metrics_new(shards, cells);
}

void collect_events(struct metrics *metrics, unsigned shard, const struct chunk *chunk)
{
    if (chunk_extra_count(chunk) == 0)
        return;
    const struct chunk_dictionary *types = &chunk_fields_names(chunk)->event_types;
    for (unsigned i = 0; i < types->count; i++)
        metrics_add_to(metrics, shard, METRIC_trace_events_total, run_event_place(types->names[i].name),
                       types->names[i].count);
}

static void leave_out(struct metrics *metrics, const enum metric *items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        metrics_leave_out(metrics, items[i]);
}

static void collect_files(const struct store_stats *stats, struct metrics *metrics)
{
    metrics_set(metrics, METRIC_store_bytes, (int64_t)stats->bytes);
    metrics_set(metrics, METRIC_store_wal_lost_bytes, (int64_t)stats->wal_lost);
    metrics_set_histogram(metrics, METRIC_fsync_seconds, stats->fsync_buckets, ARRAY_LEN(stats->fsync_buckets),
                          stats->fsync_ns_sum);
}

void collect_store(struct store *store, struct metrics *metrics)
{
    static const enum metric of_store[] = {METRIC_store_queue,
                                           METRIC_store_commits_total,
                                           METRIC_commit_seconds,
                                           METRIC_store_read_seconds,
                                           METRIC_sealed_total,
                                           METRIC_sealed_with_records_total,
                                           METRIC_sealed_records_total,
                                           METRIC_summaries_stored_total,
                                           METRIC_summary_chunks_read_total,
                                           METRIC_store_journaled_total,
                                           METRIC_store_journals_lost_total};
    static const enum metric of_files[] = {METRIC_store_bytes, METRIC_store_wal_lost_bytes, METRIC_fsync_seconds};
    struct store_stats stats;
    metrics_set(metrics, METRIC_bus_away, store_bus_away(store) != NULL);
    if (!store_stats(store, &stats)) {
        leave_out(metrics, of_store, ARRAY_LEN(of_store));
        leave_out(metrics, of_files, ARRAY_LEN(of_files));
        return;
    }
    if (stats.in_files)
        collect_files(&stats, metrics);
    else
        leave_out(metrics, of_files, ARRAY_LEN(of_files));
    metrics_set(metrics, METRIC_store_queue, (int64_t)stats.queue);
    metrics_set_total(metrics, METRIC_store_commits_total, stats.commits);
    metrics_set_total(metrics, METRIC_store_journaled_total, stats.journaled);
    metrics_set_total(metrics, METRIC_store_journals_lost_total, stats.journals_lost);
    metrics_set_histogram(metrics, METRIC_commit_seconds, stats.commit_buckets, ARRAY_LEN(stats.commit_buckets),
                          stats.commit_ns_sum);
    metrics_set_histogram(metrics, METRIC_store_read_seconds, stats.read_buckets, ARRAY_LEN(stats.read_buckets),
                          stats.read_ns_sum);
    metrics_set_total(metrics, METRIC_sealed_total, stats.seals);
    metrics_set_total(metrics, METRIC_sealed_with_records_total, stats.seals_with_records);
    metrics_set_total(metrics, METRIC_sealed_records_total, stats.sealed_records);
    metrics_set_total(metrics, METRIC_summaries_stored_total, stats.summaries);
    metrics_set_total(metrics, METRIC_summary_chunks_read_total, stats.summary_chunks);
}

void collect_memory(struct budget *budget, struct metrics *metrics)
{
    static const enum metric gauges[] = {
#define MEMORY_GAUGE(name, sixteenths, most, what, policy) [BUDGET_##name] = METRIC_memory_##name##_bytes,
        BUDGET_HOLDERS(MEMORY_GAUGE)
#undef MEMORY_GAUGE
    };
    uint64_t refused = 0;
    for (enum budget_holder holder = 0; holder < BUDGET_HOLDER_COUNT; holder++) {
        metrics_set(metrics, gauges[holder], (int64_t)budget_held(budget, holder));
        refused += budget_refused(budget, holder);
    }
    metrics_set(metrics, METRIC_memory_max_bytes, (int64_t)budget_max(budget));
    metrics_set_total(metrics, METRIC_memory_refused_total, refused);
}
