#include "server/cloudwatch.h"

#include "client/aws_credentials.h"
#include "source/cloudwatch/page.h"

struct cloudwatch_logs {
    const struct config *config;
    struct cloudwatch_access access;
    _Atomic int64_t account; // 0: not known yet
};

static const char *variable_or(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value && *value ? value : otherwise;
}

int cloudwatch_logs_new(const struct config *config, struct cloudwatch_logs **ret, struct buf *ret_error)
{
    CLEANUP(aws_credentials_release) struct aws_credentials credentials = {0};
    const char *region = config->cloudwatch_region;
    const struct cloudwatch_access access = {
        .endpoint = config->cloudwatch_endpoint,
        .region = region[0] ? region : variable_or("AWS_REGION", variable_or("AWS_DEFAULT_REGION", "")),
        .ca_file = config->cloudwatch_ca,
        .credentials_file = config->cloudwatch_credentials,
        .profile = variable_or("AWS_PROFILE", ""),
        .place = {.group = config->cloudwatch_log_group, .stream = config->cloudwatch_log_stream},
    };
    *ret = NULL;
    if (!access.place.group[0])
        return 0;
    int err = cloudwatch_access_check(&access, ret_error);
    if (err == 0) // so that a mistake shows at the start
        err = aws_credentials_read(access.credentials_file, access.profile, &credentials, ret_error);
    if (err)
        return err;
    *ret = xcalloc(1, sizeof(**ret));
    (*ret)->config = config;
    (*ret)->access = access;
    return 0;
}

void cloudwatch_logs_free(struct cloudwatch_logs **logs)
{
    free(TAKE_PTR(*logs));
}

// --- Its account

struct finding {
    struct store_account_list list;
    struct loop *loop;
};

static void found(struct store_op *op)
{
    struct finding *it = CONTAINER_OF(op, struct finding, list.op);
    loop_stop(it->loop);
}

int cloudwatch_logs_open(struct cloudwatch_logs *logs, struct store *store, struct loop *loop, struct buf *ret_error)
{
    if (!logs)
        return 0;
    const char *name = logs->config->cloudwatch_account;
    struct finding it = {
        .list = {.op = {.kind = STORE_ACCOUNT_LIST, .reply_to = loop, .done = found}, .name = str_of(name), .limit = 1},
        .loop = loop,
    };
    store_submit(store, &it.list.op);
    loop_run(loop);
    int err = it.list.op.err;
    if (err == 0 && it.list.ret_count == 0)
        err = ERR_NOT_FOUND;
    if (err == 0)
        atomic_store(&logs->account, it.list.ret_accounts[0].row);
    store_op_release(&it.list.op);
    if (err == ERR_NOT_FOUND || err == ERR_EXPIRED)
        buf_printf(ret_error, "there is no account \"%s\"; make it before it is named", name);
    else if (err)
        buf_append_text(ret_error, error_text(err));
    return err;
}

// --- The port

static bool serves(void *arg, int64_t account)
{
    struct cloudwatch_logs *logs = arg;
    return account != 0 && atomic_load(&logs->account) == account;
}

struct adding {
    struct late_delivery *into;
    bool too_large; // an event is larger than a record may be
};

static void add(void *arg, const struct arrival *arrival)
{
    struct adding *it = arg;
    if (late_delivery_add(it->into, arrival->id, &arrival->record) < 0)
        it->too_large = true;
}

static void refuse(void *arg, const char *reason)
{
    (void)reason;
    ((struct adding *)arg)->too_large = true;
}

// CloudWatch's events are smaller than a record may be. One that is not would be missing for good: so nothing is
// fetched.
static int fetch_page(void *arg, const struct fetch_page *page)
{
    const struct cloudwatch_logs *logs = arg;
    struct adding adding = {.into = page->into};
    const struct arrival_reader reader = {add, refuse, &adding};
    const struct cloudwatch_ask ask = {
        .execution_id = page->execution_id,
        .timeout_ms = page->timeout_ms,
        .abort = page->abort,
        .reader = &reader,
    };
    int err = cloudwatch_page_fetch(&logs->access, &ask, page->token, page->ret_error);
    if (err || !adding.too_large)
        return err;
    buf_append_text(page->ret_error, "an event is larger than a record may be");
    return ERR_TOO_LARGE;
}

struct fetch_port cloudwatch_logs_port(struct cloudwatch_logs *logs)
{
    return (struct fetch_port){.page = fetch_page, .serves = serves, .arg = logs};
}
