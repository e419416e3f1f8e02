// A place in a list is a row of the store. The number would tell how much other accounts do, so it is given out sealed:
// it is encrypted, with a key that differs for each tag, and is valid only for the account that got it. The same place
// always gives the same cursor. The text is lower-case hex: the tag, then the encrypted row.
#include "api/cursor.h"

#include "util/map.h"

#include <endian.h>

#define CURSOR_BYTES 16

struct sealing {
    uint64_t tag_key[2], row_key[2];
};

static void sealing_init(const struct api *api, struct sealing *ret)
{
    _Static_assert(sizeof(*ret) == STORE_SECRET_LEN, "the secret is the keys");
    memcpy(ret, store_secret(api->options.store), sizeof(*ret));
}

static uint64_t tag_of(const struct sealing *sealing, int64_t account, int64_t row)
{
    const uint64_t sealed[2] = {htole64((uint64_t)account), htole64((uint64_t)row)};
    return siphash(sealing->tag_key, sealed, sizeof(sealed));
}

static uint64_t mask_of(const struct sealing *sealing, uint64_t tag)
{
    uint64_t le = htole64(tag);
    return siphash(sealing->row_key, &le, sizeof(le));
}

void cursor_append(struct buf *out, const struct api *api, int64_t account, int64_t row)
{
    struct sealing sealing;
    char hex[2 * CURSOR_BYTES + 1];
    sealing_init(api, &sealing);
    uint64_t tag = tag_of(&sealing, account, row);
    const uint64_t parts[2] = {htole64(tag), htole64((uint64_t)row ^ mask_of(&sealing, tag))};
    hex_encode(parts, sizeof(parts), hex);
    buf_append_text(out, hex);
}

bool cursor_parse(const struct api *api, int64_t account, struct str cursor, int64_t *ret_row)
{
    struct sealing sealing;
    uint64_t parts[2];
    if (!hex_decode(cursor, parts, sizeof(parts)))
        return false;
    sealing_init(api, &sealing);
    uint64_t tag = le64toh(parts[0]);
    *ret_row = (int64_t)(le64toh(parts[1]) ^ mask_of(&sealing, tag));
    return tag_of(&sealing, account, *ret_row) == tag;
}

bool cursor_take(struct call *call, struct str cursor, int64_t *ret_row)
{
    *ret_row = 0;
    if (!cursor.data || cursor_parse(call->api, call->principal.account, cursor, ret_row))
        return true;
    call_fail(call, ERR_BAD_CURSOR, "parameter cursor: is not a cursor of this list");
    return false;
}

void add_next_cursor(struct json_writer *json, const struct call *call, int64_t row)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (row)
        cursor_append(&text, call->api, call->principal.account, row);
    json_add_text(json, "next_cursor", row ? buf_cstr(&text) : NULL);
}
