// One request on its way through the interface, and what the files of this room share.
#pragma once

#include <jansson.h>

#include "api/api.h"
#include "ingest/gate.h"
#include "store/execution_cache.h"
#include "util/id.h"
#include "util/list.h"

#define GOING_AWAY      "the server is shutting down"
#define CLOSE_SUSPENDED 4403
#define CLOCKS_APART_MS (60 * 1000) // a client's time may lie so far in the future

struct route;

struct api {
    struct api_options options;
    const struct api_limits *limits;
    struct record_parser *parser; // without a limit on messages: what is too long is split
    struct record_parser *strict_parser;
    size_t strict_max;
    struct execution_cache *executions;
    struct intake_gate gate;
    struct list_node streams; // struct stream_node
    unsigned stream_count;
    struct timer *sweep; // ends streams whose credential ran out or was revoked
    bool draining;
    void (*fewer)(void *arg); // or NULL
    void *fewer_arg;
};

// A long-lived connection, so that shutdown and revocation reach it.
struct stream_node {
    struct list_node node;
    struct api *api;
    struct principal principal;
    uint64_t holder; // of a runner socket; 0 for followers
    // Ends it with a WebSocket close code: 1001 going away, 4401 credential ran out, 4403 account suspended.
    void (*end)(struct stream_node *stream, unsigned code, const char *reason);
    // Ends it with 1001 once it has all that is durable now; NULL: `end` will do.
    void (*finish)(struct stream_node *stream);
    void (*cancel)(struct stream_node *stream, const char *reason); // runner sockets
};
// 0 if the principal is still good, else ERR_UNAUTHORIZED or ERR_SUSPENDED. It is compared with the change that it was judged as of, so
// that none slips through between two looks, and judged again if it is not that. To be asked again after each wait.
int api_standing(struct api *api, struct principal *principal);
// Only of a principal that stands.
void stream_add(struct stream_node *stream, struct api *api, const struct principal *principal);
void stream_remove(struct stream_node *stream);

// Lives while the request is unanswered or an operation of it is under way.
struct call {
    struct api *api;
    struct http_request *request; // NULL once answered or when the client has gone
    const struct route *route;
    enum action action;                 // the route's, unless a setting makes it another
    struct str execution_id, parameter; // from the path; valid while `request` is
    struct principal principal;
    struct kept_execution *kept;
    struct execution execution; // of routes with ROUTE_EXECUTION; its strings are those of `kept`
    unsigned refs;
    bool before_body; // of the request, nothing but the head has come
    uint64_t began_ns;
    struct auth_check check;
    struct store_get get;
    char execution_id_copy[ID_EXECUTION_MAX + 1];
};

void call_ref(struct call *call);
void call_unref(struct call *call);
void call_watch(struct call *call); // hear of the client's going (again)
// Hands the request to an upgrade or a stream: the call forgets it.
struct http_request *call_take_request(struct call *call);

// Answers; each forgets the request. Nothing happens when the client has gone.
void call_answer_json(struct call *call, int status, const struct buf *json);
void call_fail(struct call *call, int err, const char *detail);
void call_fail_fields(struct call *call, const struct http_field_error *fields, size_t count);

void call_answer_execution(struct call *call, int status, const struct execution *execution);
char *json_text(const json_t *value); // compact, keys sorted; owned by the caller

// The place behind a row in a list of the account, for its next page; see cursor.c. False: it was not given out to it.
void cursor_append(struct buf *out, const struct api *api, int64_t account, int64_t row);
bool cursor_parse(const struct api *api, int64_t account, struct str cursor, int64_t *ret_row);
// Appends `,"next_cursor":` and that of the row, or null if it is 0.
void append_next_cursor(struct buf *json, const struct call *call, int64_t row);

#define NO_SUCH_ACCOUNT "no such account"
#define ACCOUNT_GONE    "that account was deleted; its name is never used again"

// What is wrong with metadata as it was sent; NULL if nothing is.
#define METADATA_TOO_LARGE "is larger than 64 KiB"
#define METADATA_TOO_MANY  "has more than 1000 members"
const char *metadata_check(const json_t *value);

// The body as a JSON object; NULL after having answered 400, 413, 415 or 422.
json_t *call_json_object(struct call *call);
// Refuses members that are not among `names` (NULL-terminated) with 422.
bool call_json_known(struct call *call, json_t *object, const char *const *names);

enum route_flags {
    ROUTE_EXECUTION =
        1, // {id} is an execution of the account (404, 410), seen by its owner alone if the principal is a user
    ROUTE_STREAM = 2, // takes ?access_token=
    ROUTE_PURGED = 4, // also for purged executions
    ROUTE_OWN = 8,    // a `user` may do it to what it owns even when its role may not otherwise
    ROUTE_BODY = 64,  // takes a body; others refuse it unread
    ROUTE_UPGRADE =
        16, // WebSocket, also with a ticket as a subprotocol; refusals after the credential are told by close codes
    ROUTE_METRICS = 32, // asks for a credential if the setting metrics_credential says so
};

struct route {
    enum http_method method;
    const char *pattern; // "{id}" and "{name}" stand for one segment
    enum action action;
    unsigned flags;
    void (*handle)(struct call *call);
    const char *summary;
};
extern const struct route routes[]; // ends with a NULL pattern

// --- front.c
// Host, Origin and base path of a request; the path beneath that. False after having answered.
bool front_admit(struct api *api, struct http_request *request, struct str *ret_path);
void front_refused(void *api, struct http_request *request, int err); // http_app.refused
// Whether a credential and what it shows may travel as this request does.
bool front_plain_allowed(const struct api *api, const struct http_request *request);

// What readers of a log ask for by query parameters.
struct log_query {
    struct position position;
    struct filter *filter;
    enum follow_format format;
    bool has_format, follow, restored;
    bool states;    // NDJSON that follows tells what becomes of the runner, too
    bool resumed;   // the position is that of an event
    unsigned limit; // of a page
};
void log_query_release(struct log_query *query);
// False after having answered the error.
bool log_query_parse(struct call *call, enum position_route route, struct log_query *ret);

// Appends `,"name":` and the time in RFC 3339, or null if it is 0.
void append_time(struct buf *json, const char *name, int64_t time_ms);

// JSON of what followers are told beside records.
void append_position(struct buf *out, const struct follower *follower);
void append_gap(struct buf *out, const struct follower *follower);
void append_state(struct buf *out, const struct execution *execution, const struct execution_live *live);
void append_complete(struct buf *out, const struct execution *execution);
const char *execution_error_text(int err); // for an execution that cannot be had
void append_stream_error(struct buf *out, struct str execution_id, int err);

// Takes a place among the account's followers: false after having answered 429.
bool call_follower_place(struct call *call);

// Handlers, by file.
void executions_create(struct call *call);
void executions_list(struct call *call);
void executions_status(struct call *call);
void executions_patch(struct call *call);
void executions_delete(struct call *call);
void logs_read(struct call *call);
void logs_page(struct call *call, struct log_query *query);
void logs_append(struct call *call);
void follow_http(struct call *call, struct log_query *query);
void follow_sse(struct call *call);
void follow_ws(struct call *call);
void runner_socket(struct call *call);
void keys_create(struct call *call);
void keys_list(struct call *call);
void keys_revoke(struct call *call);
void tickets_create(struct call *call);
void accounts_create(struct call *call);
void accounts_list(struct call *call);
void accounts_get(struct call *call);
void accounts_patch(struct call *call);
void accounts_delete(struct call *call);
void system_health(struct call *call);
void system_ready(struct call *call);
void system_metrics(struct call *call);
void system_backup(struct call *call);
