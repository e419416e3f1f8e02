#include "api/routes.h"

#include "api/artifacts/artifacts.h"
#include "api/compat/compat.h"
#include "api/console/console.h"
#include "api/executions/executions.h"
#include "api/follow/follow.h"
#include "api/jobs/jobs.h"
#include "api/jobs/run_fields.h"
#include "api/keys/keys.h"
#include "api/logs/logs.h"
#include "api/loki/loki.h"
#include "api/loki/push.h"
#include "api/otlp/otlp.h"
#include "api/runner/runner.h"
#include "api/runner/stream.h"
#include "api/search/search.h"
#include "api/secrets/secrets.h"
#include "api/sources/firehose.h"
#include "api/system/system.h"
#include "api/workers/workers.h"
#include "api/workflows/summary.h"
#include "api/workflows/waiting.h"
#include "api/workflows/workflows.h"
#include "model/config_limits.h"
#include "model/engine_state.h"
#include "model/filter.h"
#include "model/record_fields.h"
#include "model/retention.h"
#include "model/role.h"
#include "model/search.h"
#include "model/statistics.h"
#include "model/status.h"
#include "model/waiting.h"
#include "util/id.h"

#define URL_MAX 8192 // for a text that only the URL limits

// --- Rules of single values

static bool is_worker(struct str value)
{
    return value.len <= 255 && utf8_valid(value.data, value.len);
}

static bool is_level(struct str value)
{
    enum record_level level;
    return record_level_parse(value, &level);
}

static bool is_state(struct str value)
{
    enum execution_status status;
    return engine_state_status(value, &status);
}

static bool is_versions(struct str value)
{
    bool good = value.len > 0 && value.data[value.len - 1] != ',';
    uint64_t version;
    while (good && value.len > 0)
        good = str_to_u64(str_split(&value, ','), &version);
    return good;
}

static bool is_retention(struct str value)
{
    struct retention retention = {0};
    return value.len == 0 || retention_parse(value, &retention);
}

static const struct field_rule rule_retention = {"must be empty, or " RETENTION_MUST, is_retention};
static const struct field_rule rule_account = {"must match [A-Za-z0-9][A-Za-z0-9._-]{0,62}", id_account_valid};
static const struct field_rule rule_producer = {"must be 1 to 96 letters, digits or any of ._:-",
                                                runner_producer_valid};
static const struct field_rule rule_versions = {"must be numbers with commas between them", is_versions};
static const struct field_rule rule_worker = {"must be at most 255 bytes of UTF-8", is_worker};
static const struct field_rule rule_state = {"must be one of:" ENGINE_STATE_WORDS, is_state};
static const struct field_rule rule_level = {"must be DEBUG, INFO, WARNING, ERROR or CRITICAL", is_level};

// --- Fields of several routes

#define STATUS_LISTED_(name, word, terminal, log_api, runs_api) word " "
#define STATUSES_LISTED                                         EXECUTION_STATUSES(STATUS_LISTED_)

#define FIELD_LIMIT(most, usual)                                                                        \
    {                                                                                                   \
        "limit", "how many at most", .type = FIELD_NUMBER, .min = 1, .max = (most), .fallback = (usual) \
    }
#define FIELD_PURGE(what)                 \
    {                                     \
        "purge", what, .type = FIELD_FLAG \
    }
#define FIELD_NEXT                                                         \
    {                                                                      \
        "cursor", "`next_cursor` of the page before", .type = FIELD_CURSOR \
    }
#define FIELD_OF_ACCOUNT                                                                              \
    {                                                                                                 \
        "account", "whose, for operators alone; one's own without it", .type = FIELD_TEXT, .max = 255 \
    }
#define PLACE(name, means)                  \
    {                                       \
        name, means, .type = FIELD_POSITION \
    }

// The kinds of a filter's parameters, as fields.
#define FILTER_WORD   .type = FIELD_WORD
#define FILTER_LEVEL  .type = FIELD_TEXT, .rule = &rule_level
#define FILTER_TEXT   .type = FIELD_TEXT
#define FILTER_NUMBER .type = FIELD_NUMBER
#define FILTER_FLAG   .type = FIELD_FLAG
#define FILTER_TIME   .type = FIELD_TIME
#define FILTER_FIELD(name_, means, kind, least, most, words_, list) \
    {#name_, means, .min = least, .max = most, .words = words_, .flags = (list) ? FIELD_LIST : 0, FILTER_##kind},

// The positions and filters that each reader of a log takes.
#define FIELDS_OF_READERS                                                                            \
    PLACE("from", "first sequence number wanted"), PLACE("after", "last sequence number seen"),      \
        PLACE("since_index", "last `index` seen"), PLACE("since", "from a time on, or so long ago"), \
        PLACE("tail", "the last so many lines"),                                                     \
        {"incarnation", "that the position was given in", .type = FIELD_TEXT, .max = 255},           \
        FILTER_PARAMETERS(FILTER_FIELD)                                                              \
    {                                                                                                \
        0                                                                                            \
    }

// --- Fields by route

static const struct field create_body[] = {
    {"execution_id", "its name; made up without it", .type = FIELD_TEXT, .max = ID_EXECUTION_MAX,
     .rule = &rule_execution_id, .flags = FIELD_NULL},
    FIELDS_OF_A_RUN,
    {"batch_id", "to find it by", .type = FIELD_TEXT, .max = 255, .flags = FIELD_NULL},
    {"queue", "true: a worker runs it; false: its own runner does", .type = FIELD_FLAG, .flags = FIELD_NULL},
    {"started_at", "of a run that began before; with `queue` false", .type = FIELD_TIME, .flags = FIELD_NULL},
    {"source", "what keeps its log, which is fetched when it is read first; with `queue` false", .type = FIELD_WORD,
     .words = "cloudwatch", .flags = FIELD_NULL},
    {0},
};

#define FIELDS_OF_JOBS                                                                                                \
    {"job", "what all of them have, as POST /api/v1/executions takes it", .type = FIELD_OBJECT, .flags = FIELD_NULL}, \
    {                                                                                                                 \
        "jobs", "what each has beside that", .type = FIELD_OBJECTS, .max = BATCH_JOBS_MAX, .flags = FIELD_NULL        \
    }

static const struct field batch_body[] = {
    {"batch_id", "its name; made up without it", .type = FIELD_TEXT, .max = ID_EXECUTION_MAX,
     .rule = &rule_execution_id, .flags = FIELD_NULL},
    {"name", "shown", .type = FIELD_TEXT, .max = 255, .flags = FIELD_NULL},
    {"metadata", "at most 64 KiB, and 1,000 members on all levels", .type = FIELD_METADATA, .flags = FIELD_NULL},
    {"parallel", "at most so many at once; 0: no limit", .type = FIELD_NUMBER, .max = BATCH_JOBS_MAX,
     .flags = FIELD_NULL},
    {"max_fails", "a number, or a part such as 5%: with more failures nothing more is started", .type = FIELD_TEXT,
     .min = 1, .max = 20, .flags = FIELD_NULL},
    {"keep_open", "it takes more jobs until it is closed", .type = FIELD_FLAG, .flags = FIELD_NULL},
    FIELDS_OF_KEEPING,
    FIELDS_OF_JOBS,
    {0},
};
static const struct field batch_add_body[] = {FIELDS_OF_JOBS, {0}};
static const struct field batches_query[] = {FIELD_LIMIT(1000, 50), FIELD_NEXT, {0}};

static const struct field batch_list_query[] = {
    {"status", "of these statuses", .type = FIELD_WORD, .words = STATUSES_LISTED, .flags = FIELD_LIST},
    FIELD_LIMIT(1000, 50),
    FIELD_NEXT,
    {0},
};

static const struct field batch_cells_query[] = {
    {"from", "the number of the first job wanted", .type = FIELD_NUMBER, .max = BATCH_JOBS_MAX},
    FIELD_LIMIT(BATCH_CELLS_SHOWN, BATCH_CELLS_SHOWN),
    {"ids", "also the identifiers", .type = FIELD_FLAG},
    {0},
};

static const struct field batch_retry_query[] = {
    {"skipped", "what was skipped, too", .type = FIELD_FLAG},
    {0},
};

#define FIELDS_OF_CONDITIONS                                                                            \
    {"status", "of these statuses", .type = FIELD_WORD, .words = STATUSES_LISTED, .flags = FIELD_LIST}, \
        {"batch_id", "of these batches", .type = FIELD_TEXT, .max = URL_MAX, .flags = FIELD_LIST},      \
        {"id_prefix", "whose identifier begins so", .type = FIELD_TEXT, .max = URL_MAX},                \
        {"metadata.", "whose metadata have this value under KEY", .type = FIELD_TEXT, .max = URL_MAX,   \
         .flags = FIELD_MANY | FIELD_PREFIX},                                                           \
    {                                                                                                   \
        "since", "made at or after a time, or so long ago", .type = FIELD_WHEN                          \
    }
#define FIELDS_OF_LISTS                                      \
    FIELDS_OF_CONDITIONS, FIELD_LIMIT(1000, 50), FIELD_NEXT, \
    {                                                        \
        0                                                    \
    }

#define FIELD_WORKFLOWS                                                                              \
    {                                                                                                \
        "workflow_id", "of these workflows", .type = FIELD_TEXT, .max = URL_MAX, .flags = FIELD_LIST \
    }

static const struct field list_query[] = {
    FIELD_WORKFLOWS,
    FIELDS_OF_LISTS,
};
static const struct field workflow_executions_query[] = {FIELDS_OF_LISTS};

static const struct field patch_body[] = {
    {"status", "any but `lost`, also in the words of other engines", .type = FIELD_TEXT, .min = 1,
     .max = ENGINE_STATE_MAX, .rule = &rule_state},
    {"completed_at", "when it ended, beside a status", .type = FIELD_TIME},
    {"exit_code", "beside a status", .type = FIELD_NUMBER, .max = 255},
    {"metadata", "merged as RFC 7396 says", .type = FIELD_METADATA},
    {"pin", "kept whatever its age", .type = FIELD_FLAG},
    {"waiting", "for what, with the status `waiting`: as PUT …/waiting takes it", .type = FIELD_OBJECT},
    {0},
};

static const struct field waiting_body[] = {
    {"form", "what is asked, at most 64 KiB", .type = FIELD_OBJECT, .flags = FIELD_NULL},
    {"assignees", "the users who may answer, each of at most 127 bytes; the owner without it", .type = FIELD_TEXTS,
     .max = WAITING_ASSIGNEES_MAX, .flags = FIELD_NULL},
    {"until", "a time, or so long from now; for ever without it", .type = FIELD_TEXT, .max = 64, .flags = FIELD_NULL},
    {"on_timeout", "what follows then; fail without it", .type = FIELD_WORD, .words = "fail resume",
     .flags = FIELD_NULL},
    {"node_id", "the node that waits", .type = FIELD_TEXT, .min = 1, .max = WAITING_NODE_MAX, .flags = FIELD_NULL},
    {0},
};
static const struct field answer_body[] = {
    {"data", "the answer, at most 64 KiB", .type = FIELD_OBJECT, .flags = FIELD_REQUIRED},
    {"waiting_id", "of what is answered; 409 if it waits for something else by now", .type = FIELD_TEXT, .min = 1,
     .max = 64, .flags = FIELD_NULL},
    {0},
};

static const struct field missing_body[] = {
    {"hashes", "SHA-256 of contents, as 64 hex digits in lower case", .type = FIELD_TEXTS, .max = BLOBS_MAX,
     .flags = FIELD_REQUIRED},
    {0},
};

static const struct field artifact_body[] = {
    {"sha256", "the content, which was uploaded", .type = FIELD_TEXT, .max = 64, .rule = &rule_hash,
     .flags = FIELD_REQUIRED},
    {"size", "its bytes", .type = FIELD_NUMBER, .max = INT64_C(1) << 50, .flags = FIELD_REQUIRED},
    {"mode", "permissions of the file", .type = FIELD_NUMBER, .max = ARTIFACT_MODE_MAX, .fallback = 0644},
    {0},
};

static const struct field delete_query[] = {FIELD_PURGE("remove the records of a sealed one; needs the role admin"),
                                            {0}};

static const struct field statistics_query[] = {
    {"buckets", "in how many parts the time of the log is cut, at most", .type = FIELD_NUMBER, .min = 1,
     .max = STATISTICS_BUCKETS_MAX, .fallback = 60},
    {0},
};

static const struct field run_statistics_query[] = {
    {"since", "of executions made at or after a time, or so long ago", .type = FIELD_WHEN},
    {"executions", "of the newest so many", .type = FIELD_NUMBER, .min = 1, .max = 1000, .fallback = 1000},
    {"buckets", "in how many parts the time is cut, at most", .type = FIELD_NUMBER, .min = 1,
     .max = STATISTICS_BUCKETS_MAX, .fallback = 60},
    {0},
};

// Of executions that lie in several stores, with a place in each (api/cursor.h).
#define CURSOR_TEXT_MAX 480

static const struct field workflow_logs_query[] = {
    FIELD_LIMIT(LIMIT_PAGE, 100),
    {"cursor", "`next_cursor` of the page before", .type = FIELD_TEXT, .min = 1, .max = CURSOR_TEXT_MAX},
    {"executions", "of the newest so many", .type = FIELD_NUMBER, .min = 1, .max = 100, .fallback = 20},
    FILTER_PARAMETERS(FILTER_FIELD){0},
};

static const struct field logs_query[] = {
    FIELD_LIMIT(LIMIT_PAGE, 100),
    {"format", "json is a page, the others are streams", .type = FIELD_WORD,
     .words = "json ndjson text raw csv csv-fields chunk", .flags = FIELD_ANY_CASE},
    {"follow", "go on until the log is sealed", .type = FIELD_FLAG, .flags = FIELD_DIGITS},
    {"states", "NDJSON that follows tells what becomes of the runner", .type = FIELD_FLAG, .flags = FIELD_DIGITS},
    PLACE("cursor", "as `from`; `next_cursor` of the page before"),
    FIELDS_OF_READERS,
};

// What is searched for, and the filters that are none of texts.
#define FIELDS_OF_SEARCHES                                                                    \
    {"q",                                                                                     \
     "the text, or with `regex` the pattern",                                                 \
     .type = FIELD_TEXT,                                                                      \
     .min = 1,                                                                                \
     .max = FILTER_TEXT_MAX,                                                                  \
     .flags = FIELD_REQUIRED},                                                                \
        {"regex", "`q` is a regular expression of PCRE2", .type = FIELD_FLAG},                \
        {"case", "false: letters of either case are one", .type = FIELD_FLAG, .fallback = 1}, \
        {"max_bytes",                                                                         \
         "of text; an answer that has looked at more tells where to go on",                   \
         .type = FIELD_NUMBER,                                                                \
         .min = 1,                                                                            \
         .max = INT64_C(1) << 40,                                                             \
         .fallback = INT64_C(1) << 40},                                                       \
        FILTER_FIELD_PARAMETERS(FILTER_FIELD)

static const struct field search_log_query[] = {
    FIELDS_OF_SEARCHES{"limit", "how many hits at most", .type = FIELD_NUMBER, .max = SEARCH_KEEP_MAX, .fallback = 100},
    {"from", "lines from this number on", .type = FIELD_NUMBER, .max = INT64_MAX},
    {"to", "lines before this number", .type = FIELD_NUMBER, .max = INT64_MAX},
    {"after", "the first hits behind this number", .type = FIELD_NUMBER, .max = INT64_MAX - 1},
    {"before", "the last hits before this number", .type = FIELD_NUMBER, .max = INT64_MAX},
    {"count", "false: look no further than for the hits", .type = FIELD_FLAG, .fallback = 1},
    {"buckets", "in how many parts the numbers are cut for `density`", .type = FIELD_NUMBER, .max = SEARCH_BUCKETS_MAX},
    {"cursor", "`next_cursor` of an answer that was not complete", .type = FIELD_TEXT, .min = 1, .max = 64},
    {0},
};

static const struct field search_all_query[] = {
    FIELDS_OF_SEARCHES FIELD_LIMIT(SEARCH_KEEP_MAX, 100),
    FIELD_WORKFLOWS,
    FIELDS_OF_CONDITIONS,
    {"cursor", "`next_cursor` of the answer before", .type = FIELD_TEXT, .min = 1, .max = CURSOR_TEXT_MAX},
    {0},
};

static const struct field sse_query[] = {
    PLACE("last_event_id", "as the header Last-Event-ID"),
    PLACE("lastEventId", "the same"),
    {"last-event-id", "the same", .type = FIELD_POSITION, .flags = FIELD_ANY_CASE},
    FIELDS_OF_READERS,
};

// --- The workflow log API

static const struct field log_api_query[] = {
    FIELD_LIMIT(1000, 100),
    {"offset", "how many of those that match are passed over", .type = FIELD_NUMBER, .max = INT64_MAX},
    {"cursor", "in place of `offset`: `next_cursor` of the page before", .type = FIELD_NUMBER, .max = INT64_MAX},
    {"level", "these levels", .type = FIELD_TEXT, .max = FILTER_TEXT_MAX, .rule = &rule_level, .flags = FIELD_LIST},
    {"min_level", "at least this level", .type = FIELD_TEXT, .max = FILTER_TEXT_MAX, .rule = &rule_level},
    {"start_time", "at or after", .type = FIELD_TIME},
    {"end_time", "at or before", .type = FIELD_TIME},
    {"category", "of events", .type = FIELD_WORD, .words = "technical business"},
    {"event_type", "of events", .type = FIELD_TEXT, .min = 1, .max = FILTER_TEXT_MAX, .flags = FIELD_LIST},
    {"node", "of a node", .type = FIELD_TEXT, .min = 1, .max = FILTER_TEXT_MAX, .flags = FIELD_LIST},
    {"stream", "of output, or events", .type = FIELD_WORD, .words = "stdout stderr event", .flags = FIELD_LIST},
    {"milestone", "milestones alone", .type = FIELD_FLAG},
    {"min_priority", "at least this priority", .type = FIELD_NUMBER, .min = 1, .max = 10},
    {0},
};

static const struct field recent_logs_query[] = {
    {"workflow_id", "of which workflow", .type = FIELD_TEXT, .min = 1, .max = 255, .flags = FIELD_REQUIRED},
    FIELD_LIMIT(1000, 100),
    {"include_all_executions", "the executions before the latest, too", .type = FIELD_FLAG, .flags = FIELD_DIGITS},
    {0},
};

static const struct field log_api_stream_query[] = {
    {"follow", "go on until the log is sealed", .type = FIELD_FLAG, .fallback = 1, .flags = FIELD_DIGITS},
    PLACE("last_event_id", "as the header Last-Event-ID"),
    PLACE("lastEventId", "the same"),
    {"last-event-id", "the same", .type = FIELD_POSITION, .flags = FIELD_ANY_CASE},
    FIELDS_OF_READERS,
};

// --- Workflow runs

#define RUN_STATUSES "QUEUED RUNNING AWAITING_INPUT COMPLETED FAILED CANCELLED TIMED_OUT STALE"

static const struct field runs_query[] = {
    {"workflowId", "of this workflow", .type = FIELD_TEXT, .min = 1, .max = 255},
    {"status", "of this status", .type = FIELD_WORD, .words = RUN_STATUSES},
    FIELD_LIMIT(1000, 50),
    FIELD_NEXT,
    {0},
};

#define FIELDS_OF_RUN_PAGES                                                                                           \
    FIELD_LIMIT(10000, 1000), {"cursor", "`cursor` of the page before", .type = FIELD_NUMBER, .max = INT64_MAX},      \
        {"nodeRef", "of this node", .type = FIELD_TEXT, .min = 1, .max = FILTER_TEXT_MAX},                            \
    {                                                                                                                 \
        "level", "these levels", .type = FIELD_TEXT, .max = FILTER_TEXT_MAX, .rule = &rule_level, .flags = FIELD_LIST \
    }

static const struct field run_trace_query[] = {FIELDS_OF_RUN_PAGES, {0}};
static const struct field run_logs_query[] = {
    FIELDS_OF_RUN_PAGES,
    {"stream", "of output, or events", .type = FIELD_WORD, .words = "stdout stderr event", .flags = FIELD_LIST},
    {0},
};
static const struct field run_loki_query[] = {
    FIELD_LIMIT(5000, 1000),
    {"cursor", "`cursor` of the page before", .type = FIELD_TEXT, .min = 1, .max = 100},
    {"node", "of this node", .type = FIELD_TEXT, .min = 1, .max = 1024},
    {0},
};
static const struct field loki_replay_query[] = {
    {"since", "made at or after a time, or so long ago", .type = FIELD_WHEN, .flags = FIELD_REQUIRED},
    {"until", "made before a time, or so long ago; now unless told", .type = FIELD_WHEN},
    {0},
};
static const struct field run_stream_query[] = {
    PLACE("cursor", "the id of the last event seen"),
    PLACE("last_event_id", "as the header Last-Event-ID"),
    PLACE("lastEventId", "the same"),
    {"last-event-id", "the same", .type = FIELD_POSITION, .flags = FIELD_ANY_CASE},
    FIELDS_OF_READERS,
};

static const struct field batch_sse_query[] = {
    {"last_event_id", "as the header Last-Event-ID: the version that is known already", .type = FIELD_TEXT, .max = 20},
    {"lastEventId", "the same", .type = FIELD_TEXT, .max = 20},
    {0},
};

static const struct field ws_query[] = {
    {"batch", "a text frame holds several records, as lines of NDJSON", .type = FIELD_FLAG},
    PLACE("cursor", "as `after`"),
    FIELDS_OF_READERS,
};

static const struct field runner_query[] = {
    {"producer", "whose counter the records have; `runner` without it", .type = FIELD_TEXT, .min = 1,
     .max = STORE_PRODUCER_MAX, .rule = &rule_producer},
    {"epoch", "that `ready` gave: the same runner is back", .type = FIELD_NUMBER, .min = 1, .max = INT64_MAX},
    {"incarnation", "that came with the epoch", .type = FIELD_TEXT, .max = 255},
    {"at", "when it asks, in milliseconds of a clock of its machine that never goes back", .type = FIELD_NUMBER,
     .max = INT64_MAX},
    {"chunk_versions", "of the chunks that the runner makes", .type = FIELD_TEXT, .min = 1, .max = 64,
     .rule = &rule_versions},
    {"worker", "shown as `worker_hostname`", .type = FIELD_TEXT, .max = 255, .rule = &rule_worker},
    {0},
};

#define FIELDS_OF_A_WORKFLOW                                                                                          \
    {"name", "shown", .type = FIELD_TEXT, .max = 255, .flags = FIELD_NULL},                                           \
        {"description", "shown", .type = FIELD_TEXT, .max = 4096, .flags = FIELD_NULL},                               \
        {"graph", "{nodes: [{id, name, type}], edges: [[from, to]]}: at most 10,000 of each, and 2 MiB",              \
         .type = FIELD_OBJECT, .flags = FIELD_NULL},                                                                  \
        {"job", "what a worker runs for each run, as POST /api/v1/executions takes it; never shows its `env`",        \
         .type = FIELD_OBJECT, .flags = FIELD_NULL},                                                                  \
        {"metadata", "at most 64 KiB, and 1,000 members on all levels", .type = FIELD_METADATA, .flags = FIELD_NULL}, \
    {                                                                                                                 \
        "retention", "of the runs that are made from now on, over the account's rules; such as 7d",                   \
            .type = FIELD_TEXT, .min = 1, .max = RETENTION_TEXT_MAX, .rule = &rule_own_retention, .flags = FIELD_NULL \
    }

static const struct field workflow_body[] = {
    {"workflow_id", "its name; made up without it", .type = FIELD_TEXT, .max = ID_EXECUTION_MAX,
     .rule = &rule_execution_id, .flags = FIELD_NULL},
    FIELDS_OF_A_WORKFLOW,
    {"user_id", "whose it is, for services; a user's own without it", .type = FIELD_TEXT, .min = 1, .max = 127,
     .flags = FIELD_NULL},
    {0},
};
static const struct field workflow_patch_body[] = {FIELDS_OF_A_WORKFLOW, {0}};
static const struct field workflows_query[] = {FIELD_LIMIT(1000, 50), FIELD_NEXT, {0}};

static const struct field run_body[] = {
    {"inputs", "what the run is given, at most 1 MiB", .type = FIELD_OBJECT, .flags = FIELD_NULL},
    {"config", "how it is to run, at most 1 MiB; kept and shown", .type = FIELD_OBJECT, .flags = FIELD_NULL},
    {"metadata", "at most 64 KiB, and 1,000 members on all levels", .type = FIELD_METADATA, .flags = FIELD_NULL},
    {"execution_id", "its name; made up without it", .type = FIELD_TEXT, .max = ID_EXECUTION_MAX,
     .rule = &rule_execution_id, .flags = FIELD_NULL},
    {"graph", "of this run; that of the workflow without it", .type = FIELD_OBJECT, .flags = FIELD_NULL},
    {"idempotencyKey", "as the header Idempotency-Key", .type = FIELD_TEXT, .min = 1, .max = 255, .flags = FIELD_NULL},
    {0},
};

static const struct field key_body[] = {
    {"name", "shown", .type = FIELD_TEXT, .min = 1, .max = 200, .flags = FIELD_REQUIRED},
    {"role", "up to one's own", .type = FIELD_WORD, .words = ROLES_LISTED, .flags = FIELD_REQUIRED},
    {"expires_at", "in the future, or so long from now", .type = FIELD_WHEN, .flags = FIELD_NULL},
    {"account", "whose, for operators alone; one's own without it", .type = FIELD_TEXT, .max = 255,
     .flags = FIELD_NULL},
    {0},
};
static const struct field key_patch_body[] = {
    {"name", "shown", .type = FIELD_TEXT, .min = 1, .max = 200, .flags = FIELD_REQUIRED},
    {0},
};
static const struct field keys_query[] = {FIELD_OF_ACCOUNT, {0}};

static const struct field secret_body[] = {
    {"value", "at most 64 KiB, at least 4 bytes; never shown again", .type = FIELD_TEXT, .max = SECRET_VALUE_MAX,
     .flags = FIELD_REQUIRED},
    {0},
};
static const struct field secrets_query[] = {
    FIELD_LIMIT(SECRETS_LIST_MAX, 100),
    {"after", "the last name of the page before", .type = FIELD_TEXT, .max = SECRET_NAME_MAX},
    {0}};

static const struct field account_body[] = {
    {"name", "never changes", .type = FIELD_TEXT, .min = 1, .max = ACCOUNT_NAME_MAX, .rule = &rule_account,
     .flags = FIELD_REQUIRED},
    {0},
};
static const struct field accounts_query[] = {FIELD_LIMIT(1000, 100), FIELD_NEXT, {0}};
static const struct field account_patch_body[] = {
    {"suspended", "its credentials are refused, its streams end", .type = FIELD_FLAG},
    {"retention", "its own rules, over those of the setting; empty: none", .type = FIELD_TEXT,
     .max = RETENTION_TEXT_MAX, .rule = &rule_retention},
    {0},
};
static const struct field account_delete_query[] = {FIELD_PURGE("with all executions that it holds"), {0}};

static const struct field backup_body[] = {
    {"path", "a file beneath the folder that `backup_dir` names", .type = FIELD_TEXT, .min = 1, .max = 4000,
     .flags = FIELD_REQUIRED},
    {0},
};

// --- Routes

const struct route api_routes[] = {
    {HTTP_M_GET, "/health", ACTION_PUBLIC, .flags = ROUTE_ANY_QUERY, .handle = system_health,
     .summary = "the process is alive"},
    {HTTP_M_GET, "/api/v1/public/health", ACTION_PUBLIC, .flags = ROUTE_ANY_QUERY, .handle = system_health,
     .summary = "the same"},
    {HTTP_M_GET, "/ready", ACTION_PUBLIC, .flags = ROUTE_ANY_QUERY, .handle = system_ready,
     .summary = "503 when ingest, store or disk cannot serve"},
    {HTTP_M_GET, "/", ACTION_PUBLIC, .flags = ROUTE_ANY_QUERY, .handle = console_page,
     .summary = "the console, a page for browsers"},
    {HTTP_M_GET, "/ui/{page...}", ACTION_PUBLIC, .flags = ROUTE_ANY_QUERY, .handle = console_page,
     .summary = "the same: each view of the console has an address of its own"},
    {HTTP_M_GET, "/assets/{name}", ACTION_PUBLIC, .flags = ROUTE_ANY_QUERY, .handle = console_asset,
     .summary = "a script, style or picture of the console"},
    {HTTP_M_GET, "/metrics", ACTION_PUBLIC, .flags = ROUTE_ANY_QUERY | ROUTE_METRICS, .handle = system_metrics,
     .summary = "Prometheus text format"},

    {HTTP_M_POST, "/api/v1/executions", ACTION_SUBMIT, .body = create_body, .handle = executions_create,
     .summary = "make an execution"},
    {HTTP_M_GET, "/api/v1/executions", ACTION_READ, .query = list_query, .handle = executions_list,
     .summary = "executions, newest first"},
    {HTTP_M_GET, "/api/v1/executions/{id}", ACTION_READ, RESOURCE_EXECUTION, .handle = executions_status,
     .summary = "status of an execution"},
    {HTTP_M_GET, "/api/v1/executions/{id}/status", ACTION_READ, RESOURCE_EXECUTION, .handle = executions_status,
     .summary = "the same"},
    {HTTP_M_GET, "/api/v1/executions/{id}/result", ACTION_READ, RESOURCE_EXECUTION, .handle = executions_result,
     .summary = "what it has left as its result"},
    {HTTP_M_PATCH, "/api/v1/executions/{id}", ACTION_WRITE, RESOURCE_EXECUTION, .body = patch_body,
     .handle = executions_patch, .summary = "status, exit code, metadata, pin"},
    {HTTP_M_GET, "/api/v1/executions/{id}/waiting", ACTION_INPUT, RESOURCE_WAITING, .handle = waiting_get,
     .summary = "what it waits for: the form, who may answer, until when"},
    {HTTP_M_PUT, "/api/v1/executions/{id}/waiting", ACTION_RECORD, RESOURCE_EXECUTION, .body = waiting_body,
     .handle = executions_wait, .summary = "let it wait for an answer"},
    {HTTP_M_POST, "/api/v1/executions/{id}/answer", ACTION_WRITE, RESOURCE_WAITING, .body = answer_body,
     .handle = waiting_answer, .summary = "answer what it waits for, so that it goes on"},
    {HTTP_M_DELETE, "/api/v1/executions/{id}", ACTION_CANCEL, RESOURCE_EXECUTION, .query = delete_query,
     .handle = executions_delete, .summary = "cancel; with purge=true remove its records"},
    {HTTP_M_GET, "/api/v1/executions/{id}/logs", ACTION_INPUT, RESOURCE_EXECUTION, .flags = ROUTE_READS,
     .query = logs_query, .handle = logs_read, .summary = "a page of records, or a stream of them"},
    {HTTP_M_POST, "/api/v1/executions/{id}/logs", ACTION_RECORD, RESOURCE_EXECUTION, .flags = ROUTE_RECORDS,
     .handle = logs_append, .summary = "append records"},
    {HTTP_M_POST, "/loki/api/v1/push", ACTION_RECORD, RESOURCE_NONE, .flags = ROUTE_EXPORT, .body_max = LOKI_BODY_MAX,
     .handle = loki_push, .summary = "Loki's push: lines under labels, in Protocol Buffers or JSON"},
    {HTTP_M_POST, "/api/v1/sources/cloudwatch/firehose", ACTION_RECORD, RESOURCE_NONE, .flags = ROUTE_DELIVERY,
     .body_max = FIREHOSE_BODY_MAX, .handle = firehose_cloudwatch,
     .summary = "Data Firehose: what subscriptions of CloudWatch Logs send"},
    {HTTP_M_POST, "/v1/logs", ACTION_RECORD, RESOURCE_NONE, .flags = ROUTE_EXPORT, .body_max = OTLP_BODY_MAX,
     .handle = otlp_logs, .summary = "OpenTelemetry: logs by OTLP/HTTP, in Protocol Buffers or JSON"},
    {HTTP_M_GET, "/api/v1/executions/{id}/logs/summary", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_READS,
     .handle = workflows_summary, .summary = "what is counted of a log: levels, event types, milestones, nodes, times"},
    {HTTP_M_GET, "/api/v1/executions/{id}/logs/statistics", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_READS,
     .query = statistics_query, .handle = workflows_statistics,
     .summary = "counts per level, event type and node over time"},
    {HTTP_M_GET, "/api/v1/executions/{id}/logs/search", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_READS,
     .query = search_log_query, .handle = search_log,
     .summary = "lines that match: how many, which, and how they are spread"},
    {HTTP_M_GET, "/api/v1/search", ACTION_READ, .query = search_all_query, .handle = search_logs,
     .summary = "lines that match, in all logs, those of the newest executions first"},
    {HTTP_M_GET, "/api/v1/executions/{id}/nodes", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_READS,
     .handle = workflows_nodes, .summary = "the nodes of a run, with state, attempts and times"},
    {HTTP_M_GET, "/api/v1/executions/{id}/logs/stream", ACTION_READ, RESOURCE_EXECUTION,
     .flags = ROUTE_FOLLOWS | ROUTE_TICKET, .query = sse_query, .handle = follow_sse, .summary = "server-sent events"},
    {HTTP_M_GET, "/api/v1/app/executions/{id}/logs", ACTION_READ, RESOURCE_EXECUTION,
     .flags = ROUTE_READS | ROUTE_FIELDS_422, .query = log_api_query, .handle = log_api_logs,
     .summary = "workflow log API: a page of entries"},
    {HTTP_M_GET, "/api/v1/app/executions/{id}/logs/stream", ACTION_READ, RESOURCE_EXECUTION,
     .flags = ROUTE_FOLLOWS | ROUTE_TICKET | ROUTE_FIELDS_422, .query = log_api_stream_query, .handle = log_api_stream,
     .summary = "workflow log API: server-sent events"},
    {HTTP_M_GET, "/api/v1/app/executions/recent_logs", ACTION_READ, .flags = ROUTE_FIELDS_422,
     .query = recent_logs_query, .handle = log_api_recent,
     .summary = "workflow log API: the latest execution of a workflow, with the end of its log"},
    {HTTP_M_GET, "/v2/executions/{id}/logs/summary", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_READS,
     .handle = log_api_summary, .summary = "workflow log API: what is counted of a log"},
    {HTTP_M_GET, "/v2/workflows/executions/{id}/logs", ACTION_READ, RESOURCE_EXECUTION,
     .flags = ROUTE_READS | ROUTE_FIELDS_422, .query = log_api_query, .handle = log_api_logs,
     .summary = "the same page"},
    {HTTP_M_GET, "/v2/executions/{id}/logs/stream", ACTION_READ, RESOURCE_EXECUTION,
     .flags = ROUTE_FOLLOWS | ROUTE_TICKET | ROUTE_FIELDS_422, .query = log_api_stream_query, .handle = log_api_stream,
     .summary = "the same events"},
    {HTTP_M_GET, "/workflows/runs", ACTION_READ, .flags = ROUTE_FIELDS_422, .query = runs_query, .handle = runs_list,
     .summary = "workflow runs, newest first"},
    {HTTP_M_GET, "/workflows/runs/{id}", ACTION_READ, RESOURCE_EXECUTION, .handle = runs_status,
     .summary = "status of a run"},
    {HTTP_M_GET, "/workflows/runs/{id}/status", ACTION_READ, RESOURCE_EXECUTION, .handle = runs_status,
     .summary = "the same"},
    {HTTP_M_GET, "/workflows/runs/{id}/trace", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_READS | ROUTE_FIELDS_422,
     .query = run_trace_query, .handle = runs_trace, .summary = "trace events of a run"},
    {HTTP_M_GET, "/workflows/runs/{id}/events", ACTION_READ, RESOURCE_EXECUTION,
     .flags = ROUTE_READS | ROUTE_FIELDS_422, .query = run_trace_query, .handle = runs_trace, .summary = "the same"},
    {HTTP_M_GET, "/workflows/runs/{id}/logs", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_READS | ROUTE_FIELDS_422,
     .query = run_logs_query, .handle = runs_logs, .summary = "lines of a run's log"},
    {HTTP_M_GET, "/workflows/runs/{id}/loki", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_FIELDS_422,
     .query = run_loki_query, .handle = runs_loki, .summary = "a run's lines as the mirror in Loki has them"},
    {HTTP_M_GET, "/workflows/runs/{id}/stream", ACTION_READ, RESOURCE_EXECUTION,
     .flags = ROUTE_FOLLOWS | ROUTE_TICKET | ROUTE_FIELDS_422, .query = run_stream_query, .handle = runs_stream,
     .summary = "a run's trace, log and status as server-sent events"},
    {HTTP_M_GET, "/workflows/runs/{id}/artifacts", ACTION_READ, RESOURCE_EXECUTION, .handle = artifacts_list,
     .summary = "the files that a run has left"},
    {HTTP_M_GET, "/workflows/runs/{id}/nodes", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_READS,
     .handle = runs_nodes, .summary = "the nodes of a run: those of its graph, and others that its records name"},
    {HTTP_M_GET, "/workflows/runs/{id}/config", ACTION_READ, RESOURCE_EXECUTION, .handle = runs_config,
     .summary = "inputs and configuration of a run"},
    {HTTP_M_POST, "/workflows/runs/{id}/cancel", ACTION_CANCEL, RESOURCE_EXECUTION, .handle = runs_cancel,
     .summary = "cancel a run"},
    {HTTP_M_GET, "/ws/executions/{id}/logs", ACTION_READ, RESOURCE_EXECUTION,
     .flags = ROUTE_FOLLOWS | ROUTE_TICKET | ROUTE_SOCKET, .query = ws_query, .handle = follow_ws,
     .refuse = follow_ws_refuse, .summary = "WebSocket for followers"},
    {HTTP_M_GET, "/ws/streams", ACTION_READ, .flags = ROUTE_TICKET | ROUTE_SOCKET, .handle = follow_streams,
     .summary = "WebSocket for followers of many"},
    {HTTP_M_GET, "/ws/runner/executions/{id}/stream", ACTION_WRITE, RESOURCE_EXECUTION,
     .flags = ROUTE_TICKET | ROUTE_SOCKET | ROUTE_ANY_QUERY, .query = runner_query, .handle = runner_socket,
     .summary = "WebSocket for runners"},
    {HTTP_M_GET, "/ws/workers", ACTION_WORK, .flags = ROUTE_SOCKET, .handle = workers_socket,
     .summary = "WebSocket of a worker, for all its executions"},

    {HTTP_M_POST, "/api/v1/executions/{id}/retry", ACTION_SUBMIT, RESOURCE_EXECUTION, .handle = executions_retry,
     .summary = "queue a job that has ended once more"},

    {HTTP_M_GET, "/api/v1/executions/{id}/dependencies", ACTION_READ, RESOURCE_EXECUTION,
     .handle = executions_dependencies,
     .summary = "what it depends on and what depends on it, also when nothing waits any more"},

    {HTTP_M_POST, "/api/v1/blobs", ACTION_BLOB, .flags = ROUTE_BLOBS | ROUTE_CONTENT, .handle = blobs_put_many,
     .summary = "upload many small contents in one body"},
    {HTTP_M_POST, "/api/v1/blobs/missing", ACTION_BLOB, .flags = ROUTE_BLOBS, .body = missing_body,
     .handle = blobs_missing, .summary = "which of these contents the account lacks"},
    {HTTP_M_HEAD, "/api/v1/blobs/{sha256}", ACTION_BLOB, .flags = ROUTE_BLOBS, .handle = blobs_head,
     .summary = "whether the account has a content; `Upload-Offset` of an interrupted upload"},
    {HTTP_M_PUT, "/api/v1/blobs/{sha256}", ACTION_BLOB, .flags = ROUTE_BLOBS | ROUTE_CONTENT, .handle = blobs_put,
     .summary = "upload a content, whole or a part"},
    {HTTP_M_GET, "/api/v1/executions/{id}/inputs/{name...}", ACTION_INPUT, RESOURCE_EXECUTION, .flags = ROUTE_BLOBS,
     .handle = inputs_get, .summary = "the content of an input"},
    {HTTP_M_GET, "/api/v1/executions/{id}/artifacts", ACTION_READ, RESOURCE_EXECUTION, .handle = artifacts_list,
     .summary = "the files that an execution has left"},
    {HTTP_M_DELETE, "/api/v1/executions/{id}/artifacts", ACTION_PURGE, RESOURCE_EXECUTION, .handle = artifacts_purge,
     .summary = "remove all files that it has left; its log stays"},
    {HTTP_M_GET, "/api/v1/executions/{id}/artifacts/{name...}", ACTION_READ, RESOURCE_EXECUTION, .flags = ROUTE_BLOBS,
     .handle = artifacts_get, .summary = "the content of an artifact"},
    {HTTP_M_PUT, "/api/v1/executions/{id}/artifacts/{name...}", ACTION_LEAVE, RESOURCE_EXECUTION, .body = artifact_body,
     .handle = artifacts_put, .summary = "name an uploaded content as an artifact"},

    {HTTP_M_POST, "/api/v1/batches", ACTION_SUBMIT, .body = batch_body, .handle = batches_create,
     .summary = "make a batch of jobs"},
    {HTTP_M_GET, "/api/v1/batches", ACTION_READ, .query = batches_query, .handle = batches_list,
     .summary = "batches, newest first"},
    {HTTP_M_GET, "/api/v1/batches/{id}", ACTION_READ, RESOURCE_BATCH, .handle = batches_status,
     .summary = "status of a batch"},
    {HTTP_M_GET, "/api/v1/batches/{id}/status", ACTION_READ, RESOURCE_BATCH, .handle = batches_status,
     .summary = "the same"},
    {HTTP_M_GET, "/api/v1/batches/{id}/stream", ACTION_READ, RESOURCE_BATCH, .flags = ROUTE_TICKET,
     .query = batch_sse_query, .handle = follow_batch_sse, .summary = "its status as server-sent events"},
    {HTTP_M_GET, "/api/v1/batches/{id}/executions", ACTION_READ, RESOURCE_BATCH, .query = batch_list_query,
     .handle = batches_executions, .summary = "its executions, newest first"},
    {HTTP_M_GET, "/api/v1/batches/{id}/cells", ACTION_READ, RESOURCE_BATCH, .query = batch_cells_query,
     .handle = batches_cells, .summary = "the states of its jobs, a letter for each"},
    {HTTP_M_GET, "/api/v1/batches/{id}/digest", ACTION_READ, RESOURCE_BATCH, .handle = batches_digest,
     .summary = "its latest failures, gathered by status, exit code and last line"},
    {HTTP_M_POST, "/api/v1/batches/{id}/executions", ACTION_SUBMIT, RESOURCE_BATCH, .body = batch_add_body,
     .handle = batches_add, .summary = "add jobs to an open batch"},
    {HTTP_M_POST, "/api/v1/batches/{id}/close", ACTION_SUBMIT, RESOURCE_BATCH, .handle = batches_close,
     .summary = "it takes no more jobs"},
    {HTTP_M_POST, "/api/v1/batches/{id}/cancel", ACTION_CANCEL, RESOURCE_BATCH, .handle = batches_cancel,
     .summary = "cancel all of its jobs"},
    {HTTP_M_POST, "/api/v1/batches/{id}/retry", ACTION_SUBMIT, RESOURCE_BATCH, .query = batch_retry_query,
     .handle = batches_retry, .summary = "queue what failed once more"},
    {HTTP_M_POST, "/api/v1/workflows", ACTION_SUBMIT, .body = workflow_body, .handle = workflows_create,
     .summary = "make a workflow"},
    {HTTP_M_GET, "/api/v1/workflows", ACTION_READ, .query = workflows_query, .handle = workflows_list,
     .summary = "workflows, newest first, without graph and job"},
    {HTTP_M_GET, "/api/v1/workflows/{workflow}", ACTION_READ, RESOURCE_WORKFLOW, .handle = workflows_get,
     .summary = "one workflow"},
    {HTTP_M_PATCH, "/api/v1/workflows/{workflow}", ACTION_SUBMIT, RESOURCE_WORKFLOW, .body = workflow_patch_body,
     .handle = workflows_patch, .summary = "change it; null removes what it has"},
    {HTTP_M_DELETE, "/api/v1/workflows/{workflow}", ACTION_SUBMIT, RESOURCE_WORKFLOW, .handle = workflows_delete,
     .summary = "delete it; its executions stay"},
    {HTTP_M_POST, "/api/v1/workflows/{workflow}/run", ACTION_SUBMIT, RESOURCE_WORKFLOW, .flags = ROUTE_BODY_OPTIONAL,
     .body = run_body, .handle = workflows_run, .summary = "make a run of it"},
    {HTTP_M_POST, "/workflows/{workflow}/run", ACTION_SUBMIT, RESOURCE_WORKFLOW, .flags = ROUTE_BODY_OPTIONAL,
     .body = run_body, .handle = workflows_run, .summary = "the same"},
    {HTTP_M_GET, "/api/v1/workflows/{workflow}/executions", ACTION_READ, RESOURCE_WORKFLOW,
     .query = workflow_executions_query, .handle = workflows_executions, .summary = "its runs, newest first"},
    {HTTP_M_GET, "/api/v1/workflows/{workflow}/logs", ACTION_READ, RESOURCE_WORKFLOW, .query = workflow_logs_query,
     .handle = workflows_logs, .summary = "the records of its newest runs, merged by time"},
    {HTTP_M_GET, "/api/v1/workflows/{workflow}/statistics", ACTION_READ, RESOURCE_WORKFLOW,
     .query = run_statistics_query, .handle = workflows_run_statistics,
     .summary = "counts of its newest runs over time: statuses, levels, event types, nodes"},
    {HTTP_M_GET, "/api/v1/executions/{id}/run", ACTION_READ, RESOURCE_EXECUTION, .handle = runs_get,
     .summary = "what it was given as a run: inputs and config; its attempts"},
    {HTTP_M_GET, "/api/v1/executions/{id}/graph", ACTION_READ, RESOURCE_EXECUTION, .handle = runs_graph,
     .summary = "the graph of a run"},

    {HTTP_M_GET, "/api/v1/workers", ACTION_READ, .handle = workers_list, .summary = "the workers that are connected"},
    {HTTP_M_POST, "/api/v1/workers/{worker_id}/drain", ACTION_WORK, .handle = workers_drain,
     .summary = "a worker takes no more jobs; those that it has go on"},
    {HTTP_M_POST, "/api/v1/workers/{worker_id}/resume", ACTION_WORK, .handle = workers_resume,
     .summary = "it takes jobs again"},

    {HTTP_M_POST, "/api/v1/tickets", ACTION_READ, .handle = tickets_create,
     .summary = "a credential for one stream and its reconnections"},
    {HTTP_M_POST, "/api/v1/keys", ACTION_KEYS, .body = key_body, .handle = keys_create, .summary = "make an API key"},
    {HTTP_M_GET, "/api/v1/keys", ACTION_KEYS, .query = keys_query, .handle = keys_list,
     .summary = "the account's API keys"},
    {HTTP_M_PATCH, "/api/v1/keys/{key_id}", ACTION_KEYS, .query = keys_query, .body = key_patch_body,
     .handle = keys_rename, .summary = "give an API key another name"},
    {HTTP_M_DELETE, "/api/v1/keys/{key_id}", ACTION_KEYS, .query = keys_query, .handle = keys_revoke,
     .summary = "revoke an API key; its streams end"},
    {HTTP_M_GET, "/api/v1/secrets", ACTION_SUBMIT, .query = secrets_query, .handle = secrets_list,
     .summary = "the account's secrets: their names and times, never their values"},
    {HTTP_M_POST, "/api/v1/secrets/{name}", ACTION_SECRETS, .body = secret_body, .handle = secrets_set,
     .summary = "make a secret, or give it another value"},
    {HTTP_M_POST, "/api/v1/secrets/{name}/reseal", ACTION_SECRETS, .handle = secrets_reseal,
     .summary = "seal a secret by the newest key"},
    {HTTP_M_GET, "/api/v1/secrets/{name}", ACTION_SUBMIT, .handle = secrets_get,
     .summary = "name and times of a secret"},
    {HTTP_M_DELETE, "/api/v1/secrets/{name}", ACTION_SECRETS, .handle = secrets_delete, .summary = "delete a secret"},
    {HTTP_M_POST, "/api/v1/accounts", ACTION_OPERATE, .body = account_body, .handle = accounts_create,
     .summary = "make an account"},
    {HTTP_M_GET, "/api/v1/accounts", ACTION_OPERATE, .query = accounts_query, .handle = accounts_list,
     .summary = "the accounts, as they were made"},
    {HTTP_M_GET, "/api/v1/accounts/{name}", ACTION_OPERATE, .handle = accounts_get, .summary = "one account"},
    {HTTP_M_PATCH, "/api/v1/accounts/{name}", ACTION_OPERATE, .body = account_patch_body, .handle = accounts_patch,
     .summary = "suspend or resume it"},
    {HTTP_M_DELETE, "/api/v1/accounts/{name}", ACTION_OPERATE, .query = account_delete_query, .handle = accounts_delete,
     .summary = "delete an empty account; with purge=true any, with all that it holds"},
    {HTTP_M_GET, "/api/v1/retention", ACTION_READ, .query = keys_query, .handle = accounts_retention,
     .summary = "what is kept of an account's executions, and whose rule says so"},
    {HTTP_M_POST, "/api/v1/loki/replay", ACTION_PURGE, .query = loki_replay_query, .handle = loki_replay,
     .summary = "push the logs of the account's executions of a time to Loki again"},
    {HTTP_M_POST, "/api/v1/executions/{id}/loki/replay", ACTION_PURGE, RESOURCE_EXECUTION, .handle = loki_replay,
     .summary = "push its log to Loki again"},
    {HTTP_M_POST, "/api/v1/backup", ACTION_OPERATE, .body = backup_body, .handle = system_backup,
     .summary = "a consistent copy of the store"},
    {0},
};
