#include "client/signed.h"

#include "client/fetch_private.h"

#define EXPECT_MS 300L // so long the answer to "Expect: 100-continue" is waited for

struct client_line {
    CURL *handle; // NULL before its first request
};

struct client_line *client_line_new(void)
{
    return xcalloc(1, sizeof(struct client_line));
}

void client_line_free(struct client_line **line_ptr)
{
    struct client_line *line = TAKE_PTR(*line_ptr);
    if (line && line->handle)
        curl_easy_cleanup(line->handle);
    free(line);
}

static bool signs_well(const struct client_signed *request)
{
    const char *const texts[] = {request->region, request->service, request->key_id, request->secret,
                                 request->session_token};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (!client_token_valid(texts[i]))
            return false;
    }
    for (const char *const *header = request->headers; *header; header++) {
        if (!client_header_safe(*header))
            return false;
    }
    return request->key_id[0] && request->secret[0] && !strpbrk(request->region, ":/") &&
           !strpbrk(request->service, ":/");
}

static struct curl_slist *headers_of(const struct client_signed *request)
{
    struct curl_slist *list = NULL;
    for (const char *const *header = request->headers; *header; header++)
        list = curl_slist_append(list, *header);
    if (!request->session_token[0])
        return list;
    CLEANUP(free_ptr) char *token = xasprintf("X-Amz-Security-Token: %s", request->session_token);
    return curl_slist_append(list, token);
}

static void set_method(CURL *handle, const struct client_signed *request)
{
    const char *method = request->method ? request->method : "POST";
    if (strcmp(method, "POST") == 0 || strcmp(method, "PUT") == 0) {
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS, request->body.data ? request->body.data : "");
        curl_easy_setopt(handle, CURLOPT_EXPECT_100_TIMEOUT_MS, EXPECT_MS);
    } else {
        curl_easy_setopt(handle, CURLOPT_HTTPGET, 1L);
    }
    curl_easy_setopt(handle, CURLOPT_CUSTOMREQUEST, method);
}

static void take_etag(struct client_answer *answer, struct str value)
{
    if (value.len >= sizeof(answer->etag))
        return;
    memcpy(answer->etag, value.data, value.len);
    answer->etag[value.len] = 0;
}

static void take_size(struct client_answer *answer, struct str value)
{
    str_split(&value, '/');
    answer->has_size = str_to_u64(value, &answer->size);
}

static void take_line(void *arg, struct str line)
{
    struct client_answer *answer = arg;
    struct str name = str_trim(str_split(&line, ':'));
    if (str_eq_nocase(name, STR("ETag")))
        take_etag(answer, str_trim(line));
    else if (str_eq_nocase(name, STR("Content-Range")))
        take_size(answer, str_trim(line));
}

int client_send_signed(const struct client_signed *request, struct client_answer *ret, struct buf *ret_error)
{
    struct client_line alone = {0}, *line = request->line ? request->line : &alone;
    const struct client_head head = {take_line, ret};
    long status = 0;
    if (!signs_well(request)) {
        buf_append_text(ret_error, "the region or the credentials have characters that they cannot have, or are empty");
        return ERR_INVALID;
    }
    int err = fetch_start(&request->fetch, &line->handle, ret_error);
    if (err)
        return err;
    CLEANUP(free_ptr) char *signing = xasprintf("aws:amz:%s:%s", request->region, request->service);
    struct curl_slist *headers = headers_of(request);
    set_method(line->handle, request);
    curl_easy_setopt(line->handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(line->handle, CURLOPT_AWS_SIGV4, signing);
    curl_easy_setopt(line->handle, CURLOPT_USERNAME, request->key_id);
    curl_easy_setopt(line->handle, CURLOPT_PASSWORD, request->secret);
    err = fetch_run(line->handle, &request->fetch, &head, &status, &ret->body, ret_error);
    // Nothing of the request may stay behind: its memory is the caller's.
    if (request->line)
        curl_easy_reset(line->handle);
    else
        curl_easy_cleanup(line->handle);
    curl_slist_free_all(headers);
    ret->status = (int)status;
    return err;
}
