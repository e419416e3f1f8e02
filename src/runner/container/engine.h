// Questions to a container engine by its API on a Unix socket (that of Docker, which Podman speaks as well). Each is
// answered once, on the loop. An answer is at most ENGINE_ANSWER_MAX bytes.
#pragma once

#include "client/local.h"
#include "util/buf.h"

#include <jansson.h>

#define ENGINE_ANSWER_MAX ((size_t)4 * 1024 * 1024)
#define ENGINE_TEXT_MAX   1024 // bytes of its words that go into a message

struct engine_call;

struct engine_answer {
    int err;          // 0: 2xx. ERR_NOT_FOUND, ERR_CONFLICT, else ERR_UNAVAILABLE; of struct local_events without one
    int status;       // of HTTP; 0: there is no answer
    const char *text; // for people: what the engine says, or why it says nothing
    json_t *root;     // NULL: its answer is no JSON
};
typedef void engine_answered(void *arg, const struct engine_answer *answer);

struct engine {
    struct loop *loop;
    const char *socket;
};
// `body` is JSON or empty. `idle_ms` as in struct local_request. `answered` may free the call; if it does not, the
// owner does so later.
struct engine_call *engine_ask(const struct engine *engine, const char *method, const char *target, struct str body,
                               uint64_t idle_ms, engine_answered *answered, void *arg);
// The same about one container; `rest` follows its id.
struct engine_call *engine_ask_of(const struct engine *engine, const char *method, const char *id, const char *rest,
                                  uint64_t idle_ms, engine_answered *answered, void *arg);
void engine_call_free(struct engine_call **call); // forgets the answer, and ends the connection
// The words of an error within an answer's JSON; NULL if there are none.
const char *engine_error_text(const json_t *root);
// Appends the engine's words as one line of at most ENGINE_TEXT_MAX bytes.
void engine_append_text(struct buf *out, const char *text);
void engine_append_escaped(struct buf *out, struct str text); // for a part of a target
