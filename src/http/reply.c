#include "http/reply.h"

#include <llhttp.h>

struct http_reply {
    llhttp_t parser;
    const struct http_reply_events *events;
    void *arg;
    size_t head_len; // bytes that were fed before the head was complete
    bool upgrade;    // the other protocol is wanted
    bool in_body, complete, upgraded;
    int err;
};

// The parser's ways to go on after a head.
enum { GO_ON = 0, NO_BODY = 1, OTHER_PROTOCOL = 2 };

static int on_headers_complete(llhttp_t *parser)
{
    struct http_reply *reply = parser->data;
    int status = parser->status_code;
    if (status < 200 && status != 101)
        return NO_BODY;
    bool upgrades = reply->upgrade && (status == 101 || status == 200);
    if ((status == 101 && !upgrades) || parser->http_major != 1)
        return -1; // nobody asked for that
    reply->in_body = true;
    reply->events->head(reply->arg, status);
    return upgrades ? OTHER_PROTOCOL : GO_ON;
}

static int on_body(llhttp_t *parser, const char *data, size_t len)
{
    const struct http_reply *reply = parser->data;
    reply->events->body(reply->arg, str_n(data, len));
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    struct http_reply *reply = parser->data;
    if (!reply->in_body)
        return 0; // it was an informational one
    if (parser->upgrade)
        reply->upgraded = true;
    else
        reply->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

struct http_reply *http_reply_new(bool upgrade, const struct http_reply_events *events, void *arg)
{
    struct http_reply *reply = xcalloc(1, sizeof(*reply));
    llhttp_init(&reply->parser, HTTP_RESPONSE, &settings);
    reply->parser.data = reply;
    reply->upgrade = upgrade;
    reply->events = events;
    reply->arg = arg;
    return reply;
}

void http_reply_free(struct http_reply **reply)
{
    free(TAKE_PTR(*reply));
}

// The bytes behind what the parser has used.
static int take_rest(struct http_reply *reply, const char *end)
{
    const char *at = llhttp_get_error_pos(&reply->parser);
    if (!at || at > end)
        return ERR_MALFORMED;
    if (at < end && !reply->upgraded)
        return ERR_MALFORMED;
    if (at < end)
        reply->events->body(reply->arg, str_n(at, (size_t)(end - at)));
    return 0;
}

static int feed(struct http_reply *reply, const char *data, size_t len)
{
    if (reply->upgraded) {
        reply->events->body(reply->arg, str_n(data, len));
        return 0;
    }
    if (reply->complete)
        return ERR_MALFORMED;
    llhttp_errno_t code = llhttp_execute(&reply->parser, data, len);
    if (reply->complete || reply->upgraded)
        return take_rest(reply, data + len);
    if (code != HPE_OK)
        return ERR_MALFORMED;
    reply->head_len += reply->in_body ? 0 : len;
    return reply->head_len > HTTP_REPLY_HEAD_MAX ? ERR_TOO_LARGE : 0;
}

int http_reply_feed(struct http_reply *reply, const void *data, size_t len)
{
    if (reply->err == 0 && len > 0)
        reply->err = feed(reply, data, len);
    return reply->err;
}

bool http_reply_complete(const struct http_reply *reply)
{
    return reply->complete;
}

int http_reply_end(struct http_reply *reply)
{
    if (reply->err < 0)
        return reply->err;
    if (!reply->complete && !reply->upgraded && reply->in_body)
        llhttp_finish(&reply->parser); // a body without a length ends here
    return reply->complete || reply->upgraded ? 0 : ERR_CLOSED;
}
