// One question to S3: signed, asked again when that may help, and its answer judged.
#include "blob/s3/s3_private.h"
#include "client/aws_credentials.h"
#include "net/digest.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/id.h"

#include <errno.h>

#define TRIES_MAX       5
#define TRIES_MALFORMED 3
#define AWAY_MS         1000  // so long nobody asks after one has failed
#define REFUSAL_MAX     65536 // bytes of an answer that tells an error
#define BYTES_PER_MS    128   // slower than that a body may not travel
#define HEX_HASH        (2 * BLOB_HASH_LEN)

enum verdict {
    GOOD,   // it is what was asked for
    FINAL,  // it is told to who asks, and says nothing about others
    AGAIN,  // the same may do in a moment
    REFUSED // whoever asks would hear the same: S3 counts as away
};

struct trying {
    struct blob_s3 *s3;
    const struct s3_request *request;
    struct s3_answer *answer;
    uint64_t deadline_ms;
    char hash[HEX_HASH + 1];
    int err;
    bool this_alone;                // the last answer says nothing about others
    char reason[S3_REASON_MAX + 1]; // for people who use Runnel
    struct buf detail;              // for those who run it
};

static void count(struct blob_s3 *s3, enum metric metric, int64_t amount)
{
    if (s3->metrics)
        metrics_add(s3->metrics, 0, metric, amount);
}

// --- What the answer means

static const struct meaning {
    int status;       // 0: any
    const char *code; // NULL: any
    enum verdict verdict;
    int err;
} meanings[] = {
    // The first that fits.
    {404, "NoSuchKey", FINAL, ERR_NOT_FOUND},
    {404, "NoSuchUpload", FINAL, ERR_CONFLICT},
    {416, NULL, FINAL, ERR_RANGE},
    {405, NULL, FINAL, ERR_UNSUPPORTED},
    {501, NULL, FINAL, ERR_UNSUPPORTED},
    {507, NULL, FINAL, ERR_STORE_FULL},
    {0, "QuotaExceeded", FINAL, ERR_STORE_FULL},
    {0, "XMinioStorageFull", FINAL, ERR_STORE_FULL},
    {0, "SlowDown", AGAIN, ERR_UNAVAILABLE},
    {0, "InternalError", AGAIN, ERR_UNAVAILABLE},
    {0, "ServiceUnavailable", AGAIN, ERR_UNAVAILABLE},
    {0, "RequestTimeout", AGAIN, ERR_UNAVAILABLE},
    {0, "OperationAborted", AGAIN, ERR_UNAVAILABLE},
    {0, "XAmzContentSHA256Mismatch", AGAIN, ERR_UNAVAILABLE}, // something on the way has changed it
    {0, "BadDigest", AGAIN, ERR_UNAVAILABLE},
    {0, "IncompleteBody", AGAIN, ERR_UNAVAILABLE},
    {0, "AuthorizationHeaderMalformed", REFUSED, ERR_UNAVAILABLE}, // of another region
    // Of credentials and clocks; some services say them with 400.
    {0, "ExpiredToken", REFUSED, ERR_UNAVAILABLE},
    {0, "TokenRefreshRequired", REFUSED, ERR_UNAVAILABLE},
    {0, "InvalidToken", REFUSED, ERR_UNAVAILABLE},
    {0, "InvalidAccessKeyId", REFUSED, ERR_UNAVAILABLE},
    {0, "InvalidSecurity", REFUSED, ERR_UNAVAILABLE},
    {0, "SignatureDoesNotMatch", REFUSED, ERR_UNAVAILABLE},
    {0, "AccessDenied", REFUSED, ERR_UNAVAILABLE},
    {0, "RequestTimeTooSkewed", REFUSED, ERR_UNAVAILABLE},
    {0, "RequestExpired", REFUSED, ERR_UNAVAILABLE},
    {0, "AccountProblem", REFUSED, ERR_UNAVAILABLE},
    {408, NULL, AGAIN, ERR_UNAVAILABLE},
    {429, NULL, AGAIN, ERR_UNAVAILABLE},
    {500, NULL, AGAIN, ERR_UNAVAILABLE},
    {502, NULL, AGAIN, ERR_UNAVAILABLE},
    {503, NULL, AGAIN, ERR_UNAVAILABLE},
    {504, NULL, AGAIN, ERR_UNAVAILABLE},
    {400, NULL, FINAL, ERR_UNAVAILABLE},
    {409, NULL, FINAL, ERR_UNAVAILABLE},
    {412, NULL, FINAL, ERR_UNAVAILABLE},
    {0, NULL, REFUSED, ERR_UNAVAILABLE},
};

static enum verdict judge_refusal(struct trying *it, struct str body, int status)
{
    struct s3_head *head = &it->answer->head;
    if (body.len > REFUSAL_MAX || s3_answer_read(&s3_shape_error, body, NULL, head) < 0)
        *head = (struct s3_head){0};
    const struct meaning *at = meanings;
    while ((at->status && at->status != status) || (at->code && strcmp(at->code, head->code) != 0))
        at++;
    it->err = at->err;
    // A code is a word. What is not may be anything, and does not go to clients.
    bool word = head->code[0] && strspn(head->code, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") ==
                                     strlen(head->code);
    snprintf(it->reason, sizeof(it->reason), "%s answers %d%s%s", it->s3->kind->storage, status, word ? " " : "",
             word ? head->code : "");
    buf_printf(&it->detail, "%s", head->message);
    return at->verdict;
}

static enum verdict judge_malformed(struct trying *it)
{
    it->err = ERR_UNAVAILABLE;
    it->this_alone = true;
    snprintf(it->reason, sizeof(it->reason), "what %s answers is not what S3 would", it->s3->kind->storage);
    return AGAIN;
}

static void drop_item(void *arg, const struct str fields[S3_FIELDS])
{
    (void)arg;
    (void)fields;
}

// A server that knows no ranges gives all of it.
static void cut_range(struct trying *it)
{
    struct buf *body = &it->answer->raw.body;
    uint64_t first = it->request->first, wanted = it->request->last - first + 1;
    it->answer->raw.has_size = true;
    it->answer->raw.size = body->len;
    buf_consume(body, (size_t)MIN(first, (uint64_t)body->len));
    body->len = (size_t)MIN((uint64_t)body->len, wanted);
}

static enum verdict judge_range(struct trying *it)
{
    const struct client_answer *raw = &it->answer->raw;
    uint64_t first = it->request->first, wanted = it->request->last - first + 1;
    if (raw->status == 200 && raw->body.len > first) {
        cut_range(it);
        return GOOD;
    }
    bool whole = raw->has_size && raw->size > first && raw->body.len == MIN(wanted, raw->size - first);
    return raw->status == 206 && whole ? GOOD : judge_malformed(it);
}

static enum verdict judge(struct trying *it)
{
    const struct s3_request *request = it->request;
    struct str body = buf_str(&it->answer->raw.body);
    int status = it->answer->raw.status;
    if (status < 200 || status > 299)
        return judge_refusal(it, body, status);
    if (request->ranged)
        return judge_range(it);
    if (!request->shape)
        return GOOD;
    if (s3_answer_read(request->shape, body, &(struct s3_items){drop_item, NULL}, &it->answer->head) == 0)
        return GOOD;
    struct s3_head head;
    // What takes long is told to go well before it does.
    if (s3_answer_read(&s3_shape_error, body, NULL, &head) == 0 && head.code[0])
        return judge_refusal(it, body, status);
    return judge_malformed(it);
}

// --- One try

static struct client_line *take_line(struct blob_s3 *s3)
{
    pthread_mutex_lock(&s3->lock);
    struct client_line *line = s3->line_count > 0 ? s3->lines[--s3->line_count] : NULL;
    pthread_mutex_unlock(&s3->lock);
    return line ? line : client_line_new();
}

static void give_line(struct blob_s3 *s3, struct client_line *line)
{
    pthread_mutex_lock(&s3->lock);
    bool room = s3->line_count < s3->line_max;
    if (room)
        s3->lines[s3->line_count++] = line;
    pthread_mutex_unlock(&s3->lock);
    if (!room)
        client_line_free(&line);
}

static char *url_of(const struct blob_s3 *s3, const struct s3_request *request)
{
    bool slash = request->key && s3->bucket_url[strlen(s3->bucket_url) - 1] != '/';
    return xasprintf("%s%s%s%s%s%s", s3->bucket_url, slash ? "/" : "", request->key ? s3->prefix : "",
                     request->key ? request->key : "", request->query ? "?" : "", request->query ? request->query : "");
}

// The time that is left, and more for what has to travel.
static uint64_t timeout_of(const struct trying *it)
{
    uint64_t now_ms = clock_mono_ms(), left = it->deadline_ms > now_ms ? it->deadline_ms - now_ms : 1;
    return left + (it->request->body.len + it->request->answer_max) / BYTES_PER_MS;
}

static int send_it(struct trying *it, struct aws_credentials *credentials)
{
    struct blob_s3 *s3 = it->s3;
    const struct s3_request *request = it->request;
    char hash[128], range[96];
    const char *headers[4] = {hash, "Content-Type: application/octet-stream"};
    CLEANUP(free_ptr) char *url = url_of(s3, request);
    snprintf(hash, sizeof(hash), "x-amz-content-sha256: %s", it->hash);
    snprintf(range, sizeof(range), "Range: bytes=%llu-%llu", (unsigned long long)request->first,
             (unsigned long long)request->last);
    headers[2] = request->ranged ? range : NULL;
    struct client_line *line = take_line(s3);
    const struct client_signed question = {
        .fetch = {.url = url,
                  .ca_file = s3->ca_file,
                  .body_max = MAX(request->answer_max, (size_t)REFUSAL_MAX),
                  .timeout_ms = timeout_of(it),
                  .abort = &s3->abort,
                  .stall_ms = MAX(s3->timeout_ms / 3, (uint64_t)1000)},
        .line = line,
        .method = request->method,
        .headers = headers,
        .body = request->body,
        .region = s3->region,
        .service = "s3",
        .key_id = buf_cstr(&credentials->key_id),
        .secret = buf_cstr(&credentials->secret),
        .session_token = buf_cstr(&credentials->session_token),
    };
    uint64_t began_ns = clock_mono_ns();
    int err = client_send_signed(&question, &it->answer->raw, &it->detail);
    give_line(s3, line);
    count(s3, s3->kind->requests, 1);
    count(s3, s3->kind->sent, (int64_t)request->body.len);
    count(s3, s3->kind->received, (int64_t)it->answer->raw.body.len);
    if (s3->metrics)
        metrics_observe_ns(s3->metrics, 0, s3->kind->seconds, clock_mono_ns() - began_ns);
    return err;
}

static enum verdict try_it(struct trying *it)
{
    CLEANUP(aws_credentials_release) struct aws_credentials credentials = {0};
    buf_reset(&it->detail);
    buf_reset(&it->answer->raw.body);
    it->answer->raw = (struct client_answer){.body = it->answer->raw.body};
    it->answer->tries++;
    it->err = ERR_UNAVAILABLE;
    it->this_alone = false;
    snprintf(it->reason, sizeof(it->reason), "the server has no credentials for %s", it->s3->kind->storage);
    if (aws_credentials_read(it->s3->credentials_file, it->s3->profile, &credentials, &it->detail) < 0)
        return REFUSED;
    int err = send_it(it, &credentials);
    if (err == 0)
        return judge(it);
    snprintf(it->reason, sizeof(it->reason), "%s cannot be reached", it->s3->kind->storage);
    if (err == ERR_TOO_LARGE)
        return judge_malformed(it);
    return err == ERR_UNREACHABLE ? AGAIN : REFUSED;
}

// --- Whether it is away

// False while others have found it away a moment ago. Of those who come after that one asks; the others go on failing.
static bool may_ask(struct trying *it, bool *ret_was_away)
{
    struct blob_s3 *s3 = it->s3;
    uint64_t now_ms = clock_mono_ms();
    pthread_mutex_lock(&s3->lock);
    *ret_was_away = s3->away[0];
    bool may = !*ret_was_away || now_ms >= s3->ask_again_ms;
    if (may && *ret_was_away)
        s3->ask_again_ms = now_ms + AWAY_MS;
    memcpy(it->reason, s3->away, sizeof(it->reason));
    pthread_mutex_unlock(&s3->lock);
    return may;
}

static void note_away(struct trying *it)
{
    struct blob_s3 *s3 = it->s3;
    pthread_mutex_lock(&s3->lock);
    bool news = !s3->away[0];
    memcpy(s3->away, it->reason, sizeof(s3->away));
    s3->ask_again_ms = clock_mono_ms() + AWAY_MS;
    pthread_mutex_unlock(&s3->lock);
    if (!news)
        return;
    if (s3->metrics)
        metrics_set(s3->metrics, s3->kind->away, 1);
    log_error(s3->logger, s3->kind->lost, LOG_S("reason", it->reason), LOG_S("detail", buf_cstr(&it->detail)),
              LOG_S("url", s3->bucket_url));
}

static void note_there(struct blob_s3 *s3)
{
    pthread_mutex_lock(&s3->lock);
    bool news = s3->away[0];
    s3->away[0] = 0;
    pthread_mutex_unlock(&s3->lock);
    if (!news)
        return;
    if (s3->metrics)
        metrics_set(s3->metrics, s3->kind->away, 0);
    log_info(s3->logger, s3->kind->found, LOG_S("url", s3->bucket_url));
}

// --- With retries

// Waits; at the end of the store not to the end. Returns false if there is no time for another try.
static bool wait_for_another(struct trying *it, struct backoff *backoff)
{
    struct blob_s3 *s3 = it->s3;
    uint64_t delay_ms = backoff_lost(backoff, 0);
    if (it->answer->tries == 1 && delay_ms == 0)
        delay_ms = backoff_lost(backoff, 0); // it was not a connection that has grown old
    uint64_t until_ms = clock_mono_ms() + delay_ms;
    unsigned most = it->this_alone ? TRIES_MALFORMED : TRIES_MAX;
    if (it->answer->tries >= most || until_ms >= it->deadline_ms)
        return false;
    const struct timespec until = {(time_t)(until_ms / 1000), (long)(until_ms % 1000) * 1000000};
    pthread_mutex_lock(&s3->lock);
    while (!s3->ending && pthread_cond_timedwait(&s3->ends, &s3->lock, &until) != ETIMEDOUT)
        ;
    bool goes_on = !s3->ending;
    pthread_mutex_unlock(&s3->lock);
    return goes_on;
}

static enum verdict try_on(struct trying *it, bool was_away)
{
    struct backoff backoff = {.random = random_u64()};
    enum verdict verdict = try_it(it);
    while (verdict == AGAIN && !was_away && wait_for_another(it, &backoff)) {
        count(it->s3, it->s3->kind->retries, 1);
        verdict = try_it(it);
    }
    return verdict;
}

static void conclude(struct trying *it, enum verdict verdict)
{
    bool there = verdict == GOOD || verdict == FINAL || it->this_alone;
    if (there)
        note_there(it->s3);
    else
        note_away(it);
    if (verdict == GOOD || it->err == ERR_NOT_FOUND || it->err == ERR_RANGE || it->err == ERR_CONFLICT)
        return;
    count(it->s3, it->s3->kind->failures, 1);
    if (there && it->err != ERR_UNSUPPORTED)
        log_warn(it->s3->logger, "S3 refuses a request", LOG_S("reason", it->reason),
                 LOG_S("detail", buf_cstr(&it->detail)), LOG_S("key", it->request->key ? it->request->key : ""));
}

int s3_ask(struct blob_s3 *s3, struct blob_op *op, const struct s3_request *request, struct s3_answer *ret)
{
    uint8_t hash[BLOB_HASH_LEN];
    bool was_away;
    struct trying it = {.s3 = s3,
                        .request = request,
                        .answer = ret,
                        .err = ERR_UNAVAILABLE,
                        .deadline_ms = clock_mono_ms() + s3->timeout_ms};
    if (!may_ask(&it, &was_away)) {
        memcpy(op->ret_reason, it.reason, sizeof(op->ret_reason));
        return ERR_UNAVAILABLE;
    }
    sha256(request->body.data ? request->body.data : "", request->body.len, hash);
    hex_encode(hash, sizeof(hash), it.hash);
    enum verdict verdict = try_on(&it, was_away);
    conclude(&it, verdict);
    buf_release(&it.detail);
    if (verdict == GOOD)
        return 0;
    if (it.err == ERR_UNAVAILABLE)
        memcpy(op->ret_reason, it.reason, sizeof(op->ret_reason));
    return it.err;
}

// --- The usual questions

int s3_ask_items(struct blob_s3 *s3, struct blob_op *op, const struct s3_request *request, const struct s3_items *items,
                 struct s3_head *ret_head)
{
    CLEANUP(s3_answer_release) struct s3_answer answer = {0};
    int err = s3_ask(s3, op, request, &answer);
    return err ? err : s3_answer_read(request->shape, buf_str(&answer.raw.body), items, ret_head);
}

int s3_put(struct blob_s3 *s3, struct blob_op *op, const char *key, struct str body)
{
    CLEANUP(s3_answer_release) struct s3_answer answer = {0};
    return s3_ask(s3, op, &(struct s3_request){.method = "PUT", .key = key, .body = body}, &answer);
}

int s3_delete(struct blob_s3 *s3, struct blob_op *op, const char *key)
{
    CLEANUP(s3_answer_release) struct s3_answer answer = {0};
    int err = s3_ask(s3, op, &(struct s3_request){.method = "DELETE", .key = key}, &answer);
    return err == ERR_NOT_FOUND ? 0 : err;
}

int s3_get(struct blob_s3 *s3, struct blob_op *op, const char *key, uint64_t at, size_t len, struct buf *ret,
           uint64_t *ret_size)
{
    struct s3_answer answer = {0};
    const struct s3_request request = {
        .method = "GET",
        .key = key,
        .ranged = true,
        .first = at,
        .last = at + MAX(len, (size_t)1) - 1,
        .answer_max = len,
    };
    int err = s3_ask(s3, op, &request, &answer);
    buf_reset(ret);
    if (err == 0)
        buf_append(ret, answer.raw.body.data, MIN(answer.raw.body.len, len));
    if (ret_size)
        *ret_size = answer.raw.has_size ? answer.raw.size : 0;
    s3_answer_release(&answer);
    return err == ERR_RANGE ? 0 : err;
}

void s3_encode(struct buf *out, struct str text)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
    for (size_t i = 0; i < text.len; i++) {
        if (memchr(plain, text.data[i], sizeof(plain) - 1))
            buf_append_byte(out, text.data[i]);
        else
            buf_printf(out, "%%%02X", (uint8_t)text.data[i]);
    }
}
