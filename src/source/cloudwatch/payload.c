#include "http/content_coding.h"
#include "model/foreign_json.h"
#include "source/cloudwatch/event.h"
#include "util/base64.h"
#include "util/json_shape.h"

#define STEP ((size_t)1024 * 1024)

static int read_event(struct cloudwatch *it, const json_t *envelope, const json_t *event,
                      const struct arrival_reader *reader)
{
    const struct cloudwatch_event view = {
        .group = cloudwatch_text(json_object_get(envelope, "logGroup")),
        .stream = cloudwatch_text(json_object_get(envelope, "logStream")),
        .id = cloudwatch_text(json_object_get(event, "id")),
        .time = json_object_get(event, "timestamp"),
        .message = json_object_get(event, "message"),
        .fields = json_object_get(event, "extractedFields"),
    };
    return cloudwatch_event_read(it, &view, reader);
}

static int read_envelope(struct cloudwatch *it, const json_t *envelope, const struct arrival_reader *reader)
{
    struct str type = cloudwatch_text(json_object_get(envelope, "messageType"));
    const json_t *events = json_object_get(envelope, "logEvents"), *event;
    int err = 0;
    size_t i;
    if (str_eq(type, STR("CONTROL_MESSAGE")))
        return 0;
    if (!str_eq(type, STR("DATA_MESSAGE")) || !json_is_array(events))
        return ERR_MALFORMED;
    json_array_foreach(events, i, event)
    {
        if (err == 0)
            err = read_event(it, envelope, event, reader);
    }
    return err;
}

// --- Payloads

static bool is_packed(struct str data)
{
    return data.len >= 2 && (uint8_t)data.data[0] == 0x1f && (uint8_t)data.data[1] == 0x8b;
}

static int unpack(struct cloudwatch *it, struct str in, size_t room)
{
    struct http_decoder *decoder = http_decoder_new(CODING_GZIP);
    int result = DECODER_MORE;
    while (result == DECODER_MORE && it->plain.len < room)
        result = http_decoder_step(decoder, &in, MIN(STEP, room - it->plain.len), &it->plain);
    if (result == 0 && !http_decoder_ended(decoder))
        result = ERR_MALFORMED;
    http_decoder_free(&decoder);
    return result == DECODER_MORE ? ERR_TOO_LARGE : result;
}

static int decode(struct cloudwatch *it, struct str base64, size_t *room)
{
    size_t len = base64.len;
    buf_reset(&it->packed);
    buf_reset(&it->plain);
    buf_reserve(&it->packed, len + 1);
    if (!base64_decode(base64, (uint8_t *)it->packed.data, &len))
        return ERR_MALFORMED;
    it->packed.len = len;
    int err = 0;
    if (is_packed(buf_str(&it->packed)))
        err = unpack(it, buf_str(&it->packed), *room);
    else if (len > *room)
        err = ERR_TOO_LARGE;
    else
        buf_append_str(&it->plain, buf_str(&it->packed));
    if (err == 0)
        *room -= it->plain.len;
    return err;
}

static int read_plain(struct cloudwatch *it, struct str rest, const struct arrival_reader *reader)
{
    CLEANUP(buf_release) struct buf mended = {0};
    int err = 0;
    if (!json_shape_within(rest, ARRIVALS_DEPTH_MAX, ARRIVALS_VALUES_MAX))
        return ERR_TOO_LARGE;
    rest = foreign_json_mend(rest, &mended);
    for (rest = str_trim(rest); rest.len && err == 0; rest = str_trim(rest)) {
        json_error_t error;
        json_t *envelope = json_loadb(rest.data, rest.len, JSON_DISABLE_EOF_CHECK | JSON_ALLOW_NUL, &error);
        if (!envelope)
            return ERR_MALFORMED;
        err = read_envelope(it, envelope, reader);
        json_decref(envelope);
        rest = str_n(rest.data + error.position, rest.len - (size_t)error.position);
    }
    return err;
}

int cloudwatch_read(struct cloudwatch *it, struct str base64, size_t *room, const struct arrival_reader *reader,
                    const char **ret_reason)
{
    int err = decode(it, base64, room);
    if (err == 0)
        err = read_plain(it, buf_str(&it->plain), reader);
    *ret_reason = err == ERR_MALFORMED ? "a record holds no payload of CloudWatch Logs, in base64 and packed by gzip"
                  : it->spent > ARRIVALS_BYTES_MAX ? ARRIVALS_TOO_LARGE
                  : err == ERR_TOO_LARGE ? "the payloads are larger than 64 MiB unpacked, or have more than 1,000,000 "
                                           "values; let Firehose buffer less"
                                         : NULL;
    return err;
}
