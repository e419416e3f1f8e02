// Arbitrary bytes from a client, in pieces, into a whole server over a socket pair: HTTP, WebSockets, ingest, followers
// and a real store on disk. Nothing may break, and a connection whose client has gone is let go. "KEY!" in the input
// becomes a key that may do everything, so that more is reached than refusals. The executions `open` and `done` exist.
#include "ingest/hub.h"
#include "server/shard.h"
#include "store/sqlite/sqlite_store.h"
#include "util/clock.h"

#include <errno.h>
#include <ftw.h>
#include <sys/socket.h>
#include <unistd.h>

#define MEMORY_MAX       ((uint64_t)64 * 1024 * 1024)
#define INPUTS_PER_STORE 200 // then a new one, so that it stays small and an input depends on few before it
#define INPUT_MAX        8192
#define QUIET_MS         4    // an answer that has not come by then may come while the connection is being closed
#define GONE_WITHIN_MS   8000 // far beyond what a commit takes
#define RECORDS \
    "[{\"message\":\"a\"},{\"message\":\"b\",\"stream\":\"stderr\"},{\"message\":\"c\",\"level\":\"ERROR\"}]"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

struct bench {
    char folder[64];
    char *backups;
    struct logger logger;
    struct config config;
    struct settings *settings;
    struct store *store;
    struct auth *auth;
    struct hub *hub;
    struct places *followers;
    struct broadcast *news;
    struct budget *budget;
    struct metrics *metrics;
    struct pool *pool;
    struct shard shard;
    struct fanout *fanout;
    struct timer *timer;
    struct store_account_ensure account;
    struct store_key_create key;
    char secret[API_KEY_LEN + 1];
    // The client's end.
    int fd;
    struct watch *watch;
    struct buf answers;
    bool ended;
    uint64_t quiet_ms; // without an answer for so long, none is waited for
    unsigned inputs;
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

// --- A server without a listener

static void publish(void *arg, const struct store_change *changes, size_t count)
{
    struct bench *bench = arg;
    fanout_publish(&bench->fanout, 1, changes, count);
    api_publish(&bench->shard.api, 1, changes, count);
}

static void collect(void *arg)
{
    (void)arg;
}

static void tell(void *arg, const struct hub_news *news)
{
    const struct bench *bench = arg;
    broadcast_tell(bench->news, news);
}

static void joined(void *arg, int err)
{
    const struct bench *bench = arg;
    must(err == 0);
    loop_stop(bench->shard.loop);
}

static void op_done(struct store_op *op)
{
    must(op->err == 0);
    loop_stop(op->reply_to);
}

static void make_key(struct bench *bench)
{
    struct loop *loop = bench->shard.loop;
    bench->account = (struct store_account_ensure){
        .op = {.kind = STORE_ACCOUNT_ENSURE, .reply_to = loop, .done = op_done}, .name = STR("default")};
    store_submit(bench->store, &bench->account.op);
    loop_run(loop);
    bench->key = (struct store_key_create){
        .op = {.kind = STORE_KEY_CREATE, .reply_to = loop, .done = op_done},
        .key = {.account = bench->account.ret_account,
                .key_id = xstrdup("key_fuzz"),
                .name = xstrdup("fuzz"),
                .role = ROLE_OPERATOR,
                .created_ms = clock_real_ms()},
    };
    api_key_make(bench->secret, bench->key.key.hash);
    store_submit(bench->store, &bench->key.op);
    loop_run(loop);
    store_op_release(&bench->account.op);
    store_op_release(&bench->key.op);
    api_key_release(&bench->key.key);
}

static void turn(struct bench *bench)
{
    loop_stop(bench->shard.loop);
    loop_run(bench->shard.loop);
}

static bool all_gone(struct bench *bench)
{
    return http_server_connections(bench->shard.http) == 0 && api_streams(bench->shard.api) == 0;
}

static void tick(void *arg)
{
    struct bench *bench = arg;
    loop_stop(bench->shard.loop);
}

static struct bench *bench_new(void)
{
    struct bench *bench = xcalloc(1, sizeof(*bench));
    CLEANUP(buf_release) struct buf error = {0};
    const char *root = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
    snprintf(bench->folder, sizeof(bench->folder), "%s/runnel-fuzz-XXXXXX", root);
    must(mkdtemp(bench->folder) != NULL);
    bench->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    config_init(&bench->config);
    bench->config.body_max = 4096;
    bench->config.message_max = 1024;
    bench->config.followers_max = 8;
    bench->config.regex_steps = 10000;
    bench->settings = settings_new(&bench->config);
    bench->backups = xasprintf("%s/backups", bench->folder);
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", bench->folder);
    struct sqlite_tuning tuning = {.reserve_bytes = 4096};
    struct sqlite_options store = {.path = path, .readers = 1, .logger = &bench->logger, .tuning = &tuning};
    must(sqlite_store_open(&store, &error, &bench->store) == 0);
    must(auth_new(bench->store, &(struct auth_options){.failed_logins_max = 1000000}, &bench->auth) == 0);
    must(pool_new(1, 256, &bench->pool) == 0);
    bench->budget = budget_new(MEMORY_MAX);
    bench->metrics = metrics_new(2, NULL);
    struct hub_options hub = {.lease_ms = 30000,
                              .lost_seal_ms = 86400000,
                              .store = bench->store,
                              .metrics = bench->metrics,
                              .logger = &bench->logger,
                              .tell = tell,
                              .tell_arg = bench};
    bench->hub = hub_new(&hub);
    bench->news = broadcast_new(sizeof(struct hub_news));
    bench->followers = places_new();
    struct shard_options options = {.store = bench->store,
                                    .pool = bench->pool,
                                    .auth = bench->auth,
                                    .hub = bench->hub,
                                    .followers = bench->followers,
                                    .news = bench->news,
                                    .metrics = bench->metrics,
                                    .budget = bench->budget,
                                    .logger = &bench->logger,
                                    .config = &bench->config,
                                    .settings = bench->settings,
                                    .backup_dir = bench->backups,
                                    .shard_count = 1,
                                    .connections_max = 1000,
                                    .collect = collect};
    must(shard_init(&bench->shard, 0, &options) == 0);
    bench->fanout = bench->shard.fanout;
    bench->timer = timer_new(bench->shard.loop, tick, bench);
    must(store_watch(bench->store, publish, bench) == 0);
    make_key(bench);
    hub_start(bench->hub, bench->shard.loop, joined, bench);
    loop_run(bench->shard.loop);
    return bench;
}

static int remove_one(const char *path, const struct stat *info, int kind, struct FTW *at)
{
    (void)info;
    (void)kind;
    (void)at;
    return remove(path);
}

static void bench_free(struct bench *bench)
{
    hub_stop(bench->hub);
    timer_free(&bench->timer);
    shard_close(&bench->shard);
    // As the server ends: what was handed in is finished and finds its loop, which may ask the store for more.
    store_stop(bench->store);
    pool_free(&bench->pool);
    for (int turns = 0; turns < 2; turns++)
        loop_deliver(bench->shard.loop);
    store_free(&bench->store);
    shard_release(&bench->shard);
    hub_free(&bench->hub);
    places_free(&bench->followers);
    broadcast_free(&bench->news);
    auth_free(&bench->auth);
    metrics_free(&bench->metrics);
    budget_free(&bench->budget);
    settings_unref(&bench->settings);
    config_release(&bench->config);
    buf_release(&bench->answers);
    free(bench->backups);
    nftw(bench->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(bench);
}

// --- A client

static void client_ready(void *arg, unsigned events)
{
    struct bench *bench = arg;
    char data[16384];
    ssize_t got;
    (void)events;
    while ((got = recv(bench->fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
        buf_append(&bench->answers, data, (size_t)got);
    if (got < 0 && errno == EAGAIN) {
        timer_start(bench->timer, bench->quiet_ms);
        return;
    }
    bench->ended = true;
    watch_set(bench->watch, 0);
    loop_stop(bench->shard.loop);
}

static void await_silence(struct bench *bench)
{
    if (bench->ended)
        return;
    timer_start(bench->timer, bench->quiet_ms);
    loop_run(bench->shard.loop);
    timer_stop(bench->timer);
}

static void await_gone(struct bench *bench)
{
    uint64_t give_up_ms = clock_mono_ms() + GONE_WITHIN_MS;
    while (!all_gone(bench)) {
        must(clock_mono_ms() < give_up_ms);
        timer_start(bench->timer, 1);
        loop_run(bench->shard.loop);
        timer_stop(bench->timer);
    }
}

static void converse(struct bench *bench, struct str bytes, size_t piece)
{
    int ends[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) == 0);
    bench->fd = ends[0];
    bench->ended = false;
    bench->answers.len = 0;
    must(watch_new(bench->shard.loop, bench->fd, client_ready, bench, &bench->watch) == 0);
    watch_set(bench->watch, WATCH_READ);
    http_server_accept(bench->shard.http, &(struct http_accepted){.fd = ends[1]});
    for (size_t at = 0; at < bytes.len && !bench->ended; at += piece) {
        if (send(bench->fd, bytes.data + at, MIN(piece, bytes.len - at), MSG_NOSIGNAL) < 0)
            break;
        turn(bench);
    }
    await_silence(bench);
    watch_free(&bench->watch);
    close(bench->fd);
    await_gone(bench);
}

// --- Its bytes

static void with_key(struct bench *bench, const char *data, size_t len, struct buf *ret)
{
    for (size_t at = 0; at < len;) {
        const char *mark = memmem(data + at, len - at, "KEY!", 4);
        size_t step = mark ? (size_t)(mark - data) - at : len - at;
        buf_append(ret, data + at, step);
        if (mark)
            buf_append_text(ret, bench->secret);
        at += step + (mark ? 4 : 0);
    }
}

static void expect(struct bench *bench, const char *method, const char *path, const char *body, const char *status)
{
    CLEANUP(buf_release) struct buf request = {0};
    buf_printf(&request,
               "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nConnection: close\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               method, path, bench->secret, strlen(body), body);
    bench->quiet_ms = GONE_WITHIN_MS;
    converse(bench, buf_str(&request), request.len);
    bench->quiet_ms = QUIET_MS;
    bool told = memmem(bench->answers.data, bench->answers.len, status, strlen(status)) != NULL;
    if (!told)
        fprintf(stderr, "%s %s: not %s but %.*s\n", method, path, status, STR_ARGS(buf_str(&bench->answers)));
    must(told);
}

static struct bench *prepared(void)
{
    struct bench *bench = bench_new();
    expect(bench, "POST", "/api/v1/executions", "{\"execution_id\":\"open\"}", "HTTP/1.1 201");
    expect(bench, "POST", "/api/v1/executions", "{\"execution_id\":\"done\"}", "HTTP/1.1 201");
    expect(bench, "POST", "/api/v1/executions/open/logs", RECORDS, "HTTP/1.1 201");
    expect(bench, "POST", "/api/v1/executions/done/logs", RECORDS, "HTTP/1.1 201");
    expect(bench, "PATCH", "/api/v1/executions/done", "{\"status\":\"running\"}", "HTTP/1.1 200");
    expect(bench, "PATCH", "/api/v1/executions/done", "{\"status\":\"completed\",\"exit_code\":0}", "HTTP/1.1 200");
    return bench;
}

static struct bench *shared; // of the fuzzer alone: it calls one function and keeps nothing between

static void release_shared(void)
{
    if (shared)
        bench_free(shared);
    shared = NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2 || len > INPUT_MAX)
        return 0;
    if (!shared) {
        atexit(release_shared);
        shared = prepared();
    }
    CLEANUP(buf_release) struct buf bytes = {0};
    with_key(shared, (const char *)data + 1, len - 1, &bytes);
    converse(shared, buf_str(&bytes), data[0] < 128 ? bytes.len : data[0] - 127u);
    if (++shared->inputs == INPUTS_PER_STORE)
        release_shared();
    return 0;
}
