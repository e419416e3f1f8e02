#include "blob/s3/s3_private.h"
#include "client/fetch.h"
#include "util/clock.h"
#include "util/error.h"

#define QUEUE_MAX  4096
#define BUCKET_MAX 63
#define PREFIX_MAX 256

// --- Reading and removing

// A range of nothing cannot be asked for, so who has no bytes is looked for as a whole.
static int get_empty(struct blob_s3 *s3, struct blob_op *op, const char *key)
{
    CLEANUP(s3_answer_release) struct s3_answer answer = {0};
    return s3_ask(s3, op, &(struct s3_request){.method = "GET", .key = key}, &answer);
}

static bool is_empty(struct str key)
{
    // SHA-256 of nothing
    return memmem(key.data, key.len, "/e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855.", 66);
}

static int blob_s3_read(struct blob_store *store, struct blob_read *it)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    CLEANUP(buf_release) struct buf data = {0};
    struct blob_pack_place place;
    it->ret_len = 0;
    if (!blob_key_valid(it->key))
        return ERR_NOT_FOUND;
    if (blob_pack_place(it->key, &place))
        return s3_pack_read(s3, &place, it);
    CLEANUP(free_ptr) char *key = xasprintf("content/%.*s", STR_ARGS(it->key));
    int err = is_empty(it->key) ? get_empty(s3, &it->op, key) : s3_get(s3, &it->op, key, it->at, it->len, &data, NULL);
    if (err)
        return err;
    it->ret_len = data.len;
    if (data.len > 0)
        memcpy(it->data, data.data, data.len);
    return 0;
}

static int blob_s3_remove(struct blob_store *store, struct blob_remove *it)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    struct blob_pack_place place;
    if (!blob_key_valid(it->key))
        return 0;
    if (blob_pack_place(it->key, &place))
        return s3_pack_remove(s3, &it->op, &place);
    CLEANUP(free_ptr) char *key = xasprintf("content/%.*s", STR_ARGS(it->key));
    return s3_delete(s3, &it->op, key);
}

// --- Life

bool s3_is_away(struct blob_s3 *s3, char ret_reason[S3_REASON_MAX + 1])
{
    pthread_mutex_lock(&s3->lock);
    memcpy(ret_reason, s3->away, sizeof(s3->away));
    pthread_mutex_unlock(&s3->lock);
    return ret_reason[0];
}

static bool blob_s3_away(struct blob_store *store, char ret_reason[BLOB_REASON_MAX + 1])
{
    return s3_is_away(blob_s3_of(store), ret_reason);
}

void s3_end(struct blob_s3 *s3)
{
    pthread_mutex_lock(&s3->lock);
    s3->ending = true;
    pthread_cond_broadcast(&s3->ends);
    pthread_mutex_unlock(&s3->lock);
}

static void blob_s3_stop(struct blob_store *store)
{
    s3_end(blob_s3_of(store));
}

void s3_free(struct blob_s3 *s3)
{
    for (unsigned i = 0; i < s3->line_count; i++)
        client_line_free(&s3->lines[i]);
    char *texts[] = {s3->bucket_url, s3->prefix, s3->region, s3->ca_file, s3->credentials_file, s3->profile};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    buf_release(&s3->known.pack.index);
    free(s3->lines);
    map_release(&s3->under_way);
    pthread_cond_destroy(&s3->ends);
    pthread_mutex_destroy(&s3->lock);
    pthread_mutex_destroy(&s3->packs);
    free(s3);
}

static void blob_s3_free(struct blob_store *store)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    s3_keep_abandoned(s3);
    s3_free(s3);
}

static const struct blob_vtable vtable = {
    .begin = blob_s3_begin,
    .write = blob_s3_write,
    .pause = blob_s3_pause,
    .finish = blob_s3_finish,
    .keep = blob_s3_keep,
    .offset = blob_s3_offset,
    .read = blob_s3_read,
    .remove = blob_s3_remove,
    .list = blob_s3_list,
    .forget = blob_s3_forget,
    .abandon = blob_s3_abandon,
    .stop = blob_s3_stop,
    .away = blob_s3_away,
    .free = blob_s3_free,
};

// --- Where it lies

static bool only_of(struct str text, const char *others)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i], lower = ascii_lower(c);
        if (!((lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || strchr(others, c)))
            return false;
    }
    return text.len > 0;
}

static bool bucket_valid(struct str bucket)
{
    for (size_t i = 0; i < bucket.len; i++)
        if (bucket.data[i] != ascii_lower(bucket.data[i]))
            return false;
    return only_of(bucket, "-.") && bucket.len >= 3 && bucket.len <= BUCKET_MAX && bucket.data[0] != '.' &&
           bucket.data[0] != '-';
}

// What stands in a path and in a query as it is, and cannot lead elsewhere.
static bool prefix_valid(struct str prefix)
{
    if (prefix.len > PREFIX_MAX)
        return false;
    while (prefix.len > 0) {
        struct str part = str_split(&prefix, '/');
        if (!only_of(part, "-._") || part.data[0] == '.')
            return false;
    }
    return true;
}

static bool read_url(const char *url, struct str *ret_bucket, struct str *ret_prefix)
{
    struct str rest = str_of(url);
    if (!str_starts(rest, STR("s3://")))
        return false;
    rest = str_n(rest.data + 5, rest.len - 5);
    *ret_bucket = str_split(&rest, '/');
    while (rest.len > 0 && rest.data[rest.len - 1] == '/')
        rest.len--;
    *ret_prefix = rest;
    return bucket_valid(*ret_bucket) && prefix_valid(rest);
}

static char *endpoint_of(const struct blob_s3_options *options)
{
    // As AWS has named its regions in China.
    const char *end = str_starts(str_of(options->region), STR("cn-")) ? ".cn" : "";
    char *url = options->endpoint[0] ? xstrdup(options->endpoint)
                                     : xasprintf("https://s3.%s.amazonaws.com%s", options->region, end);
    for (size_t len = strlen(url); len > 0 && url[len - 1] == '/'; len--)
        url[len - 1] = 0;
    return url;
}

static char *bucket_url_of(const struct blob_s3_options *options, struct str bucket)
{
    CLEANUP(free_ptr) char *endpoint = endpoint_of(options);
    const char *host = strstr(endpoint, "://");
    if (options->path_style || !host)
        return xasprintf("%s/%.*s", endpoint, STR_ARGS(bucket));
    host += 3;
    return xasprintf("%.*s%.*s.%s/", (int)(host - endpoint), endpoint, STR_ARGS(bucket), host);
}

static int options_check(const struct blob_s3_options *options, const char *bucket_url, const char *setting,
                         struct buf *ret_error)
{
    const char *problem = NULL;
    if (!bucket_url)
        problem = setting;
    else if (!only_of(str_of(options->region), "-_") || strlen(options->region) > 63)
        problem = "s3_region must be a region, such as eu-central-1";
    else if (!client_fetch_allowed(bucket_url))
        problem = "s3_endpoint must be an https URL, or an http URL on loopback, without a user";
    else if (strpbrk(bucket_url, "?#"))
        problem = "s3_endpoint must be a URL without a query";
    if (problem)
        buf_append_text(ret_error, problem);
    return problem ? ERR_INVALID : 0;
}

static void init_lock(struct blob_s3 *s3)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s3->ends, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&s3->lock, NULL);
    pthread_mutex_init(&s3->packs, NULL);
    map_init(&s3->under_way);
}

const struct s3_kind s3_files = {
    .setting = "artifacts must be dir, or s3://BUCKET/PREFIX with a prefix of letters, digits, - . _ and /",
    .storage = "the storage of files (S3)",
    .lost = "files cannot be kept or read",
    .found = "files can be kept and read again",
    .requests = METRIC_artifacts_requests_total,
    .retries = METRIC_artifacts_retries_total,
    .failures = METRIC_artifacts_failures_total,
    .sent = METRIC_artifacts_sent_bytes_total,
    .received = METRIC_artifacts_received_bytes_total,
    .seconds = METRIC_artifacts_request_seconds,
    .away = METRIC_artifacts_away,
};

int s3_new(const struct blob_s3_options *options, const struct s3_kind *kind, struct blob_s3 **ret,
           struct buf *ret_error)
{
    struct str bucket = {0}, prefix = {0};
    bool named = read_url(options->url, &bucket, &prefix);
    char *bucket_url = named ? bucket_url_of(options, bucket) : NULL;
    int err = options_check(options, bucket_url, kind->setting, ret_error);
    if (err) {
        free(bucket_url);
        return err;
    }
    struct blob_s3 *s3 = xcalloc(1, sizeof(*s3));
    s3->kind = kind;
    s3->bucket_url = bucket_url;
    s3->prefix = xasprintf("%.*s%s", STR_ARGS(prefix), prefix.len > 0 ? "/" : "");
    s3->region = xstrdup(options->region);
    s3->ca_file = xstrdup(options->ca_file);
    s3->credentials_file = xstrdup(options->credentials_file);
    s3->profile = xstrdup(options->profile);
    s3->timeout_ms = options->timeout_ms;
    s3->memory_max = options->memory_max;
    s3->part_size = options->part_size ? options->part_size : BLOB_S3_PART;
    s3->logger = options->logger;
    s3->metrics = options->metrics;
    s3->line_max = options->connections;
    s3->lines = xcalloc(options->connections, sizeof(struct client_line *));
    init_lock(s3);
    *ret = s3;
    return 0;
}

int blob_s3_open(const struct blob_s3_options *options, struct blob_store **ret, struct buf *ret_error)
{
    struct blob_s3 *s3;
    int err = s3_new(options, &s3_files, &s3, ret_error);
    if (err)
        return err;
    s3->base.vtable = &vtable;
    err = pool_new(options->connections, QUEUE_MAX, &s3->base.pool);
    if (err < 0) {
        blob_s3_free(&s3->base);
        return err;
    }
    *ret = &s3->base;
    return 0;
}
