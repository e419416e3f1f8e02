#include "api/workflows/waiting.h"

#include "api/body.h"
#include "model/waiting.h"
#include "util/clock.h"
#include "util/id.h"

// --- Asking

bool call_take_waiting(struct call *call, const struct json_t *waiting, const char *within, char **ret_text,
                       int64_t *ret_until_ms)
{
    char id[ID_SORTABLE_LEN + 1];
    struct waiting_problem problem;
    int64_t now_ms = clock_real_ms();
    id_sortable(now_ms, id);
    *ret_text = waiting_take(waiting, id, now_ms, ret_until_ms, &problem);
    if (*ret_text)
        return true;
    struct arena *arena = http_arena(call->request);
    const char *member = problem.member ? arena_dup(arena, str_of(problem.member)) : within ? within : "body";
    if (problem.member && within)
        member = arena_printf(arena, "%s.%s", within, problem.member);
    call_fail_fields(call, &(struct http_field_error){member, problem.reason}, 1);
    return false;
}

// --- What it waits for

static bool may_answer(const struct call *call, const struct execution *execution, const char *waiting)
{
    struct str user = call_asking_user(call);
    if (!waiting || !role_may(call->principal.role, ACTION_WRITE))
        return false;
    return call->principal.role != ROLE_USER || waiting_may_answer(str_of(waiting), str_of(execution->owner), user);
}

void call_answer_waiting(struct call *call, const struct execution *execution, const char *waiting)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "execution_id", execution->execution_id);
    json_add_text(&json, "status", status_word(execution->status));
    json_add_bool(&json, "sealed", execution->sealed);
    json_add_u64(&json, "last_index", execution->next_sequence);
    json_add_raw(&json, "waiting", str_of(waiting));
    json_add_bool(&json, "may_answer", may_answer(call, execution, waiting));
    json_close(&json);
    call_answer(call, 200, &json);
}

void waiting_get(struct call *call)
{
    call_answer_waiting(call, &call->execution, call->waiting.ret_over ? NULL : call->waiting.ret_waiting);
}

// --- Answering

struct answering {
    struct store_answer answer;
    struct call *call;
    char *data;
    char producer[sizeof("answer:") + 2 * (size_t)32];
};

static void say_answered(struct call *call, const struct store_answer *answer)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "execution_id", answer->ret_execution.execution_id);
    json_add_text(&json, "status", status_word(answer->ret_execution.status));
    json_add_u64(&json, "sequence_number", answer->ret_sequence);
    json_add_u64(&json, "index", answer->ret_sequence + 1);
    json_close(&json);
    call_answer(call, 200, &json);
}

static void say_refused(struct call *call, int err, const char *reason)
{
    if (err == ERR_INVALID)
        call_fail_fields(call, &(struct http_field_error){"data", reason}, 1);
    else if (err == ERR_BAD_TRANSITION || err == ERR_SEALED)
        call_fail(call, ERR_CONFLICT, "it waits for no answer; it may have been answered already");
    else if (err == ERR_CONFLICT)
        call_fail(call, err, "it waits for another answer by now; look what it asks");
    else if (err == ERR_FORBIDDEN)
        call_fail(call, err, "others are asked to answer this");
    else
        call_fail(call, err, err == ERR_NOT_FOUND ? execution_error_text(err) : NULL);
}

static void answered(struct store_op *op)
{
    struct answering *it = CONTAINER_OF(op, struct answering, answer.op);
    struct call *call = it->call;
    if (op->err)
        say_refused(call, op->err, it->answer.ret_reason);
    else
        say_answered(call, &it->answer);
    store_op_release(op);
    free(it->data);
    free(it);
    call_unref(call);
}

// Each user has keys of its own.
static bool take_key(struct answering *it)
{
    struct call *call = it->call;
    struct str key;
    char whole[CALL_KEY_MAX], hex[65];
    uint8_t hash[32];
    if (!call_header_key(call, &key))
        return false;
    if (key.len == 0)
        return true;
    struct str scoped = call_idempotency_key(call, key, whole);
    sha256(scoped.data, scoped.len, hash);
    hex_encode(hash, sizeof(hash), hex);
    snprintf(it->producer, sizeof(it->producer), "answer:%s", hex);
    it->answer.producer = str_of(it->producer);
    return true;
}

void waiting_answer(struct call *call)
{
    struct answering *it = xcalloc(1, sizeof(*it));
    const struct principal *principal = &call->principal;
    it->call = call;
    if (!take_key(it)) {
        free(it);
        return;
    }
    it->data = json_text(json_object_get(call->body, "data"));
    it->answer.row = call->execution.row;
    it->answer.user = str_of(principal->user[0] ? principal->user : role_name(principal->role));
    it->answer.asking_user = principal->role == ROLE_USER;
    it->answer.waiting_id = str_of(json_string_value(json_object_get(call->body, "waiting_id")));
    it->answer.data = str_of(it->data);
    call_submit(call, STORE_ANSWER, &it->answer.op, answered);
}
