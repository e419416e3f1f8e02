// PUBLISH and SUBSCRIBE. A connection that has subscribed takes no other command, so there are two. Both are hiredis's
// blocking ones: what they wait for has a time.
#include "bus/kind.h"
#include "bus/redis_address.h"
#include "net/tls_client.h"
#include "util/clock.h"
#include "util/error.h"

#include <errno.h>
#include <hiredis/hiredis.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>

#define CONNECT_S     5
#define COMMAND_S     3
#define LOST_AFTER_MS 10000             // without a word that what was sent has come
#define READS_AT_ONCE 64                // then it sends
#define ANSWER_MAX    ((size_t)1 << 20) // bytes of an answer, or of a message, that is not whole yet
#define MESSAGE_PARTS 3                 // "message", channel, text: the longest array that is taken

#define TLS_RECORD 16384 // what is read at once is the whole of one, so nothing of it is left over

// A connection. With TLS hiredis still opens it, writes commands as text and understands answers.
struct wire {
    redisContext *context;
    struct tls_client *tls;                     // NULL: none
    redisReplyObjectFunctions functions, usual; // how answers are made, and how hiredis makes them
};

struct bus_link {
    const struct bus_options *options;
    struct wire *listening, *telling;
};

static void wire_free(struct wire **wire)
{
    struct wire *gone = TAKE_PTR(*wire);
    if (!gone)
        return;
    tls_client_free(&gone->tls);
    if (gone->context)
        redisFree(gone->context);
    free(gone);
}

static void reply_free(redisReply **reply)
{
    if (*reply)
        freeReplyObject(TAKE_PTR(*reply));
}

static int failed(const redisContext *context, struct buf *ret_reason)
{
    bool late = context->err == REDIS_ERR_IO && (errno == EAGAIN || errno == EWOULDBLOCK);
    bool large = context->err == REDIS_ERR_OOM;
    buf_append_text(ret_reason, late    ? "the Redis does not answer"
                                : large ? "the Redis answers with more than was asked for"
                                        : context->errstr);
    return ERR_UNAVAILABLE;
}

// Of an answer that is not what was asked for, or of none.
static int refused(const redisContext *context, const redisReply *reply, struct buf *ret_reason)
{
    if (!reply)
        return failed(context, ret_reason);
    buf_append_text(ret_reason, "the Redis says: ");
    buf_append_utf8(ret_reason,
                    reply->type == REDIS_REPLY_ERROR ? str_n(reply->str, reply->len) : STR("nothing known"));
    return ERR_UNAVAILABLE;
}

static int wire_fail(struct wire *wire, const char *why)
{
    wire->context->err = REDIS_ERR_OTHER;
    snprintf(wire->context->errstr, sizeof(wire->context->errstr), "%s", why);
    return REDIS_ERR;
}

static int wire_write(struct wire *wire, const char *format, va_list arguments)
{
    if (!wire->tls) {
        int sent = 0;
        int rc = redisvAppendCommand(wire->context, format, arguments);
        while (rc == REDIS_OK && !sent)
            rc = redisBufferWrite(wire->context, &sent);
        return rc;
    }
    CLEANUP(free_ptr) char *command = NULL;
    int len = redisvFormatCommand(&command, format, arguments);
    if (len < 0)
        return wire_fail(wire, "a command cannot be written");
    return tls_client_write(wire->tls, command, (size_t)len) < 0 ? wire_fail(wire, "the Redis does not answer")
                                                                 : REDIS_OK;
}

// Waits for something, unless it is there.
static int wire_read(struct wire *wire)
{
    if (!wire->tls)
        return redisBufferRead(wire->context);
    char part[TLS_RECORD];
    ssize_t len = tls_client_read(wire->tls, part, sizeof(part));
    if (len <= 0)
        return wire_fail(wire, len == 0 ? "Server closed the connection" : "the Redis does not answer");
    return redisReaderFeed(wire->context->reader, part, (size_t)len);
}

static bool wire_readable(const struct wire *wire)
{
    if (wire->tls && tls_client_has_input(wire->tls))
        return true;
    return poll(&(struct pollfd){.fd = wire->context->fd, .events = POLLIN}, 1, 0) == 1;
}

// As redisCommand, which would read for as long as something comes: an answer is whole within COMMAND_S, and not larger
// than ANSWER_MAX. NULL: it is not, and the connection is of no more use.
static redisReply *ask(struct wire *wire, const char *format, ...)
{
    uint64_t until_ms = clock_mono_ms() + (uint64_t)COMMAND_S * 1000;
    void *reply = NULL;
    va_list arguments;
    va_start(arguments, format);
    int rc = wire_write(wire, format, arguments);
    va_end(arguments);
    while (rc == REDIS_OK) {
        if (redisGetReplyFromReader(wire->context, &reply) != REDIS_OK || reply)
            break;
        rc = wire_read(wire);
        if (rc == REDIS_OK && (wire->context->reader->len > ANSWER_MAX || clock_mono_ms() >= until_ms))
            rc = wire_fail(wire, "the Redis answers without end");
    }
    return reply;
}

static int log_in(struct wire *wire, const char *file, struct buf *ret_reason)
{
    CLEANUP(redis_login_release) struct redis_login login;
    int err = redis_login_read(file, &login, ret_reason);
    if (err < 0)
        return ERR_UNAVAILABLE; // the file may be mended
    if (login.password.len == 0)
        return 0;
    CLEANUP(reply_free)
    redisReply *reply = login.user.len > 0 ? ask(wire, "AUTH %b %b", login.user.data, login.user.len,
                                                 login.password.data, login.password.len)
                                           : ask(wire, "AUTH %b", login.password.data, login.password.len);
    if (!reply)
        return failed(wire->context, ret_reason);
    if (reply->type == REDIS_REPLY_STATUS)
        return 0;
    // Only its first word: a server that does not know the command repeats what it was given.
    struct str said = str_n(reply->str, reply->type == REDIS_REPLY_ERROR ? reply->len : 0);
    struct str code = str_split(&said, ' ');
    buf_append_text(ret_reason, "the Redis refuses the user or the password of bus_credentials: ");
    buf_append_utf8(ret_reason, code);
    return ERR_UNAVAILABLE;
}

static void set_times(redisContext *context)
{
    unsigned lost_ms = LOST_AFTER_MS;
    redisSetTimeout(context, (struct timeval){.tv_sec = COMMAND_S});
    if (context->connection_type != REDIS_CONN_TCP)
        return;
    redisEnableKeepAlive(context);
    setsockopt(context->fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &lost_ms, sizeof(lost_ms));
}

static int begin_tls(struct wire *wire, const char *host, const char *ca_file, struct buf *ret_reason)
{
    const struct tls_client_options options = {
        .fd = wire->context->fd, .host = host, .ca_file = ca_file, .wait_ms = COMMAND_S * 1000};
    CLEANUP(buf_release) struct buf why = {0};
    int err = tls_client_open(&options, &why, &wire->tls);
    if (err < 0)
        buf_printf(ret_reason, "the Redis with TLS (rediss://, bus_ca): %s", buf_cstr(&why));
    return err;
}

// hiredis would make an array of any length that a peer announces, of values that have come one after the other.
static void *create_array(const redisReadTask *task, int parts)
{
    const struct wire *wire = task->privdata;
    return task->parent || parts > MESSAGE_PARTS ? NULL : wire->usual.createArray(task, parts);
}

static void bound_answers(struct wire *wire)
{
    wire->usual = wire->functions = *wire->context->reader->fn;
    wire->functions.createArray = create_array;
    wire->context->reader->fn = &wire->functions;
    wire->context->reader->privdata = wire;
}

static int connect_to(const struct bus_options *options, struct wire **ret, struct buf *ret_reason)
{
    static const struct timeval patience = {.tv_sec = CONNECT_S};
    struct redis_address address;
    int err = redis_address_read(options->address, &address, ret_reason);
    if (err < 0)
        return err;
    CLEANUP(wire_free) struct wire *wire = xcalloc(1, sizeof(*wire));
    wire->context = address.host[0] ? redisConnectWithTimeout(address.host, address.port, patience)
                                    : redisConnectUnixWithTimeout(address.path, patience);
    if (!wire->context)
        return ERR_UNAVAILABLE;
    if (wire->context->err)
        return failed(wire->context, ret_reason);
    set_times(wire->context);
    bound_answers(wire);
    if (address.tls)
        err = begin_tls(wire, address.host, options->ca_file, ret_reason);
    if (err == 0)
        err = log_in(wire, options->credentials, ret_reason);
    if (err == 0)
        *ret = TAKE_PTR(wire);
    return err;
}

// --- The kind's functions

static int check(const char *address, struct buf *ret_error)
{
    struct redis_address ignored;
    return redis_address_read(address, &ignored, ret_error);
}

static void close_link(struct bus_link *link)
{
    wire_free(&link->listening);
    wire_free(&link->telling);
    free(link);
}

static int publish(struct bus_link *link, struct str message, struct buf *ret_reason)
{
    CLEANUP(reply_free)
    redisReply *reply = ask(link->telling, "PUBLISH %s %b", link->options->channel, message.data, message.len);
    return reply && reply->type == REDIS_REPLY_INTEGER ? 0 : refused(link->telling->context, reply, ret_reason);
}

static int subscribe(struct bus_link *link, struct buf *ret_reason)
{
    CLEANUP(reply_free) redisReply *reply = ask(link->listening, "SUBSCRIBE %s", link->options->channel);
    return reply && reply->type == REDIS_REPLY_ARRAY ? 0 : refused(link->listening->context, reply, ret_reason);
}

static int open_link(const struct bus_options *options, struct bus_link **ret, struct buf *ret_reason)
{
    struct bus_link *link = xcalloc(1, sizeof(*link));
    link->options = options;
    int err = connect_to(options, &link->listening, ret_reason);
    if (err == 0)
        err = connect_to(options, &link->telling, ret_reason);
    if (err == 0)
        err = subscribe(link, ret_reason);
    if (err == 0) // so it is known now whether it may
        err = publish(link, STR(""), ret_reason);
    if (err == 0)
        *ret = link;
    else
        close_link(link);
    return err;
}

static int link_fd(const struct bus_link *link)
{
    return link->listening->context->fd;
}

static int send_message(struct bus_link *link, struct str message)
{
    CLEANUP(buf_release) struct buf reason = {0};
    // Nothing was asked, so there is nothing to read but the end: of a connection that was long without use.
    if (wire_readable(link->telling)) {
        wire_free(&link->telling);
        int err = connect_to(link->options, &link->telling, &reason);
        if (err < 0)
            return err;
    }
    return publish(link, message, &reason);
}

// Gives what was read, as far as it is whole.
static int hear_whole(struct bus_link *link, void (*hear)(void *arg, struct str message), void *arg)
{
    void *next = NULL;
    int rc;
    while ((rc = redisGetReplyFromReader(link->listening->context, &next)) == REDIS_OK && next) {
        CLEANUP(reply_free) redisReply *reply = next;
        bool whole = reply->type == REDIS_REPLY_ARRAY && reply->elements == MESSAGE_PARTS;
        const redisReply *text = whole ? reply->element[MESSAGE_PARTS - 1] : NULL;
        if (text && text->type == REDIS_REPLY_STRING && text->len > 0)
            hear(arg, str_n(text->str, text->len));
        next = NULL;
    }
    return rc == REDIS_OK && link->listening->context->reader->len <= ANSWER_MAX ? 0 : ERR_UNAVAILABLE;
}

static int receive(struct bus_link *link, void (*hear)(void *arg, struct str message), void *arg)
{
    int err = hear_whole(link, hear, arg);
    for (int i = 0; err == 0 && i < READS_AT_ONCE && wire_readable(link->listening); i++)
        err = wire_read(link->listening) == REDIS_OK ? hear_whole(link, hear, arg) : ERR_UNAVAILABLE;
    return err;
}

const struct bus_kind bus_redis = {
    .name = "redis",
    .away = "Redis cannot be reached, or refuses",
    .check = check,
    .open = open_link,
    .close = close_link,
    .fd = link_fd,
    .send = send_message,
    .receive = receive,
};
