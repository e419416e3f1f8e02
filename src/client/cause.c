#include "client/cause.h"

#include "client/url.h"

struct cause {
    CURLcode code;
    const char *detail; // a part of curl's text; NULL: any text
    int err;
    const char *text; // %s: the host, or the CA file; "": curl's text alone
};

// The first entry that fits is used. curl's own text follows in brackets.
static const struct cause causes[] = {
    {CURLE_PEER_FAILED_VERIFICATION, "subject name", ERR_WRONG_SERVER,
     "its certificate is for another name than %s: use the name that it is for"},
    {CURLE_PEER_FAILED_VERIFICATION, "expired", ERR_WRONG_SERVER,
     "the certificate of %s has run out: it has to be renewed"},
    {CURLE_PEER_FAILED_VERIFICATION, NULL, ERR_WRONG_SERVER,
     "the certificate of %s is not trusted: if it is from an authority of your own, name that by --ca-file or "
     "RUNNEL_CA_FILE"},
    {CURLE_SSL_CACERT_BADFILE, NULL, ERR_WRONG_SERVER, "the file of certificate authorities cannot be used"},
    {CURLE_SSL_CONNECT_ERROR, "wrong version number", ERR_WRONG_SERVER,
     "%s does not speak TLS at this port: is its URL http:// instead of https://?"},
    {CURLE_SSL_CONNECT_ERROR, "packet length too long", ERR_WRONG_SERVER,
     "%s does not speak TLS at this port: is its URL http:// instead of https://?"},
    {CURLE_SSL_CONNECT_ERROR, NULL, ERR_UNREACHABLE, "the TLS handshake with %s failed"},
    {CURLE_UNSUPPORTED_PROTOCOL, "HTTP/0.9", ERR_WRONG_SERVER,
     "what answers on %s at this port does not speak HTTP: is its URL https:// instead of http://?"},
    {CURLE_WEIRD_SERVER_REPLY, NULL, ERR_WRONG_SERVER, "what answers on %s at this port does not speak HTTP"},
    {CURLE_COULDNT_RESOLVE_HOST, NULL, ERR_UNREACHABLE, "the host %s is not known"},
    {CURLE_COULDNT_RESOLVE_PROXY, NULL, ERR_UNREACHABLE,
     "the proxy that the environment names (http_proxy, https_proxy, all_proxy) is not known"},
    {CURLE_GOT_NOTHING, NULL, ERR_UNREACHABLE, "%s closed the connection without an answer: is its URL https://?"},
    {CURLE_RECV_ERROR, "reset", ERR_UNREACHABLE, "%s closed the connection without an answer: is its URL https://?"},
};

int cause_of_transfer(CURL *handle, CURLcode code, const struct client_options *options, const char *detail,
                      struct buf *ret_text)
{
    struct str host = url_host(options->url);
    long os_error = 0;
    char name[256];
    snprintf(name, sizeof(name), "%.*s", STR_ARGS(host));
    curl_easy_getinfo(handle, CURLINFO_OS_ERRNO, &os_error);
    if (!*detail)
        detail = curl_easy_strerror(code);
    for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
        const struct cause *cause = &causes[i];
        if (cause->code != code || (cause->detail && !strstr(detail, cause->detail)))
            continue;
        const char *hole = strstr(cause->text, "%s");
        if (hole)
            buf_printf(ret_text, "%.*s%s%s", (int)(hole - cause->text), cause->text, name, hole + 2);
        else
            buf_append_text(ret_text, cause->text);
        buf_printf(ret_text, " (%s)", detail);
        return cause->err;
    }
    buf_printf(ret_text, "%s: %s", error_text(ERR_UNREACHABLE), detail);
    if (os_error)
        buf_printf(ret_text, " (%s)", strerror((int)os_error));
    return ERR_UNREACHABLE;
}

int cause_of_answer(const struct client_response *response, struct buf *ret_text)
{
    int status = response->status;
    if (status >= 300 && status < 400 && response->location[0]) {
        buf_printf(ret_text,
                   "it redirects elsewhere (HTTP status %d, Location: %s): name that server itself by --url or "
                   "RUNNEL_URL",
                   status, response->location);
        return ERR_WRONG_SERVER;
    }
    if (status >= 500) {
        buf_printf(ret_text, "a proxy in between says that the server behind it is away (HTTP status %d)", status);
        return ERR_UNAVAILABLE;
    }
    if (status == 408 || status == 429) {
        buf_printf(ret_text, "a proxy in between wants fewer requests (HTTP status %d)", status);
        return ERR_RATE;
    }
    if (status == 407) {
        buf_append_text(ret_text,
                        "the proxy in between wants a login (HTTP status 407): put it into http_proxy or https_proxy");
        return ERR_WRONG_SERVER;
    }
    if (status == 401) {
        buf_append_text(ret_text, "a proxy in between wants a login of its own (HTTP status 401)");
        return ERR_UNAUTHORIZED;
    }
    buf_printf(ret_text, "what answers there is not a Runnel server (HTTP status %d): is the URL right?", status);
    return ERR_WRONG_SERVER;
}

void cause_no_upgrade(int status, struct buf *ret_text)
{
    buf_printf(ret_text,
               "a proxy in between does not pass the upgrade to a WebSocket on (HTTP status %d): it has to pass the "
               "headers Upgrade and Connection",
               status);
}
