// Counters, gauges and histograms. One table makes the storage, the text of /metrics (Prometheus text format 0.0.4) and
// docs/metrics.md. Each thread adds to its own shard, without contention; the exporter sums the shards. Thread-safe.
#pragma once

#include "util/buf.h"

// What a metric is divided by: X(labels, names, sparse). Each has a list of cells, such as `transport="sse"`, which
// metrics_new is given. Of a sparse one only the cells that are not zero are exported.
#define METRIC_LABELS(X)             \
    X(none, "", false)               \
    X(reason, "reason", false)       \
    X(transport, "transport", false) \
    X(event, "event_type", false)    \
    X(route, "method,route", true)   \
    X(answer, "method,route,class", true)

// X(kind, name, labels, help). Kinds: C is a counter, G is a gauge, H is a histogram of seconds. A histogram is
// observed in nanoseconds and has 20 buckets, at 64 µs · 2^i.
#define METRICS(X)                                                                                                    \
    X(G, connections, none, "open connections")                                                                       \
    X(C, connections_total, none, "connections accepted")                                                             \
    X(C, accept_failures_total, none, "times that connections could not be accepted, for want of files or memory")    \
    X(C, http_requests_total, none, "HTTP requests answered")                                                         \
    X(C, http_answers_total, answer, "HTTP requests answered, by route and class of the status; no route: \"\"")      \
    X(H, http_request_seconds, route,                                                                                 \
      "from a request's first byte to the head of its answer; of a stream: to connect")                               \
    X(G, followers, transport, "open followers")                                                                      \
    X(G, runners, none, "connected runners: sockets of their own, and streams on workers' sockets")                   \
    X(G, workers, none, "open workers' sockets")                                                                      \
    X(C, records_ingested_total, none, "records made durable")                                                        \
    X(C, record_bytes_ingested_total, none, "message bytes made durable")                                             \
    X(C, records_delivered_total, none, "records sent to followers")                                                  \
    X(C, duplicates_refused_total, none, "records that a producer sent again")                                        \
    X(C, page_records_total, none, "records in pages of logs")                                                        \
    X(C, trace_events_total, event, "records with an event type made durable, by that type")                          \
    X(C, sealed_total, none, "executions whose log was sealed")                                                       \
    X(C, sealed_with_records_total, none, "of them, those with at least one record")                                  \
    X(C, sealed_records_total, none, "records in the logs that were sealed")                                          \
    X(C, summaries_stored_total, none,                                                                                \
      "counts of logs that were stored while these grew, or when they were asked for")                                \
    X(C, summary_chunks_read_total, none, "chunks that were read to count logs")                                      \
    X(C, gaps_total, none, "gap errors answered to producers and gaps told to followers")                             \
    X(C, resumes_total, none, "followers that began at a position other than the start, and runners that came back")  \
    X(H, ingest_to_delivery_seconds, none, "from the arrival of records to their first hand-over to a socket")        \
    X(H, stream_latency_seconds, none,                                                                                \
      "from the capture of a record, by its machine's clock, to its first hand-over to a socket")                     \
    X(H, commit_seconds, none, "group commit, as the store's writer sees it")                                         \
    X(H, fsync_seconds, none, "fsync of the store's log; not on PostgreSQL")                                          \
    X(H, store_read_seconds, none, "operations of the store's readers")                                               \
    X(H, status_seconds, none, "answering GET …/status")                                                              \
    X(G, ack_lag_records, none, "records that connected runners have captured and that are not durable yet")          \
    X(G, cache_bytes, none, "bytes in the log cache, with those that sockets still pin")                              \
    X(G, memory_max_bytes, none, "bytes that may be held for others")                                                 \
    X(G, memory_requests_bytes, none, "of them, heads, bodies and messages on their way in")                          \
    X(G, memory_answers_bytes, none, "of them, answers that their reader has not taken")                              \
    X(G, memory_intake_bytes, none, "of them, records on their way to the store")                                     \
    X(G, memory_scans_bytes, none, "of them, chunks that are filtered for followers")                                 \
    X(G, memory_cache_bytes, none, "of them, the log cache")                                                          \
    X(G, memory_pinned_bytes, none, "of them, records handed to followers' sockets beyond 64 KiB each")               \
    X(C, memory_refused_total, none, "times that somebody got no more of them")                                       \
    X(G, store_bytes, none, "bytes of the store's files; not on PostgreSQL")                                          \
    X(G, store_queue, none, "operations waiting for the store's writer")                                              \
    X(G, store_wal_lost_bytes, none, "bytes of commits that the last start did not find; not on PostgreSQL")          \
    X(C, store_commits_total, none, "transactions")                                                                   \
    X(C, store_journaled_total, none,                                                                                 \
      "of them, appends that wrote to the journal of the server and to no row of an execution")                       \
    X(C, store_journals_lost_total, none, "times that another server has brought this one's journal home")            \
    X(G, bus_away, none, "1 while other servers of the store cannot be told nor heard by hints, else 0")              \
    X(C, refusals_total, reason, "requests and frames refused, by the code word of the error")                        \
    X(C, source_events_total, none, "events of late sources that were stored")                                        \
    X(G, source_waiting, none, "events of late sources that wait for their window, or for the store")                 \
    X(C, source_refused_total, none, "events of late sources that were refused, such as those of a sealed log")       \
    X(C, source_repeated_total, none, "events of late sources that came again, and were left out")                    \
    X(G, source_fetches, none, "logs that are fetched from where they are kept, or wait for it")                      \
    X(C, source_fetches_total, none, "logs that were fetched from where they are kept")                               \
    X(C, source_fetch_failures_total, none, "such fetches that failed, to be tried again when somebody reads")        \
    X(C, source_fetch_requests_total, none, "pages that they asked for")                                              \
    X(C, source_fetch_retries_total, none, "pages that they asked for again, as the peer was busy or away")           \
    X(C, loki_pushes_total, none, "bodies that were pushed to Loki, the mirror of logs")                              \
    X(C, loki_push_failures_total, none, "pushes that failed, to be made again: Loki is away, or takes no more now")  \
    X(C, loki_push_refused_total, none, "pushes of which Loki has refused lines for good; they are not made again")   \
    X(C, loki_lines_total, none, "lines that were pushed, without repetitions of failed pushes")                      \
    X(C, loki_lines_cut_total, none, "of them, those that were cut, as Loki takes no longer ones")                    \
    X(C, loki_lines_missed_total, none, "lines that retention had removed before they were pushed")                   \
    X(G, loki_logs_waiting, none, "logs with lines that still wait to be pushed; 0: none had at the last look")       \
    X(G, loki_lag_seconds, none, "age of the oldest line that still waits")                                           \
    X(C, quiet_seals_total, none, "logs that nobody ended, sealed as nothing came any more")                          \
    X(C, status_lost_total, none, "executions whose runner fell silent")                                              \
    X(G, reload_failed, none, "1 if the last reload of the configuration failed, else 0")                             \
    X(C, retention_purged_total, none, "executions that were purged because of their age or their account's limits")  \
    X(C, retention_records_cut_total, none, "records that were removed at the front of logs longer than they may be") \
    X(C, blobs_removed_total, none, "contents that were removed because nothing referred to them any more")           \
    X(G, artifacts_away, none, "1 while the storage of files (S3) cannot be reached or refuses all, else 0")          \
    X(C, artifacts_requests_total, none, "requests to the storage of files (S3), with those that were made again")    \
    X(C, artifacts_retries_total, none, "of them, those that were made again, as S3 was busy or away")                \
    X(C, artifacts_failures_total, none, "operations of S3 that failed, after all that was tried")                    \
    X(C, artifacts_sent_bytes_total, none, "bytes of the bodies sent to S3")                                          \
    X(C, artifacts_received_bytes_total, none, "bytes of the bodies that S3 has answered")                            \
    X(H, artifacts_request_seconds, none, "from a request to S3 to the end of its answer")                            \
    X(G, cold_away, none, "1 while the storage of cold logs (S3) cannot be reached or refuses all, else 0")           \
    X(C, cold_requests_total, none, "requests to it, with those that were made again")                                \
    X(C, cold_retries_total, none, "of them, those that were made again, as it was busy or away")                     \
    X(C, cold_failures_total, none, "operations of it that failed, after all that was tried")                         \
    X(C, cold_sent_bytes_total, none, "bytes of the bodies sent to it")                                               \
    X(C, cold_received_bytes_total, none, "bytes of the bodies that it has answered")                                 \
    X(H, cold_request_seconds, none, "from a request to it to the end of its answer")                                 \
    X(C, cold_moved_chunks_total, none, "chunks whose bodies were moved there from the store")                        \
    X(C, cold_moved_bytes_total, none, "bytes of these bodies")                                                       \
    X(C, cold_reads_total, none, "ranges of cold chunks that were read")                                              \
    X(C, cold_read_bytes_total, none, "bytes of these ranges")                                                        \
    X(C, cold_read_failures_total, none, "times that who wanted cold chunks could not have them")                     \
    X(C, cold_cache_hits_total, none, "cold chunks that were still in memory when somebody wanted them")              \
    X(G, cold_cache_bytes, none, "bytes of cold chunks that are kept in memory")                                      \
    X(C, cold_packs_rewritten_total, none,                                                                            \
      "packs of which less than half was wanted, and the rest was put into a new one")                                \
    X(C, cold_packs_removed_total, none, "packs of which nothing was wanted any more")                                \
    X(C, cold_orphans_swept_total, none, "objects that no store knew and that were removed")                          \
    X(G, cold_waiting, none, "executions that wait to be moved, up to 10,000")                                        \
    X(G, cold_lag_seconds, none, "for how long the oldest of them has waited")                                        \
    X(G, searches, none, "searches under way")                                                                        \
    X(C, search_scanned_bytes_total, none, "bytes of text that searches have looked at")                              \
    X(C, search_skipped_bytes_total, none, "bytes of text that searches have passed over: they could not match")

enum metric_labels {
#define METRIC_LABELS_ENUM(labels, names, sparse) METRIC_BY_##labels,
    METRIC_LABELS(METRIC_LABELS_ENUM)
#undef METRIC_LABELS_ENUM
        METRIC_LABELS_COUNT
};

enum metric {
#define METRIC_ENUM(kind, name, labels, help) METRIC_##name,
    METRICS(METRIC_ENUM)
#undef METRIC_ENUM
        METRIC_COUNT
};

enum metric_transport { METRIC_WEBSOCKET, METRIC_SSE, METRIC_HTTP };

struct metric_cells { // of a set of labels
    size_t count;
    void (*label)(struct buf *out, size_t cell, const void *arg); // what stands within the braces
    const void *arg;
};

struct metrics;
// `cells`: of each set of labels; used within the call. NULL: none but those that are known here (none, reason,
// transport); what is counted for others is lost then.
struct metrics *metrics_new(unsigned shards, const struct metric_cells cells[METRIC_LABELS_COUNT]);
void metrics_free(struct metrics **metrics);
// For counters, and for gauges that are the sum of the shards.
void metrics_add(struct metrics *metrics, unsigned shard, enum metric metric, int64_t amount);
void metrics_set(struct metrics *metrics, enum metric metric, int64_t value); // for gauges
void metrics_observe_ns(struct metrics *metrics, unsigned shard, enum metric metric, uint64_t ns);
// The same for the cell of a metric with labels. A cell that there is not is nobody's.
void metrics_add_to(struct metrics *metrics, unsigned shard, enum metric metric, size_t cell, int64_t amount);
void metrics_observe_in(struct metrics *metrics, unsigned shard, enum metric metric, size_t cell, uint64_t ns);
void metrics_refused(struct metrics *metrics, unsigned shard, int err);
// Sets a histogram from buckets that were counted elsewhere (64 µs · 2^i), or a counter from its total.
void metrics_set_histogram(struct metrics *metrics, enum metric metric, const uint64_t *buckets, unsigned count,
                           uint64_t sum_ns);
void metrics_set_total(struct metrics *metrics, enum metric metric, uint64_t value);
// Nobody here knows it: metrics_export leaves it out from now on, instead of a value that would be wrong.
void metrics_leave_out(struct metrics *metrics, enum metric metric);
void metrics_export(const struct metrics *metrics, struct buf *out);
void metrics_document(struct buf *out); // writes docs/metrics.md
