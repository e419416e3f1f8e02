// The server's settings. One X-macro makes the defaults, the options of the configuration file, flags, environment
// names, help and docs. A flag beats the environment, which beats the file, which beats the default.
#pragma once

#include "model/retention.h"
#include "util/buf.h"
#include "util/error.h"

// X(kind, name, default, least, most, reload, help). Kinds: T is text, N is a whole number with bounds, B is yes/no, L
// is a list of texts. `reload`: whether SIGHUP takes it over. The flag is --name with '-' for '_'. The environment name
// is RUNNEL_NAME in capitals.
#define CONFIG_SETTINGS(X)                                                                                             \
    X(L, listen, "127.0.0.1:7117", 0, 0, false,                                                                        \
      "addresses with ports to listen on, or unix:/PATH; port 0 lets the kernel choose")                               \
    X(T, socket_mode, "0660", 0, 0, false, "permissions of the files of unix sockets, in octal")                       \
    X(T, base_path, "", 0, 0, false, "path that all routes lie beneath, such as /runnel")                              \
    X(L, trusted_proxies, "", 0, 0, false,                                                                             \
      "addresses and ranges whose word about the client is believed (docs/proxies.md); unix: peers of unix sockets")   \
    X(B, proxy_protocol, 0, 0, 1, false, "trusted proxies begin each connection with a header of the PROXY protocol")  \
    X(T, data, "", 0, 0, false, "data folder; default $XDG_STATE_HOME/runnel")                                         \
    X(T, store, "", 0, 0, false,                                                                                       \
      "database instead of DATA/runnel.db: postgres://USER@HOST/DATABASE (PostgreSQL 15 or newer); the password from " \
      "PGPASSFILE")                                                                                                    \
    X(L, shards, "", 0, 0, false,                                                                                      \
      "more stores, for executions: folders, or postgres:// as in store; a new one comes last, and with closed: "      \
      "before "                                                                                                        \
      "it gets none (docs/scaling.md)")                                                                                \
    X(T, bus, "notify", 0, 0, false,                                                                                   \
      "how servers of one store in PostgreSQL tell each other what changes. notify: by it; redis://HOST:PORT, "        \
      "rediss://HOST:PORT (with TLS) or unix:/PATH: by a Redis; none: each looks once a second")                       \
    X(T, bus_credentials, "", 0, 0, false,                                                                             \
      "file with that Redis's password, or USER:PASSWORD; read for each "                                              \
      "connection")                                                                                                    \
    X(T, bus_ca, "", 0, 0, false, "PEM file of the authorities of that Redis's certificate; the system's unless told") \
    X(B, event_rows, 0, 0, 1, false,                                                                                   \
      "a store in PostgreSQL keeps structured records as rows too, for SQL (docs/postgres.md)")                        \
    X(T, backup_dir, "", 0, 0, false, "folder that backups are written beneath; default DATA/backups")                 \
    X(N, loops, 0, 0, 256, false, "event loops; 0: one per core")                                                      \
    X(N, readers, 2, 1, 64, false, "reader threads")                                                                   \
    X(T, tls_cert, "", 0, 0, false, "PEM file with the certificate chain; its content is reloaded")                    \
    X(T, tls_key, "", 0, 0, false, "PEM file with the private key")                                                    \
    X(B, insecure, 0, 0, 1, false, "allow plain HTTP from other machines")                                             \
    X(T, port_file, "", 0, 0, false, "write the port that is listened on to this file once ready")                     \
    X(T, log_level, "info", 0, 0, false, "what is logged, from this level up")                                         \
    X(T, log_form, "auto", 0, 0, false, "json: an object a line; text: for people; auto: text on a terminal")          \
    X(L, allowed_hosts, "", 0, 0, true,                                                                                \
      "further names that the Host header may have, beside loopback and the listening address")                        \
    X(B, metrics_credential, 0, 0, 1, true, "/metrics asks for a credential, of any role")                             \
    X(L, cors_origins, "", 0, 0, true, "origins that browsers may call from")                                          \
    X(N, message_max, 10240, 256, 1048576, true, "bytes of one record's message")                                      \
    X(N, body_max, 8388608, 65536, 1073741824, false, "bytes of a request's body")                                     \
    X(N, connections_max, 20000, 1, 1000000, false, "connections")                                                     \
    X(N, followers_max, 1000, 1, 1000000, true, "followers per account, at all servers of the store")                  \
    X(N, open_executions_max, 10000, 1, 10000000, true, "executions per account that are not sealed")                  \
    X(N, jobs, -1, -1, 10000, false,                                                                                   \
      "jobs that the worker within the server runs at once; -1: one per core if only loopback is listened on, else "   \
      "none")                                                                                                          \
    X(T, job_user, "", 0, 0, false, "user that they run as, if the server is root")                                    \
    X(T, container_socket, "", 0, 0, false,                                                                            \
      "of the container engine for their images; none: no containers; DOCKER_HOST's or a usual one unless told")       \
    X(T, registry_auth, "", 0, 0, false,                                                                               \
      "file of logins for registries of images, as `docker login` keeps them; read for each pull")                     \
    X(B, jobs_unconfined, 0, 0, 1, false,                                                                              \
      "it takes jobs of any key, also where nothing keeps them from the data folder")                                  \
    X(N, running_jobs_max, 10000, 1, 1000000, false,                                                                   \
      "jobs of an account that workers have at once, at all servers of the store")                                     \
    X(N, queued_jobs_max, 1000000, 1, 100000000, true, "jobs of an account that wait for a worker")                    \
    X(T, secrets_key, "", 0, 0, false,                                                                                 \
      "file of the keys that secrets are sealed with, read again on SIGHUP; default DATA/secrets.key")                 \
    X(N, secrets_max, 1000, 0, 1000000, true, "secrets of an account; 0: any number")                                  \
    X(T, cost_rate, "0.86", 0, 0, true, "what an hour of a worker costs")                                              \
    X(T, currency, "€", 0, 0, true, "what stands before a cost")                                                       \
    X(T, retention, RETENTION_DEFAULT, 0, 0, true,                                                                     \
      "how long executions are kept after their end: 30d, failed=90d, executions=10000, bytes=100G, log_bytes=1G; 0: " \
      "for ever")                                                                                                      \
    X(N, artifact_max, 1073741824, 0, 1099511627776, true, "bytes of a file that a run takes or leaves")               \
    X(N, artifacts_max, 107374182400, 0, 1125899906842624, true, "bytes of all such files of an account")              \
    X(T, artifacts, "dir", 0, 0, false,                                                                                \
      "where files of runs are kept: dir is DATA/blobs; s3://BUCKET/PREFIX is S3 or what speaks it (docs/s3.md)")      \
    X(T, s3_endpoint, "", 0, 0, false, "URL of S3; AWS's own of the region unless told")                               \
    X(T, s3_region, "", 0, 0, false, "region of S3; AWS_REGION's unless told, else us-east-1")                         \
    X(T, s3_style, "auto", 0, 0, false,                                                                                \
      "where the bucket stands: path; host, in its name; auto is host with AWS's own endpoint, else path")             \
    X(T, s3_ca, "", 0, 0, false, "PEM file of the authorities of S3's certificate; the system's unless told")          \
    X(T, s3_credentials, "", 0, 0, false,                                                                              \
      "file of credentials as AWS's command line keeps them, read for each request; the environment's "                \
      "(AWS_ACCESS_KEY_ID …) unless told")                                                                             \
    X(N, s3_connections, 16, 1, 256, false, "connections to S3 at once")                                               \
    X(N, s3_timeout_seconds, 30, 1, 3600, false, "a request to S3 that takes longer, with its retries, has failed")    \
    X(N, s3_memory_max, 268435456, 16777216, 1099511627776, false,                                                     \
      "bytes that uploads to S3 hold together; each holds up to 8 MiB, more if its content is larger than 78 GiB")     \
    X(T, cold, "", 0, 0, false,                                                                                        \
      "where old logs move to: s3://BUCKET/PREFIX (docs/s3.md#cold-logs), with the settings s3_…; none: all stay")     \
    X(T, cold_after, "0", 0, 0, false, "so long after its end a log moves there: 2d, 12h; 0: none does")               \
    X(N, cold_connections, 4, 1, 64, false, "reads of such logs from S3 at once")                                      \
    X(N, cold_cache_bytes, 33554432, 0, 1099511627776, false,                                                          \
      "bytes of such logs kept in memory once read; a sixteenth of memory_max (8 to 64 MiB) is the most. 0: none")     \
    X(T, jwt_issuers, "", 0, 0, true,                                                                                  \
      "file of the issuers whose JSON Web Tokens are taken (docs/jwt.md); it is read again")                           \
    X(N, failed_logins_max, 100, 1, 1000000, false,                                                                    \
      "failed logins per minute and address, at all servers of the store")                                             \
    X(N, memory_max, 0, 0, 1099511627776, false,                                                                       \
      "bytes held for others, at least 64 MiB; 0: a quarter of what the machine or its cgroup has")                    \
    X(B, drain, 0, 0, 1, true,                                                                                         \
      "take nothing new and give out no jobs; what runs goes on to its end (docs/moving.md#draining)")                 \
    X(N, cache_bytes, 268435456, 1048576, 1099511627776, true, "bytes of the log cache, all loops together")           \
    X(N, regex_steps, 10000000, 1000, 1000000000, true, "matching steps of a regular expression per page")             \
    X(N, lease_seconds, 30, 1, 3600, false, "a runner silent for so long is lost")                                     \
    X(N, lost_seal_seconds, 86400, 1, 31536000, false, "a lost execution is sealed after so long")                     \
    X(N, push_quiet_seconds, 86400, 0, 315360000, true,                                                                \
      "what OpenTelemetry's or Loki's clients have made is sealed when nothing has come for so long; 0: never")        \
    X(N, source_quiet_seconds, 3600, 1, 315360000, true,                                                               \
      "what late sources have made (CloudWatch Logs) is sealed when nothing has come for so long")                     \
    X(N, source_reorder_ms, 2000, 0, 60000, true,                                                                      \
      "their events that come within so long are numbered in the order of their times")                                \
    X(T, source_retention, "7d", 0, 0, true, "how long what they have made is kept after its seal: 7d; 0: for ever")   \
    X(T, cloudwatch_log_group, "", 0, 0, false,                                                                        \
      "log group of CloudWatch Logs that logs are fetched from when they are read first; none: no log is")             \
    X(T, cloudwatch_log_stream, "{execution_id}", 0, 0, false,                                                         \
      "stream of an execution there, such as task/runner/{execution_id}; with `/*` at its end: all that begin so")     \
    X(T, cloudwatch_account, "default", 0, 0, false, "account whose logs they are")                                    \
    X(T, cloudwatch_region, "", 0, 0, false, "region of AWS; AWS_REGION's unless told")                                \
    X(T, cloudwatch_endpoint, "", 0, 0, false, "URL that is asked; AWS's own of the region unless told")               \
    X(T, cloudwatch_ca, "", 0, 0, false, "PEM file of the authorities of its certificate; the system's unless told")   \
    X(T, cloudwatch_credentials, "", 0, 0, false,                                                                      \
      "file of credentials as AWS's command line keeps them, read for each request; the environment's "                \
      "(AWS_ACCESS_KEY_ID …) unless told")                                                                             \
    X(N, cloudwatch_fetch_seconds, 600, 1, 86400, false, "a fetch that takes longer has failed")                       \
    X(N, cloudwatch_wait_seconds, 10, 0, 60, false, "whoever reads a page of such a log waits for it so long")         \
    X(N, cloudwatch_retry_seconds, 10, 0, 3600, false,                                                                 \
      "what could not be fetched, or was not there yet, is not asked for again for so long")                           \
    X(T, loki_url, "", 0, 0, false, "URL of a Loki that all logs are mirrored in (docs/loki.md); none: they are not")  \
    X(T, loki_labels, "few", 0, 0, false,                                                                              \
      "labels there. few: account, stream, level, and metadata; run: run_id, node, stream")                            \
    X(T, loki_tenant, "", 0, 0, false, "tenant there (X-Scope-OrgID)")                                                 \
    X(T, loki_credentials, "", 0, 0, false, "file with a token for it, or USER:PASSWORD; read for each request")       \
    X(T, loki_ca, "", 0, 0, false, "PEM file of the authorities of its certificate; the system's unless told")         \
    X(B, loki_insecure, 0, 0, 1, false, "it may be spoken to by plain HTTP on another machine")                        \
    X(N, loki_line_max, 262144, 1024, 1048576, false, "bytes of a line there (max_line_size); longer ones are cut")    \
    X(N, loki_window_seconds, 3000, 60, 604800, false,                                                                 \
      "so much later than older lines that still wait none is pushed: less than half of Loki's max_chunk_age")         \
    X(N, loki_pause_ms, 1000, 10, 60000, false, "pause between looks for new lines")                                   \
    X(N, ping_seconds, 20, 1, 3600, false, "pause between pings on a WebSocket")                                       \
    X(N, pong_timeout_seconds, 60, 1, 3600, false, "without any pong for so long a WebSocket is closed")               \
    X(N, shutdown_seconds, 10, 0, 3600, false, "deadline of a graceful shutdown")

// Settings that had another name: X(old, now). The old name is refused, and the error tells the new one.
#define CONFIG_RENAMED(X) X(workers, loops)

struct text_list {
    char **items;
    size_t count;
};

struct config {
#define CONFIG_FIELD_T(name)                                     char *name;
#define CONFIG_FIELD_N(name)                                     int64_t name;
#define CONFIG_FIELD_B(name)                                     bool name;
#define CONFIG_FIELD_L(name)                                     struct text_list name;
#define CONFIG_FIELD(kind, name, def, least, most, reload, help) CONFIG_FIELD_##kind(name)
    CONFIG_SETTINGS(CONFIG_FIELD)
#undef CONFIG_FIELD
};

struct config_setting { // for help, docs and flags
    const char *name, *flag, *env, *default_text, *help;
    char kind;
    bool reload;
    int64_t least, most;
};
extern const struct config_setting config_settings[]; // ends with a NULL name
// Returns the words that a text may be, as "a, b or c"; NULL if it may be any text.
const char *config_choices(const struct config_setting *setting);
// True if the setting has the same value in both.
bool config_same(const struct config *a, const struct config *b, const struct config_setting *setting);

void config_init(struct config *config); // sets the defaults
void config_release(struct config *config);
// These return 0 or ERR_INVALID; *ret_error tells which setting is wrong and what it may be.
int config_load_file(struct config *config, const char *path, struct buf *ret_error);
int config_load_environment(struct config *config, struct buf *ret_error);
int config_set(struct config *config, const char *name, const char *value, struct buf *ret_error);
