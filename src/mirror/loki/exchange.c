#include "mirror/loki/exchange.h"

#include "client/ask.h"
#include "client/client.h"
#include "mirror/loki/answer.h"
#include "util/base64.h"
#include "util/file.h"

#include <string.h>

#define PUSH_TIMEOUT_MS 30000
#define PUSH_ANSWER_MAX ((size_t)64 * 1024)
#define CREDENTIALS_MAX ((size_t)16 * 1024)
#define WAIT_MAX_S      60
#define SAID_MAX        300 // bytes of Loki's own words in a reason
#define HEADERS_MAX     5

// --- Access

static bool header_text(const char *text)
{
    for (; *text; text++) {
        if (*text < 0x21 || *text > 0x7e)
            return false;
    }
    return true;
}

int loki_access_check(const struct loki_access *access, struct buf *ret_error)
{
    const char *problem = NULL;
    if (!(access->plain ? client_fetch_allowed_plain : client_fetch_allowed)(access->url))
        problem = access->plain ? "loki_url must be an http or https URL, without a user"
                                : "loki_url must be an https URL, or an http URL on loopback, without a user; "
                                  "loki_insecure allows http to other machines";
    else if (strpbrk(access->url, "?#"))
        problem = "loki_url must end with the path that Loki lies beneath, without a query";
    else if (!header_text(access->tenant))
        problem = "loki_tenant must be printable ASCII without spaces";
    if (problem)
        buf_append_text(ret_error, problem);
    return problem ? ERR_INVALID : 0;
}

static char *url_of(const struct loki_access *access, const char *path)
{
    size_t len = strlen(access->url);
    while (len > 0 && access->url[len - 1] == '/')
        len--;
    return xasprintf("%.*s%s", (int)len, access->url, path);
}

static void wipe(struct buf *secret)
{
    if (secret->cap > 0)
        explicit_bzero(secret->data, secret->cap);
    buf_release(secret);
}

static void append_base64(struct buf *out, struct str bytes)
{
    buf_reserve(out, BASE64_LEN(bytes.len) + 1);
    out->len += base64_encode(bytes.data, bytes.len, out->data + out->len);
}

// The header Authorization; empty without credentials.
static int authorize(const struct loki_access *access, struct buf *ret, struct buf *ret_error)
{
    CLEANUP(wipe) struct buf text = {0};
    if (!access->credentials_file[0])
        return 0;
    int err = file_read_all(access->credentials_file, CREDENTIALS_MAX, &text);
    struct str credential = str_trim(buf_str(&text));
    if (err < 0) {
        buf_printf(ret_error, "the file of loki_credentials cannot be read: %s", error_text(err));
        return ERR_INVALID;
    }
    bool basic = str_find(credential, ':');
    buf_append_text(ret, basic ? "Authorization: Basic " : "Authorization: Bearer ");
    if (basic)
        append_base64(ret, credential);
    else
        buf_append_str(ret, credential);
    if (credential.len > 0 && (basic || client_token_valid(buf_cstr(ret) + strlen("Authorization: Bearer "))))
        return 0;
    buf_append_text(ret_error, "the file of loki_credentials must have one line: a token, or USER:PASSWORD");
    return ERR_INVALID;
}

// `content` is a header, or NULL for a GET.
static int ask_loki(const struct loki_access *access, const struct client_ask *what, const char *content,
                    struct client_said *ret, struct buf *ret_error)
{
    CLEANUP(wipe) struct buf authorization = {0};
    CLEANUP(free_ptr) char *tenant = xasprintf("X-Scope-OrgID: %s", access->tenant);
    const char *headers[HEADERS_MAX] = {"Expect:"};
    struct client_ask ask = *what;
    size_t count = 1;
    int err = authorize(access, &authorization, ret_error);
    if (err)
        return err;
    if (authorization.len)
        headers[count++] = buf_cstr(&authorization);
    if (access->tenant[0])
        headers[count++] = tenant;
    if (content)
        headers[count++] = content;
    ask.headers = headers;
    ask.fetch.ca_file = access->ca_file;
    ask.fetch.abort = access->abort;
    ask.fetch.plain = access->plain;
    return client_ask(&ask, ret, ret_error);
}

// What Loki says is a text, of a line or some.
static void tell_answer(const struct client_said *answer, struct buf *out)
{
    struct str said = str_trim(buf_str(&answer->body));
    buf_printf(out, "Loki answers %d", answer->status);
    if (answer->status >= 300 && answer->status < 400)
        buf_append_text(out, "; redirects are not followed, so name where it leads");
    if (said.len > 0) {
        buf_append_text(out, ": ");
        buf_append_utf8(out, str_n(said.data, utf8_prefix(said.data, said.len, SAID_MAX)));
    }
}

// --- Pushing

// A 400 may come from what stands before Loki, or from a Loki that could not read the push; then nothing was taken. Of
// what it says of lines that it refuses, all speaks of entries, their timestamps, or labels (pkg/validation).
static bool is_of_lines(struct str said)
{
    static const char *const words[] = {"entry", "entries", "timestamp", "label"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (said.len > 0 && memmem(said.data, said.len, words[i], strlen(words[i])))
            return said.data[0] != '<'; // a page
    return false;
}

// A wrong credential, tenant or path is somebody's to mend, and loses nothing until then.
enum loki_verdict loki_judge(int status, struct str said)
{
    if (status >= 200 && status < 300)
        return LOKI_TAKEN;
    if (status == 400)
        return is_of_lines(said) ? LOKI_REFUSED : LOKI_LATER;
    return status == 413 ? LOKI_LARGE : LOKI_LATER;
}

enum loki_verdict loki_send(const struct loki_access *access, struct str body, uint64_t *ret_wait_ms,
                            struct buf *ret_error)
{
    CLEANUP(free_ptr) char *url = url_of(access, "/loki/api/v1/push");
    struct client_said answer = {0};
    const struct client_ask ask = {
        .fetch = {.url = url, .body_max = PUSH_ANSWER_MAX, .timeout_ms = PUSH_TIMEOUT_MS},
        .post = true,
        .body = body,
    };
    int err = ask_loki(access, &ask, "Content-Type: application/x-protobuf", &answer, ret_error);
    enum loki_verdict verdict = err ? LOKI_LATER : loki_judge(answer.status, buf_str(&answer.body));
    if (err == 0 && verdict != LOKI_TAKEN)
        tell_answer(&answer, ret_error);
    uint64_t wait_s = answer.status == 429 ? MAX(answer.retry_after_s, 1u) : answer.retry_after_s;
    *ret_wait_ms = MIN(wait_s, (uint64_t)WAIT_MAX_S) * 1000;
    buf_release(&answer.body);
    return verdict;
}

// --- Asking

static void append_escaped(struct buf *out, struct str text)
{
    for (size_t i = 0; i < text.len; i++)
        buf_printf(out, "%%%02X", (unsigned char)text.data[i]);
}

static char *query_url(const struct loki_access *access, const struct loki_ask *ask)
{
    CLEANUP(buf_release) struct buf query = {0};
    CLEANUP(buf_release) struct buf path = {0};
    loki_query_append(&query, ask->labels, &ask->run, ask->node);
    buf_printf(&path, "/loki/api/v1/query_range?direction=forward&limit=%u&start=%llu&end=%llu&query=", ask->limit,
               (unsigned long long)ask->from_ns, (unsigned long long)ask->until_ns);
    append_escaped(&path, buf_str(&query));
    return url_of(access, buf_cstr(&path));
}

int loki_query(const struct loki_access *access, const struct loki_ask *ask, struct loki_lines *ret,
               struct buf *ret_error)
{
    CLEANUP(free_ptr) char *url = query_url(access, ask);
    struct client_said answer = {0};
    const struct client_ask request = {
        .fetch = {.url = url, .body_max = LOKI_ANSWER_MAX, .timeout_ms = ask->timeout_ms}};
    int err = ask_loki(access, &request, NULL, &answer, ret_error);
    if (err == 0 && answer.status != 200) {
        tell_answer(&answer, ret_error);
        err = ERR_UNAVAILABLE;
    } else if (err == 0 && loki_answer_read(buf_str(&answer.body), ask, ret) != 0) {
        buf_append_text(ret_error, "what Loki answers is no list of lines");
        err = ERR_UNAVAILABLE;
    }
    buf_release(&answer.body);
    return err ? ERR_UNAVAILABLE : 0;
}
