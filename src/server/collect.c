#include "server/collect.h"

void collect_store(struct store *store, struct metrics *metrics)
{
    static const enum metric of_store[] = {METRIC_store_bytes,    METRIC_store_wal_lost_bytes,
                                           METRIC_store_queue,    METRIC_store_commits_total,
                                           METRIC_commit_seconds, METRIC_fsync_seconds};
    struct store_stats stats;
    if (!store_stats(store, &stats)) {
        for (size_t i = 0; i < ARRAY_LEN(of_store); i++)
            metrics_leave_out(metrics, of_store[i]);
        return;
    }
    metrics_set(metrics, METRIC_store_bytes, (int64_t)stats.bytes);
    metrics_set(metrics, METRIC_store_wal_lost_bytes, (int64_t)stats.wal_lost);
    metrics_set(metrics, METRIC_store_queue, (int64_t)stats.queue);
    metrics_set_total(metrics, METRIC_store_commits_total, stats.commits);
    metrics_set_histogram(metrics, METRIC_commit_seconds, stats.commit_buckets, ARRAY_LEN(stats.commit_buckets),
                          stats.commit_ns_sum);
    metrics_set_histogram(metrics, METRIC_fsync_seconds, stats.fsync_buckets, ARRAY_LEN(stats.fsync_buckets),
                          stats.fsync_ns_sum);
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
