#include "server/issuers.h"

#include "auth/issuer.h"
#include "client/fetch.h"
#include "loop/pool.h"

#define REFRESH_MS       5000
#define FETCH_TIMEOUT_MS 5000
#define FETCH_THREADS    2

struct issuers {
    struct issuers_options options;
    struct pool *pool;     // NULL until there is something to fetch from
    struct timer *refresh; // likewise
    atomic_bool stopping;
};

struct fetch_job {
    struct job job;
    struct issuers *issuers;
    uint64_t id;
    char *url, *ca_file;
};

static void fetch_work(struct job *job)
{
    struct fetch_job *it = CONTAINER_OF(job, struct fetch_job, job);
    const struct issuers *issuers = it->issuers;
    CLEANUP(buf_release) struct buf body = {0}, error = {0};
    const struct client_fetch fetch = {
        .url = it->url,
        .ca_file = it->ca_file,
        .body_max = JOSE_SET_MAX,
        .timeout_ms = FETCH_TIMEOUT_MS,
        .abort = &issuers->stopping,
    };
    int err = client_fetch(&fetch, &body, &error);
    buf_append_text(&body, ""); // an empty answer is one, too
    struct str json = err ? (struct str){0} : str_n(buf_cstr(&body), body.len);
    int taken = auth_keys_fetched(issuers->options.auth, it->id, json, &error);
    if (err == 0)
        err = taken;
    if (err && err != ERR_CANCELED)
        log_warn(issuers->options.logger, "the keys of an issuer cannot be fetched; its tokens may be refused",
                 LOG_S("url", it->url), LOG_S("reason", buf_cstr(&error)));
}

static void fetch_done(struct job *job)
{
    struct fetch_job *it = CONTAINER_OF(job, struct fetch_job, job);
    free(it->url);
    free(it->ca_file);
    free(it);
}

// Called on any thread.
static void fetch_begin(void *arg, uint64_t id, const char *url, const char *ca_file)
{
    struct issuers *issuers = arg;
    CLEANUP(buf_release) struct buf error = {0};
    struct fetch_job *it = xcalloc(1, sizeof(*it));
    it->job = (struct job){.reply_to = issuers->options.loop, .work = fetch_work, .done = fetch_done};
    it->issuers = issuers;
    it->id = id;
    it->url = xstrdup(url);
    it->ca_file = xstrdup(ca_file);
    if (issuers->pool && pool_submit(issuers->pool, &it->job) == 0)
        return;
    auth_keys_fetched(issuers->options.auth, id, (struct str){0}, &error);
    fetch_done(&it->job);
}

static void refresh(void *arg)
{
    struct issuers *issuers = arg;
    auth_refresh_keys(issuers->options.auth);
    timer_start(issuers->refresh, REFRESH_MS);
}

struct issuers *issuers_new(const struct issuers_options *options)
{
    struct issuers *issuers = xcalloc(1, sizeof(*issuers));
    issuers->options = *options;
    return issuers;
}

static int begin_fetching(struct issuers *issuers)
{
    if (issuers->pool)
        return 0;
    int err = pool_new(FETCH_THREADS, ISSUERS_MAX, &issuers->pool);
    if (err)
        return err;
    issuers->refresh = timer_new(issuers->options.loop, refresh, issuers);
    timer_start(issuers->refresh, REFRESH_MS);
    return 0;
}

static int check_urls(const char *path, const struct issuer_file *file, struct buf *ret_error)
{
    for (size_t i = 0; i < file->count; i++) {
        const struct issuer *issuer = file->items[i];
        if (!issuer->jwks_url[0] || client_fetch_allowed(issuer->jwks_url))
            continue;
        buf_printf(ret_error,
                   "%s: issuer \"%s\": jwks_url must be an https URL, or an http URL on loopback, without a user", path,
                   issuer->name);
        return ERR_INVALID;
    }
    return 0;
}

int issuers_load(struct issuers *issuers, const char *path, struct buf *ret_error)
{
    const struct auth_fetch fetch = {fetch_begin, issuers};
    CLEANUP(issuer_file_release) struct issuer_file file = {0};
    int err = path[0] ? issuer_file_load(path, &file, ret_error) : 0;
    if (err == 0)
        err = check_urls(path, &file, ret_error);
    if (err == 0 && file.count > 0)
        err = begin_fetching(issuers);
    if (err)
        return err;
    auth_set_issuers(issuers->options.auth, &file, &fetch);
    return 0;
}

void issuers_stop(struct issuers *issuers)
{
    if (!issuers)
        return;
    atomic_store(&issuers->stopping, true);
    pool_free(&issuers->pool);
}

void issuers_free(struct issuers **issuers_ptr)
{
    struct issuers *issuers = TAKE_PTR(*issuers_ptr);
    if (!issuers)
        return;
    timer_free(&issuers->refresh);
    free(issuers);
}
