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
