// What a delivery hears from the server.
#include "runner/delivery_private.h"
#include "util/id.h"

#define CANCEL_GRACE_S     10
#define CANCEL_GRACE_S_MAX 3600

void delivery_breach(struct delivery *delivery, int err, const char *text)
{
    delivery->lost = true;
    delivery->options.events->trouble(delivery->options.arg, err, text);
}

// Returns false if the message is not as the contract says.
static bool read_stored(const json_t *root, struct uplink_stored *ret)
{
    const json_t *next = json_object_get(root, "next_sequence"), *digest = json_object_get(root, "digest");
    uint8_t bytes[8];
    *ret = (struct uplink_stored){0};
    if (!json_is_integer(next) || json_integer_value(next) < 0)
        return false;
    ret->next = (uint64_t)json_integer_value(next);
    if (!digest || json_is_null(digest))
        return true;
    if (!json_is_string(digest) || !hex_decode(str_of(json_string_value(digest)), bytes, sizeof(bytes)))
        return false;
    ret->has_digest = true;
    for (size_t i = 0; i < sizeof(bytes); i++)
        ret->digest = ret->digest << 8 | bytes[i];
    return true;
}

void delivery_acked(struct delivery *delivery, uint64_t counter)
{
    uplink_acked(&delivery->uplink, counter);
    spool_acked(delivery->options.spool, delivery->uplink.acked);
    delivery->options.events->acked(delivery->options.arg);
}

// If a server does not say which versions it reads, we find out by sending.
static bool reads_our_chunks(const json_t *versions)
{
    bool found = !json_is_array(versions);
    for (size_t i = 0; i < json_array_size(versions) && !found; i++)
        found = json_integer_value(json_array_get(versions, i)) == CHUNK_VERSION;
    return found;
}

// Waits: the server may be updated, and the spool keeps everything until then.
static void refused_as_too_new(struct delivery *delivery)
{
    uplink_refused(&delivery->uplink, ERR_TOO_NEW, false, 0, delivery_now_ms());
    delivery->options.events->trouble(
        delivery->options.arg, ERR_TOO_NEW,
        "the server is older than this runnel and cannot read what it records; update it");
}

static void heard_ready(struct delivery *delivery, json_t *root)
{
    struct run_file *run = delivery->options.run;
    const char *incarnation = json_string_value(json_object_get(root, "incarnation"));
    uint64_t epoch = (uint64_t)json_integer_value(json_object_get(root, "epoch"));
    struct uplink_stored stored;
    if (!incarnation || (int64_t)epoch <= 0 || !read_stored(root, &stored)) {
        delivery_breach(delivery, ERR_MALFORMED, "what it says as `ready` makes no sense");
        return;
    }
    if (!reads_our_chunks(json_object_get(root, "chunk_versions"))) {
        refused_as_too_new(delivery);
        return;
    }
    uplink_ready(&delivery->uplink, &stored, epoch, incarnation);
    if (delivery->uplink.state != UPLINK_STREAMING)
        return;
    delivery->behind = true; // what was sent and not acked is sent again, without waiting
    spool_acked(delivery->options.spool, delivery->uplink.acked);
    if (run->epoch != epoch || strcmp(run->incarnation, delivery->uplink.incarnation) != 0) {
        run->epoch = epoch;
        snprintf(run->incarnation, sizeof(run->incarnation), "%s", delivery->uplink.incarnation);
        delivery->options.events->changed(delivery->options.arg);
    }
    delivery->options.events->acked(delivery->options.arg);
}

static void heard_error(struct delivery *delivery, json_t *root)
{
    const char *code = json_string_value(json_object_get(root, "code"));
    const char *text = json_string_value(json_object_get(root, "error"));
    json_t *next = json_object_get(root, "next_sequence");
    bool has_next = json_is_integer(next) && json_integer_value(next) >= 0;
    int err = code ? error_from_word(code, strlen(code)) : ERR_INTERNAL;
    if (err == ERR_TOO_NEW) {
        refused_as_too_new(delivery);
        return;
    }
    delivery->behind = true;
    uplink_refused(&delivery->uplink, err, has_next, has_next ? (uint64_t)json_integer_value(next) : 0,
                   delivery_now_ms());
    if (delivery->uplink.state == UPLINK_OFFLINE)
        delivery->options.events->trouble(delivery->options.arg, err, text ? text : error_text(err));
}

static void heard_completed(struct delivery *delivery, json_t *root)
{
    struct uplink *uplink = &delivery->uplink;
    struct uplink_stored stored;
    // A message that does not say what is stored proves nothing.
    if (!read_stored(root, &stored))
        stored = (struct uplink_stored){0};
    uplink_completed(uplink, &stored, delivery_now_ms());
    if (uplink->state == UPLINK_OFFLINE)
        delivery->options.events->trouble(delivery->options.arg, ERR_UNPROVEN,
                                          "it says that the log is complete, and the job goes on");
}

static void heard_cancel(struct delivery *delivery, json_t *root)
{
    json_t *grace = json_object_get(root, "grace_seconds");
    double seconds = json_is_number(grace) ? json_number_value(grace) : CANCEL_GRACE_S;
    if (!(seconds >= 0))
        seconds = CANCEL_GRACE_S;
    seconds = MIN(seconds, (double)CANCEL_GRACE_S_MAX);
    const char *reason = json_string_value(json_object_get(root, "reason"));
    delivery->options.events->cancel(delivery->options.arg, reason, (uint64_t)(seconds * 1000));
}

void delivery_heard(struct delivery *delivery, json_t *root)
{
    const char *type = json_string_value(json_object_get(root, "type"));
    struct str word = str_of(type);
    if (str_eq(word, STR("ready"))) {
        heard_ready(delivery, root);
    } else if (str_eq(word, STR("ack"))) {
        json_t *number = json_object_get(root, "sequence_number");
        if (json_is_integer(number) && json_integer_value(number) >= 0)
            delivery_acked(delivery, (uint64_t)json_integer_value(number));
    } else if (str_eq(word, STR("error"))) {
        heard_error(delivery, root);
    } else if (str_eq(word, STR("cancel"))) {
        heard_cancel(delivery, root);
    } else if (str_eq(word, STR("completed"))) {
        heard_completed(delivery, root);
    } else if (!type) {
        delivery_breach(delivery, ERR_MALFORMED, "what it says is no message of a server of this kind");
    }
}
