#include "client/ask.h"

#include "client/fetch_private.h"

static bool headers_safe(const char *const *headers)
{
    for (; *headers; headers++) {
        if (!client_header_safe(*headers))
            return false;
    }
    return true;
}

static struct curl_slist *list_of(const char *const *headers)
{
    struct curl_slist *list = NULL;
    for (; *headers; headers++)
        list = curl_slist_append(list, *headers);
    return list;
}

static void take_line(void *arg, struct str line)
{
    struct client_said *said = arg;
    struct str name = str_trim(str_split(&line, ':'));
    if (str_eq_nocase(name, STR("Retry-After")))
        str_to_u64(str_trim(line), &said->retry_after_s);
}

int client_ask(const struct client_ask *ask, struct client_said *ret, struct buf *ret_error)
{
    const struct client_head head = {take_line, ret};
    CURL *handle = NULL;
    long status = 0;
    if (!headers_safe(ask->headers)) {
        buf_append_text(ret_error, "a header has characters that it cannot have");
        return ERR_INVALID;
    }
    int err = fetch_start(&ask->fetch, &handle, ret_error);
    if (err)
        return err;
    struct curl_slist *headers = list_of(ask->headers);
    if (ask->post) {
        curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)ask->body.len);
        curl_easy_setopt(handle, CURLOPT_POSTFIELDS, ask->body.data ? ask->body.data : "");
    }
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    err = fetch_run(handle, &ask->fetch, &head, &status, &ret->body, ret_error);
    curl_easy_cleanup(handle);
    curl_slist_free_all(headers);
    ret->status = (int)status;
    return err;
}
