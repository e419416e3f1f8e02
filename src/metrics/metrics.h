// Counters, gauges and histograms. One table makes the storage, the text of /metrics (Prometheus text format 0.0.4) and
// docs/metrics.md. Each thread adds to its own shard, without contention; the exporter sums the shards. Thread-safe.
#pragma once

#include "util/buf.h"

// X(kind, name, help). Kinds: C is a counter, G is a gauge, H is a histogram of seconds. A histogram is observed in
// nanoseconds and has 20 buckets, at 64 µs · 2^i.
#define METRICS(X)                                                                                              \
    X(G, connections, "open connections")                                                                       \
    X(C, connections_total, "connections accepted")                                                             \
    X(C, accept_failures_total, "times that connections could not be accepted, for want of files or memory")    \
    X(C, http_requests_total, "HTTP requests answered")                                                         \
    X(G, followers, "open followers: WebSocket, SSE and HTTP streams")                                          \
    X(G, runners, "connected runners: sockets of their own, and streams on workers' sockets")                   \
    X(G, workers, "open workers' sockets")                                                                      \
    X(C, records_ingested_total, "records made durable")                                                        \
    X(C, record_bytes_ingested_total, "message bytes made durable")                                             \
    X(C, records_delivered_total, "records sent to followers")                                                  \
    X(C, duplicates_refused_total, "records that a producer sent again")                                        \
    X(C, gaps_total, "gap errors answered to producers and gaps told to followers")                             \
    X(C, resumes_total, "followers that began at a position other than the start, and runners that came back")  \
    X(H, ingest_to_delivery_seconds, "from the arrival of records to their first hand-over to a socket")        \
    X(H, commit_seconds, "group commit, as the store's writer sees it")                                         \
    X(H, fsync_seconds, "fsync of the store's log")                                                             \
    X(H, status_seconds, "answering GET …/status")                                                              \
    X(G, ack_lag_records, "records that connected runners have captured and that are not durable yet")          \
    X(G, cache_bytes, "bytes in the log cache, with those that sockets still pin")                              \
    X(G, memory_max_bytes, "bytes that may be held for others")                                                 \
    X(G, memory_requests_bytes, "of them, heads, bodies and messages on their way in")                          \
    X(G, memory_answers_bytes, "of them, answers that their reader has not taken")                              \
    X(G, memory_intake_bytes, "of them, records on their way to the store")                                     \
    X(G, memory_scans_bytes, "of them, chunks that are filtered for followers")                                 \
    X(G, memory_cache_bytes, "of them, the log cache")                                                          \
    X(G, memory_pinned_bytes, "of them, records handed to followers' sockets beyond 64 KiB each")               \
    X(C, memory_refused_total, "times that somebody got no more of them")                                       \
    X(G, store_bytes, "bytes of the store's files")                                                             \
    X(G, store_queue, "operations waiting for the store's writer")                                              \
    X(G, store_wal_lost_bytes, "bytes of commits that the last start did not find; 0: all was there")           \
    X(C, store_commits_total, "transactions")                                                                   \
    X(C, status_lost_total, "executions whose runner fell silent")                                              \
    X(G, reload_failed, "1 if the last reload of the configuration failed, else 0")                             \
    X(C, retention_purged_total, "executions that were purged because of their age or their account's limits")  \
    X(C, retention_records_cut_total, "records that were removed at the front of logs longer than they may be") \
    X(C, blobs_removed_total, "contents that were removed because nothing referred to them any more")

// Refusals are labelled with their reason: runnel_refusals_total{reason="…"}. The reasons are the code words of the
// error table.

enum metric {
#define METRIC_ENUM(kind, name, help) METRIC_##name,
    METRICS(METRIC_ENUM)
#undef METRIC_ENUM
        METRIC_COUNT
};

struct metrics;
struct metrics *metrics_new(unsigned shards);
void metrics_free(struct metrics **metrics);
// For counters, and for gauges that are the sum of the shards.
void metrics_add(struct metrics *metrics, unsigned shard, enum metric metric, int64_t amount);
void metrics_set(struct metrics *metrics, enum metric metric, int64_t value); // for gauges
void metrics_observe_ns(struct metrics *metrics, unsigned shard, enum metric metric, uint64_t ns);
void metrics_refused(struct metrics *metrics, unsigned shard, int err);
// Sets a histogram from buckets that were counted elsewhere (64 µs · 2^i), or a counter from its total.
void metrics_set_histogram(struct metrics *metrics, enum metric metric, const uint64_t *buckets, unsigned count,
                           uint64_t sum_ns);
void metrics_set_total(struct metrics *metrics, enum metric metric, uint64_t value);
// Nobody here knows it: metrics_export leaves it out from now on, instead of a value that would be wrong.
void metrics_leave_out(struct metrics *metrics, enum metric metric);
void metrics_export(const struct metrics *metrics, struct buf *out);
void metrics_document(struct buf *out); // writes docs/metrics.md
