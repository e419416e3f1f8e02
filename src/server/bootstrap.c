#include "server/bootstrap.h"

#include "auth/auth.h"
#include "util/clock.h"
#include "util/file.h"

#include <unistd.h>

struct bootstrap {
    struct store *store;
    struct loop *loop;
    char *key_path;
    struct store_account_ensure account;
    struct store_key_create key;
    char secret[API_KEY_LEN + 1];
    int err;
};

static void bootstrap_end(struct bootstrap *it, int err)
{
    it->err = err;
    loop_stop(it->loop);
}

static void key_done(struct store_op *op)
{
    struct bootstrap *it = CONTAINER_OF(op, struct bootstrap, key.op);
    int err = op->err;

    if (err == 0) {
        CLEANUP(buf_release) struct buf text = {0};
        buf_printf(&text, "%s\n", it->secret);
        err = file_write_atomic(it->key_path, text.data, text.len, 0600);
    }
    store_op_release(op);
    api_key_release(&it->key.key);
    bootstrap_end(it, err);
}

static void account_done(struct store_op *op)
{
    struct bootstrap *it = CONTAINER_OF(op, struct bootstrap, account.op);
    char id[ID_SORTABLE_LEN + 1];

    // A store that was restored into an empty folder has an account and no key file. It gets a key, too.
    if (op->err || access(it->key_path, F_OK) == 0) {
        bootstrap_end(it, op->err);
        return;
    }
    id_sortable(clock_real_ms(), id);
    it->key = (struct store_key_create){
        .op = {.kind = STORE_KEY_CREATE, .reply_to = it->loop, .done = key_done},
        .key = {.account = it->account.ret_account,
                .key_id = xasprintf("key_%s", id),
                .name = xstrdup("admin.key"),
                .role = ROLE_OPERATOR,
                .created_ms = clock_real_ms()},
    };
    api_key_make(it->secret, it->key.key.hash);
    store_submit(it->store, &it->key.op);
}

int bootstrap_store(struct store *store, struct loop *loop, const char *data)
{
    CLEANUP(free_ptr) char *key_path = xasprintf("%s/admin.key", data);
    struct bootstrap it = {.store = store, .loop = loop, .key_path = key_path};
    it.account = (struct store_account_ensure){
        .op = {.kind = STORE_ACCOUNT_ENSURE, .reply_to = loop, .done = account_done},
        .name = STR(ACCOUNT_DEFAULT),
    };
    store_submit(store, &it.account.op);
    loop_run(loop);
    memset(it.secret, 0, sizeof(it.secret));
    return it.err;
}
