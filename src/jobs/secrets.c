#include "jobs/secrets.h"

#include "util/json_writer.h"

struct taking {
    struct store_secret_take take;
    struct secrets_ask ask;
    struct str names[SECRETS_USED_MAX], variables[SECRETS_USED_MAX];
    struct str token_variable; // empty: it does not ask for the token of its run
};

static void wipe(struct buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->cap);
    buf_release(buf);
}

// Appends the value, or says why it cannot be had.
static void open_one(const struct taking *it, size_t i, struct buf *value, struct buf *refusal)
{
    const struct secret_opener *opener = &it->ask.opener;
    int err = opener->open
                  ? opener->open(opener->arg, it->ask.account, it->names[i], buf_str(&it->take.ret_sealed[i]), value)
                  : ERR_NOT_FOUND;
    if (err < 0)
        buf_printf(refusal, "the secret %.*s cannot be opened: %s", STR_ARGS(it->names[i]),
                   err == ERR_NOT_FOUND ? "it was sealed by a key that the server's file of secrets_key does not hold"
                                        : "what is stored of it is not what was sealed");
}

static void add_value(struct json_writer *json, struct str variable, struct str value)
{
    char name[SECRET_NAME_MAX + 1];
    snprintf(name, sizeof(name), "%.*s", STR_ARGS(variable));
    json_add_str(json, name, value);
}

static void open_all(const struct taking *it, struct buf *values, struct buf *refusal)
{
    CLEANUP(wipe) struct buf value = {0};
    struct json_writer json = json_writer_to(values);
    size_t bytes = 0;
    json_open_object(&json, NULL);
    for (size_t i = 0; i < it->take.count && refusal->len == 0; i++) {
        buf_reset(&value);
        open_one(it, i, &value, refusal);
        bytes += value.len;
        if (bytes > SECRETS_USED_BYTES_MAX)
            buf_append_text(refusal, "its secrets are larger than 512 KiB together");
        add_value(&json, it->variables[i], buf_str(&value));
    }
    if (it->token_variable.len > 0)
        add_value(&json, it->token_variable, it->ask.token);
    json_close(&json);
}

static void take_done(struct store_op *op)
{
    struct taking *it = CONTAINER_OF(op, struct taking, take.op);
    CLEANUP(wipe) struct buf values = {0};
    CLEANUP(buf_release) struct buf refusal = {0};
    int err = op->err;
    if (err == 0)
        open_all(it, &values, &refusal);
    else if (err == ERR_NOT_FOUND)
        buf_printf(&refusal, "the secret %.*s does not exist any more", STR_ARGS(it->names[it->take.ret_missing]));
    it->ask.done(it->ask.arg, err == ERR_NOT_FOUND ? 0 : err, buf_str(&values), buf_str(&refusal));
    store_op_release(op);
    free(it);
}

void secrets_fetch(const struct secrets_ask *ask)
{
    struct taking *it = xcalloc(1, sizeof(*it));
    struct str rest = str_of(ask->uses);
    it->ask = *ask;
    it->take = (struct store_secret_take){
        .op = {.kind = STORE_SECRET_TAKE, .reply_to = ask->loop, .done = take_done},
        .account = ask->account,
        .names = it->names,
    };
    while (rest.len > 0 && it->take.count < SECRETS_USED_MAX) {
        size_t i = it->take.count;
        if (!secret_use_parse(str_split(&rest, ' '), &it->names[i], &it->variables[i]))
            continue;
        if (secret_is_run_token(it->names[i]))
            it->token_variable = it->variables[i];
        else
            it->take.count++;
    }
    store_submit(ask->store, &it->take.op);
}
