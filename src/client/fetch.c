#include "client/fetch_private.h"
#include "client/url.h"

#include <arpa/inet.h>
#include <errno.h>
#include <unistd.h>

#define HEAD_MAX ((size_t)64 * 1024)

struct fetching {
    const struct client_fetch *fetch;
    struct buf *body;
    const struct client_head *header; // who reads the answer's head; NULL
    size_t head;
    bool too_large;
};

static bool is_https(const char *url)
{
    return str_starts(str_of(url), STR("https://"));
}

bool client_fetch_allowed_plain(const char *url)
{
    bool plain = str_starts(str_of(url), STR("http://"));
    return client_header_safe(url) && !strchr(url, ' ') && url_user(url).len == 0 && url_host(url).len > 0 &&
           (is_https(url) || plain);
}

// Also BUCKET.localhost and such: names that stay on this machine (RFC 6761). open_on_loopback sees to it.
static bool names_loopback(const char *url)
{
    static const char end[] = ".localhost";
    struct str host = url_host(url);
    size_t len = sizeof(end) - 1;
    return url_is_loopback(url) ||
           (host.len > len && str_eq_nocase(str_n(host.data + host.len - len, len), str_of(end)));
}

bool client_fetch_allowed(const char *url)
{
    return client_fetch_allowed_plain(url) && (is_https(url) || names_loopback(url));
}

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct fetching *it = arg;
    size_t len = size * count;
    it->too_large = len > it->fetch->body_max - it->body->len;
    if (it->too_large)
        return 0;
    buf_append(it->body, data, len);
    return len;
}

static size_t take_head(char *data, size_t size, size_t count, void *arg)
{
    struct fetching *it = arg;
    it->head += size * count;
    it->too_large = it->head > HEAD_MAX;
    if (it->header && !it->too_large)
        it->header->line(it->header->arg, str_n(data, size * count));
    return it->too_large ? 0 : size * count;
}

static int take_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct fetching *it = arg;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    return it->fetch->abort && atomic_load(it->fetch->abort);
}

static bool address_is_loopback(const struct curl_sockaddr *address)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    if (address->family == AF_INET && address->addrlen >= sizeof(v4)) {
        memcpy(&v4, &address->addr, sizeof(v4));
        return ntohl(v4.sin_addr.s_addr) >> 24 == 127;
    }
    if (address->family != AF_INET6 || address->addrlen < sizeof(v6))
        return false;
    memcpy(&v6, &address->addr, sizeof(v6));
    return IN6_IS_ADDR_LOOPBACK(&v6.sin6_addr);
}

// Whatever the resolver says of `localhost`: what is not encrypted does not leave this machine.
static curl_socket_t open_on_loopback(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)arg;
    (void)purpose;
    if (!address_is_loopback(address))
        return CURL_SOCKET_BAD;
    return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

static void prepare(CURL *handle, const struct client_fetch *fetch, struct fetching *it)
{
    bool https = is_https(fetch->url);
    curl_easy_setopt(handle, CURLOPT_URL, fetch->url);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, https ? "https" : "http");
    curl_easy_setopt(handle, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, (long)MIN(fetch->timeout_ms, (uint64_t)INT32_MAX));
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, it);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, take_head);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, it);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, take_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, it);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    if (!https && !fetch->plain)
        curl_easy_setopt(handle, CURLOPT_OPENSOCKETFUNCTION, open_on_loopback);
    if (fetch->stall_ms == 0)
        return;
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(handle, CURLOPT_LOW_SPEED_TIME, (long)MAX(fetch->stall_ms / 1000, (uint64_t)1));
}

int fetch_run(CURL *handle, const struct client_fetch *fetch, const struct client_head *header, long *ret_status,
              struct buf *ret, struct buf *ret_error)
{
    struct fetching it = {.fetch = fetch, .body = ret, .header = header};
    char detail[CURL_ERROR_SIZE];
    prepare(handle, fetch, &it);
    client_handle_listen(handle, detail);
    CURLcode code = curl_easy_perform(handle);
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, ret_status);
    if (it.too_large) {
        buf_printf(ret_error, "the answer is larger than %zu bytes", fetch->body_max);
        return ERR_TOO_LARGE;
    }
    if (fetch->abort && atomic_load(fetch->abort))
        return ERR_CANCELED;
    if (code != CURLE_OK) {
        buf_append_text(ret_error, detail[0] ? detail : curl_easy_strerror(code));
        return ERR_UNREACHABLE;
    }
    return 0;
}

static int judge_status(long status, struct buf *ret_error)
{
    if (status == 200)
        return 0;
    buf_printf(ret_error, "it answers %ld%s", status,
               status >= 300 && status < 400 ? "; redirects are not followed, so name where it leads" : "");
    return ERR_WRONG_SERVER;
}

int fetch_start(const struct client_fetch *fetch, CURL **handle, struct buf *ret_error)
{
    if (!(fetch->plain ? client_fetch_allowed_plain : client_fetch_allowed)(fetch->url)) {
        buf_append_text(ret_error, fetch->plain
                                       ? "it must be an https or http URL, without a user"
                                       : "it must be an https URL, or an http URL on loopback, without a user");
        return ERR_INVALID;
    }
    const struct client_options options = {
        .url = fetch->url,
        .ca_file = fetch->ca_file && *fetch->ca_file ? fetch->ca_file : NULL,
        .connect_timeout_ms = fetch->stall_ms ? MIN(fetch->stall_ms, fetch->timeout_ms) : fetch->timeout_ms,
        .abort = fetch->abort,
    };
    if (*handle)
        client_handle_again(*handle, &options);
    else
        *handle = client_handle_new(&options);
    if (*handle)
        return 0;
    buf_append_text(ret_error, "libcurl cannot be started");
    return ERR_INTERNAL;
}

int client_fetch(const struct client_fetch *fetch, struct buf *ret, struct buf *ret_error)
{
    CURL *handle = NULL;
    long status = 0;
    int err = fetch_start(fetch, &handle, ret_error);
    if (err)
        return err;
    err = fetch_run(handle, fetch, NULL, &status, ret, ret_error);
    curl_easy_cleanup(handle);
    return err ? err : judge_status(status, ret_error);
}
