#include "client/cause.h"
#include "client/client_private.h"
#include "client/url.h"
#include "util/clock.h"

#include <errno.h>
#include <jansson.h>
#include <pthread.h>
#include <unistd.h>

#define REQUEST_IDLE_MS 60000
#define HEAD_MAX        ((size_t)256 * 1024)

struct client {
    struct client_options options; // its strings are our own copies
    char *shown_url;
    CURL *handle;
};

static pthread_once_t curl_once = PTHREAD_ONCE_INIT;

// curl wants this once per process, and it loads OpenSSL. So a command that talks to nobody does not pay for it.
static void curl_start(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
}

bool client_header_safe(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        if (*at < 0x20 || *at > 0x7e)
            return false;
    }
    return true;
}

bool client_token_valid(const char *token)
{
    return client_header_safe(token) && !strchr(token, ' ');
}

static void client_handle_apply(CURL *handle, const struct client_options *options)
{
    uint64_t timeout = options->connect_timeout_ms ? options->connect_timeout_ms : CLIENT_CONNECT_TIMEOUT_MS;
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(handle, CURLOPT_CONNECTTIMEOUT_MS, (long)MIN(timeout, (uint64_t)INT32_MAX));
    curl_easy_setopt(handle, CURLOPT_TCP_NODELAY, 1L);
    curl_easy_setopt(handle, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "runnel/" RUNNEL_VERSION);
#if LIBCURL_VERSION_NUM >= 0x075700
    if (options->abort) // an aborted call must not wait for the thread of the resolver either
        curl_easy_setopt(handle, CURLOPT_QUICK_EXIT, 1L);
#endif
    const char *authorities = options->ca_file ? options->ca_file : getenv("SSL_CERT_FILE");
    if (authorities && *authorities)
        curl_easy_setopt(handle, CURLOPT_CAINFO, authorities);
    if (url_is_loopback(options->url)) // the proxies that the environment names would ask their own loopback
        curl_easy_setopt(handle, CURLOPT_PROXY, "");
    if (options->insecure_tls) {
        curl_easy_setopt(handle, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(handle, CURLOPT_SSL_VERIFYHOST, 0L);
    }
}

CURL *client_handle_new(const struct client_options *options)
{
    pthread_once(&curl_once, curl_start);
    CURL *handle = curl_easy_init();
    if (handle)
        client_handle_apply(handle, options);
    return handle;
}

void client_handle_again(CURL *handle, const struct client_options *options)
{
    curl_easy_reset(handle);
    client_handle_apply(handle, options);
}

void client_handle_listen(CURL *handle, char detail[CURL_ERROR_SIZE])
{
    detail[0] = 0;
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, detail);
}

int client_handle_failed(CURL *handle, CURLcode code, const struct client_options *options, const char *detail,
                         struct client_response *response)
{
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_URL_MALFORMAT:
        return ERR_INVALID;
    case CURLE_OUT_OF_MEMORY:
        return ERR_NOMEM;
    default:
        buf_reset(&response->cause);
        return cause_of_transfer(handle, code, options, detail, &response->cause);
    }
}

const char *client_cause(struct client_response *response, int err)
{
    return response->cause.len > 0 ? buf_cstr(&response->cause) : error_text(err);
}

bool client_redirected(const struct client_response *response, const char *url, const char *path_and_query, char **ret)
{
    return response->status >= 300 && response->status < 400 && response->location[0] &&
           url_redirected(url, path_and_query, response->location, ret);
}

static char *dup_or_null(const char *text)
{
    return text ? xstrdup(text) : NULL;
}

int client_new(const struct client_options *options, struct client **ret)
{
    if (!options->url || (options->token && !client_header_safe(options->token)))
        return ERR_INVALID;
    struct client *client = xcalloc(1, sizeof(*client));
    client->options = *options;
    client->options.url = xstrdup(options->url);
    client->shown_url = url_without_user(options->url);
    client->options.token = dup_or_null(options->token);
    client->options.ca_file = dup_or_null(options->ca_file);
    client->handle = client_handle_new(&client->options);
    if (!client->handle) {
        client_free(&client);
        return ERR_INTERNAL;
    }
    *ret = client;
    return 0;
}

void client_free(struct client **client_ptr)
{
    struct client *client = TAKE_PTR(*client_ptr);
    if (!client)
        return;
    if (client->handle)
        curl_easy_cleanup(client->handle);
    // The strings are const for users of the options, but client_new has allocated them.
    free((char *)(uintptr_t)client->options.url);
    free(client->shown_url);
    free((char *)(uintptr_t)client->options.token);
    free((char *)(uintptr_t)client->options.ca_file);
    free(client);
}

const char *client_url(const struct client *client)
{
    return client->shown_url;
}

void client_response_release(struct client_response *response)
{
    buf_release(&response->body);
    buf_release(&response->cause);
    *response = (struct client_response){0};
}

static void copy_value(char *out, size_t size, struct str value)
{
    size_t len = MIN(value.len, size - 1);
    memcpy(out, value.data, len);
    out[len] = 0;
}

void client_response_header(struct client_response *response, struct str line)
{
    struct str name = str_trim(str_split(&line, ':'));
    struct str value = str_trim(line);
    if (str_eq_nocase(name, STR("x-request-id")))
        copy_value(response->request_id, sizeof(response->request_id), value);
    else if (str_eq_nocase(name, STR("content-type")))
        copy_value(response->content_type, sizeof(response->content_type), value);
    else if (str_eq_nocase(name, STR("x-runnel-incarnation")))
        copy_value(response->incarnation, sizeof(response->incarnation), value);
    else if (str_eq_nocase(name, STR("location")))
        copy_value(response->location, sizeof(response->location), value);
    else if (str_eq_nocase(name, STR("content-length")))
        response->has_length = str_to_u64(value, &response->length);
    else if (str_eq_nocase(name, STR("upload-offset")))
        response->has_upload_offset = str_to_u64(value, &response->upload_offset);
}

// One transfer under way.
struct transfer {
    CURL *handle;
    struct client_response *response;
    bool (*data)(void *arg, struct str bytes); // NULL: the body is gathered
    void *arg;
    bool stopped;                       // `data` has stopped it
    const struct client_source *source; // NULL: the body is in memory, or there is none
    uint64_t at;                        // of the source
    bool unread;                        // it could not be read
    bool too_large;
    size_t head_bytes;
    const atomic_bool *abort;
    uint64_t idle_timeout_ms, last_ms;
};

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    struct str line = str_trim(str_n(data, size * count));
    transfer->last_ms = clock_mono_ms();
    transfer->head_bytes += size * count;
    if (transfer->head_bytes > HEAD_MAX) {
        transfer->too_large = true;
        return 0;
    }
    if (str_starts(line, STR("HTTP/"))) // an informational answer comes before the real one
        *transfer->response = (struct client_response){.body = transfer->response->body};
    else
        client_response_header(transfer->response, line);
    return size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    size_t len = size * count;
    long status = 0;
    transfer->last_ms = clock_mono_ms();
    curl_easy_getinfo(transfer->handle, CURLINFO_RESPONSE_CODE, &status);
    transfer->response->status = (int)status;
    if (transfer->data && status >= 200 && status < 300) {
        transfer->stopped = !transfer->data(transfer->arg, str_n(data, len));
        return transfer->stopped ? 0 : len;
    }
    if (len > CLIENT_BODY_MAX - transfer->response->body.len) {
        transfer->too_large = true;
        return 0;
    }
    buf_append(&transfer->response->body, data, len);
    return len;
}

static size_t on_read(char *data, size_t size, size_t count, void *arg)
{
    struct transfer *transfer = arg;
    const struct client_source *source = transfer->source;
    uint64_t wanted = MIN((uint64_t)(size * count), source->to - transfer->at);
    ssize_t got = wanted > 0 ? pread(source->fd, data, wanted, (off_t)transfer->at) : 0;
    transfer->last_ms = clock_mono_ms();
    if (got < 0 || (got == 0 && wanted > 0)) {
        transfer->unread = true;
        return CURL_READFUNC_ABORT;
    }
    transfer->at += (uint64_t)got;
    if (source->moved)
        atomic_fetch_add(source->moved, (unsigned long long)got);
    return (size_t)got;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total, curl_off_t up)
{
    const struct transfer *transfer = arg;
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    if (transfer->abort && atomic_load(transfer->abort))
        return 1;
    return transfer->idle_timeout_ms > 0 && clock_mono_ms() - transfer->last_ms > transfer->idle_timeout_ms;
}

static bool add_header(struct curl_slist **list, const char *header)
{
    if (!client_header_safe(header))
        return false;
    struct curl_slist *longer = curl_slist_append(*list, header);
    if (!longer)
        abort();
    *list = longer;
    return true;
}

static bool make_headers(const struct client *client, const struct transfer *transfer, struct str body,
                         const char *header, struct curl_slist **ret)
{
    if (client->options.token) {
        bool proxied = url_user(client->options.url).len > 0;
        CLEANUP(free_ptr)
        char *line = xasprintf("%s%s", proxied ? "X-Runnel-Token: " : "Authorization: Bearer ", client->options.token);
        if (!add_header(ret, line))
            return false;
    }
    bool has_type = header && strncasecmp(header, "content-type:", 13) == 0;
    const char *type = transfer->source ? "Content-Type: application/octet-stream" : "Content-Type: application/json";
    if ((body.len > 0 || transfer->source) && !has_type && !add_header(ret, type))
        return false;
    // Without this, curl waits for "100 Continue" before it sends a larger body.
    return add_header(ret, "Expect:") && (!header || add_header(ret, header));
}

static int transfer_run(struct client *client, const char *path, struct transfer *transfer)
{
    CURL *handle = client->handle;
    size_t url_len = strlen(client->options.url);
    while (url_len > 0 && client->options.url[url_len - 1] == '/')
        url_len--;
    CLEANUP(free_ptr) char *url = xasprintf("%.*s%s", (int)url_len, client->options.url, path);
    char detail[CURL_ERROR_SIZE];
    client_handle_listen(handle, detail);
    curl_easy_setopt(handle, CURLOPT_URL, url);
    curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(handle, CURLOPT_HEADERDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(handle, CURLOPT_WRITEDATA, transfer);
    curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(handle, CURLOPT_XFERINFODATA, transfer);
    curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
    transfer->last_ms = clock_mono_ms();
    transfer->at = transfer->source ? transfer->source->from : 0;
    transfer->abort = client->options.abort;
    CURLcode code = curl_easy_perform(handle);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, NULL);
    long status = 0;
    curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
    transfer->response->status = (int)status;
    if (code == CURLE_OK || transfer->stopped)
        return 0;
    if (transfer->unread)
        return ERR_CORRUPT;
    if (transfer->source && status >= 400) // said before all was sent
        return 0;
    if (transfer->too_large)
        return ERR_TOO_LARGE;
    if (transfer->abort && atomic_load(transfer->abort))
        return ERR_CANCELED;
    if (transfer->data && status >= 200 && status < 300)
        return ERR_CLOSED;
    if (code == CURLE_ABORTED_BY_CALLBACK)
        snprintf(detail, sizeof(detail), "nothing was heard of it for %llu s",
                 (unsigned long long)(transfer->idle_timeout_ms / 1000));
    return client_handle_failed(handle, code, &client->options, detail, transfer->response);
}

static int run_once(struct client *client, const char *path, struct str body, const char *header,
                    struct transfer *transfer)
{
    struct curl_slist *headers = NULL;
    int err = ERR_INVALID;
    if (make_headers(client, transfer, body, header, &headers)) {
        curl_easy_setopt(client->handle, CURLOPT_HTTPHEADER, headers);
        err = transfer_run(client, path, transfer);
        curl_easy_setopt(client->handle, CURLOPT_HTTPHEADER, NULL);
    }
    curl_slist_free_all(headers);
    if (err < 0) {
        struct buf cause = transfer->response->cause;
        transfer->response->cause = (struct buf){0};
        client_response_release(transfer->response);
        transfer->response->cause = cause;
    }
    return err;
}

static int run_with_headers(struct client *client, const char *path, struct str body, const char *header,
                            struct transfer *transfer)
{
    char *instead = NULL;
    int err = run_once(client, path, body, header, transfer);
    if (err < 0 || !client_redirected(transfer->response, client->options.url, path, &instead))
        return err;
    free((char *)(uintptr_t)client->options.url);
    client->options.url = instead;
    client_response_release(transfer->response);
    return run_once(client, path, body, header, transfer);
}

int client_request(struct client *client, const char *method, const char *path, struct str body, const char *header,
                   struct client_response *ret)
{
    client_response_release(ret);
    curl_easy_reset(client->handle); // keeps the connection open
    client_handle_apply(client->handle, &client->options);
    bool may_have_body = strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0 && strcmp(method, "DELETE") != 0;
    if (strcmp(method, "HEAD") == 0)
        curl_easy_setopt(client->handle, CURLOPT_NOBODY, 1L);
    if (body.len > 0 || may_have_body) {
        curl_easy_setopt(client->handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        curl_easy_setopt(client->handle, CURLOPT_POSTFIELDS, body.len > 0 ? body.data : "");
    }
    curl_easy_setopt(client->handle, CURLOPT_CUSTOMREQUEST, method);
    struct transfer transfer = {.handle = client->handle, .response = ret, .idle_timeout_ms = REQUEST_IDLE_MS};
    return run_with_headers(client, path, body, header, &transfer);
}

int client_stream(struct client *client, const char *path, const char *header,
                  bool (*data)(void *arg, struct str bytes), void *arg, uint64_t idle_timeout_ms,
                  struct client_response *ret)
{
    client_response_release(ret);
    curl_easy_reset(client->handle);
    client_handle_apply(client->handle, &client->options);
    struct transfer transfer = {
        .handle = client->handle, .response = ret, .data = data, .arg = arg, .idle_timeout_ms = idle_timeout_ms};
    return run_with_headers(client, path, str_n(NULL, 0), header, &transfer);
}

int client_upload(struct client *client, const char *method, const char *path, const struct client_source *source,
                  const char *header, struct client_response *ret)
{
    client_response_release(ret);
    curl_easy_reset(client->handle);
    client_handle_apply(client->handle, &client->options);
    struct transfer transfer = {
        .handle = client->handle, .response = ret, .source = source, .idle_timeout_ms = REQUEST_IDLE_MS};
    curl_easy_setopt(client->handle, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(client->handle, CURLOPT_CUSTOMREQUEST, method);
    curl_easy_setopt(client->handle, CURLOPT_INFILESIZE_LARGE, (curl_off_t)(source->to - source->from));
    curl_easy_setopt(client->handle, CURLOPT_READFUNCTION, on_read);
    curl_easy_setopt(client->handle, CURLOPT_READDATA, &transfer);
    curl_easy_setopt(client->handle, CURLOPT_UPLOAD_BUFFERSIZE, 256L * 1024);
    return run_with_headers(client, path, str_n(NULL, 0), header, &transfer);
}

static int error_from_status(int status)
{
    static const int errors[] = {
        ERR_MALFORMED, ERR_UNAUTHORIZED, ERR_FORBIDDEN,  ERR_NOT_FOUND,         ERR_METHOD,      ERR_TIMEOUT,
        ERR_CONFLICT,  ERR_EXPIRED,      ERR_TOO_LARGE,  ERR_URI_TOO_LONG,      ERR_MEDIA_TYPE,  ERR_RANGE,
        ERR_INVALID,   ERR_RATE,         ERR_STORE_FULL, ERR_HEADERS_TOO_LARGE, ERR_UNAVAILABLE,
    };
    for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
        if (error_http_status(errors[i]) == status)
            return errors[i];
    }
    return status >= 400 && status < 500 ? ERR_MALFORMED : ERR_INTERNAL;
}

// Appends which fields a 422 is about.
static void append_fields(struct buf *out, const json_t *fields)
{
    const json_t *field;
    size_t i;
    json_array_foreach(fields, i, field)
    {
        const char *name = json_string_value(json_object_get(field, "name")),
                   *reason = json_string_value(json_object_get(field, "reason"));
        if (name && reason)
            buf_printf(out, "; %s: %s", name, reason);
    }
}

int client_response_error(const struct client_response *response, struct buf *ret_text)
{
    if (response->status >= 200 && response->status < 300)
        return 0;
    CLEANUP(buf_release) struct buf unwanted = {0};
    struct buf *text = ret_text ? ret_text : &unwanted;
    json_t *root = response->body.len > 0 ? json_loadb(response->body.data, response->body.len, 0, NULL) : NULL;
    const json_t *error = json_object_get(root, "error");
    const char *code = json_string_value(json_object_get(error, "code")),
               *message = json_string_value(json_object_get(error, "message")),
               *request_id = json_string_value(json_object_get(error, "request_id"));
    int err;
    if (!code && !response->incarnation[0]) {
        err = cause_of_answer(response, text);
    } else {
        int named = code ? error_from_word(code, strlen(code)) : ERR_INTERNAL;
        err = named != ERR_INTERNAL || response->status == 500 ? named : error_from_status(response->status);
        if (err == ERR_NO_ROUTE) {
            // Runnel answers, but not at this path. So this does not mean that the wanted thing is missing.
            err = ERR_WRONG_SERVER;
            message = "there is no Runnel at this path (HTTP status 404): is the path of the URL right, and the server "
                      "as new "
                      "as this program?";
        }
        buf_append_text(text, message ? message : error_text(err));
        append_fields(text, json_object_get(error, "fields"));
        if (!code)
            buf_printf(text, " (HTTP status %d)", response->status);
    }
    if (!request_id && response->request_id[0])
        request_id = response->request_id;
    if (request_id)
        buf_printf(text, " [request %s]", request_id);
    json_decref(root);
    return err;
}
