// What goes its rounds on the main loop.
#include "server/server_private.h"

void server_set_late(struct server *server)
{
    late_set(server->late, server->settings->source_reorder_ms, server->settings->limits.message_max);
}

static int server_open_secret(void *keyring, int64_t account, struct str name, struct str sealed, struct buf *out)
{
    return keyring_open(keyring, &(struct keyring_place){account, name}, sealed, out);
}

static void server_run_token(void *arg, const struct execution *execution, char out[DISPATCH_TOKEN_MAX + 1])
{
    const struct server *server = arg;
    const struct run_name run = {
        .account = execution->account,
        .row = execution->row,
        .epoch = execution->epoch,
        .execution_id = str_of(execution->execution_id),
    };
    run_token_make(server->store, &run, out);
}

void server_make_dispatch(struct server *server)
{
    struct dispatch_options dispatch = {
        .loop = server->loop,
        .store = server->store,
        .hub = server->hub,
        .metrics = server->metrics,
        .logger = &server->logger,
        .secrets = {server_open_secret, server->keyring},
        .running_max = (uint64_t)server->config->running_jobs_max,
        .token = server_run_token,
        .token_arg = server,
    };
    server->dispatch = dispatch_new(&dispatch);
    dispatch_hold(server->dispatch, server->config->drain);
}

int64_t server_node(void *arg)
{
    struct server *server = arg;
    return hub_node(server->hub);
}

static void server_fetch_quiet(void *arg, const struct quiet_found *found)
{
    const struct server *server = arg;
    fetches_close(server->fetches, found->account, found->row, found->execution_id);
}

void server_make_sweep(struct server *server)
{
    struct sweep_options sweep = {
        .loop = server->loop,
        .store = server->store,
        .node = server_node,
        .node_arg = server,
        .metrics = server->metrics,
        .logger = &server->logger,
    };
    server->sweep = sweep_new(&sweep);
    sweep_set(server->sweep, &server->settings->limits.retention);
    struct blob_sweep_options blobs = {
        .loop = server->loop,
        .store = server->store,
        .blobs = server->blobs,
        .metrics = server->metrics,
        .logger = &server->logger,
    };
    server->blob_sweep = blob_sweep_new(&blobs);
    server->timeouts = timeouts_new(&(struct timeouts_options){
        .loop = server->loop, .store = server->store, .hub = server->hub, .logger = &server->logger});
    server->late =
        late_new(&(struct late_options){.loop = server->loop, .store = server->store, .metrics = server->metrics});
    server_set_late(server);
    server->quiet = quiet_new(&(struct quiet_options){
        .loop = server->loop,
        .store = server->store,
        .metrics = server->metrics,
        .logger = &server->logger,
        .fetch = server->cloudwatch ? server_fetch_quiet : NULL,
        .fetch_arg = server,
    });
}

int server_make_fetches(struct server *server)
{
    if (!server->cloudwatch)
        return 0;
    const struct fetches_options options = {
        .loop = server->loop,
        .store = server->store,
        .late = server->late,
        .metrics = server->metrics,
        .budget = server->budget,
        .logger = &server->logger,
        .port = cloudwatch_logs_port(server->cloudwatch),
        .total_ms = (uint64_t)server->config->cloudwatch_fetch_seconds * 1000,
        .wait_ms = (uint64_t)server->config->cloudwatch_wait_seconds * 1000,
        .rest_ms = (uint64_t)server->config->cloudwatch_retry_seconds * 1000,
    };
    return fetches_new(&options, &server->fetches);
}

int server_make_mirror(struct server *server)
{
    struct mirror_options options = {
        .loop = server->loop,
        .store = server->store,
        .node = server_node,
        .node_arg = server,
        .metrics = server->metrics,
        .logger = &server->logger,
    };
    if (!server->config->loki_url[0])
        return 0;
    loki_settings_apply(server->config, &options);
    return mirror_new(&options, &server->mirror);
}

// What goes its rounds on the main loop.
void server_stop_rounds(struct server *server)
{
    if (server->sweep)
        sweep_stop(server->sweep);
    if (server->blob_sweep)
        blob_sweep_stop(server->blob_sweep);
    if (server->timeouts)
        timeouts_stop(server->timeouts);
    if (server->quiet)
        quiet_stop(server->quiet);
    tallies_stop(server->tallies);
    fetches_stop(server->fetches);
    mirror_stop(server->mirror);
    if (server->late)
        late_stop(server->late);
}

void server_free_rounds(struct server *server)
{
    sweep_free(&server->sweep);
    blob_sweep_free(&server->blob_sweep);
    timeouts_free(&server->timeouts);
    quiet_free(&server->quiet);
    tallies_free(&server->tallies);
    fetches_free(&server->fetches);
    mirror_free(&server->mirror);
    cloudwatch_logs_free(&server->cloudwatch);
    late_free(&server->late);
}
