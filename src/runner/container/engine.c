#include "runner/container/engine.h"

struct engine_call {
    struct local_call *local;
    struct buf body;
    int status;
    bool too_large;
    engine_answered *answered;
    void *arg;
};

const char *engine_error_text(const json_t *root)
{
    const char *text = json_string_value(json_object_get(root, "message"));
    if (!text)
        text = json_string_value(json_object_get(json_object_get(root, "errorDetail"), "message"));
    if (!text)
        text = json_string_value(json_object_get(root, "error"));
    return text && text[0] ? text : NULL;
}

void engine_append_text(struct buf *out, const char *text)
{
    size_t len = utf8_prefix(text, strlen(text), ENGINE_TEXT_MAX);
    CLEANUP(free_ptr) char *line = xstrndup(text, len);
    for (char *at = line; *at; at++)
        *at = (unsigned char)*at < ' ' ? ' ' : *at;
    buf_append_utf8(out, str_trim(str_of(line)));
}

void engine_append_escaped(struct buf *out, struct str text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < text.len; i++) {
        if (memchr(plain, text.data[i], sizeof(plain) - 1))
            buf_append_byte(out, text.data[i]);
        else
            buf_printf(out, "%%%02X", (unsigned char)text.data[i]);
    }
}

static int error_of(int status)
{
    if (status >= 200 && status < 300)
        return 0;
    return status == 404 ? ERR_NOT_FOUND : status == 409 ? ERR_CONFLICT : ERR_UNAVAILABLE;
}

static const char *silence_text(int err)
{
    switch (err) {
    case ERR_UNREACHABLE:
        return "nothing listens on its socket";
    case ERR_CLOSED:
        return "it has closed the connection before its answer was complete";
    case ERR_TIMEOUT:
        return "it does not answer";
    case ERR_TOO_LARGE:
        return "its answer is too large";
    default:
        return "what it answers is not HTTP";
    }
}

static void on_head(void *arg, int status)
{
    ((struct engine_call *)arg)->status = status;
}

static void on_data(void *arg, struct str bytes)
{
    struct engine_call *call = arg;
    call->too_large = call->too_large || bytes.len > ENGINE_ANSWER_MAX - call->body.len;
    if (!call->too_large)
        buf_append_str(&call->body, bytes);
}

static void on_ended(void *arg, int err)
{
    struct engine_call *call = arg;
    struct engine_answer answer = {.err = call->too_large && err == 0 ? ERR_TOO_LARGE : err, .status = call->status};
    CLEANUP(buf_release) struct buf text = {0};
    json_t *root = NULL;
    if (answer.err == 0) {
        root = call->body.len > 0 ? json_loadb(call->body.data, call->body.len, JSON_DISABLE_EOF_CHECK, NULL) : NULL;
        const char *words = engine_error_text(root);
        answer.err = error_of(call->status);
        if (answer.err < 0 && !words)
            buf_printf(&text, "it answers with status %d", call->status);
        else if (answer.err < 0)
            engine_append_text(&text, words);
    } else {
        buf_append_text(&text, silence_text(answer.err));
        answer.status = 0;
    }
    answer.root = root;
    answer.text = buf_cstr(&text);
    call->answered(call->arg, &answer);
    json_decref(root);
}

static const struct local_events local_events = {on_head, on_data, on_ended};

struct engine_call *engine_ask(const struct engine *engine, const char *method, const char *target, struct str body,
                               uint64_t idle_ms, engine_answered *answered, void *arg)
{
    struct engine_call *call = xcalloc(1, sizeof(*call));
    struct local_request request = {
        .socket = engine->socket, .method = method, .target = target, .body = body, .idle_ms = idle_ms, .input_fd = -1};
    call->answered = answered;
    call->arg = arg;
    call->local = local_call_new(engine->loop, &request, &local_events, call);
    return call;
}

struct engine_call *engine_ask_of(const struct engine *engine, const char *method, const char *id, const char *rest,
                                  uint64_t idle_ms, engine_answered *answered, void *arg)
{
    CLEANUP(free_ptr) char *target = xasprintf("/containers/%s%s", id, rest);
    return engine_ask(engine, method, target, (struct str){0}, idle_ms, answered, arg);
}

void engine_call_free(struct engine_call **call_ptr)
{
    struct engine_call *call = TAKE_PTR(*call_ptr);
    if (!call)
        return;
    local_call_free(&call->local);
    buf_release(&call->body);
    free(call);
}
