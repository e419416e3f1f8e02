// A place in a list is a row of the store. The number would tell how much other accounts do, so it is given out sealed:
// it is encrypted, with a key that differs for each tag, and is valid only for the account that got it. The same place
// always gives the same cursor. The text is lower-case hex: the tag, then the encrypted row; of executions that lie in
// several stores, a row for each.
#include "api/cursor.h"

#include "util/map.h"

#include <endian.h>

struct sealing {
    uint64_t tag_key[2], row_key[2];
};

static void sealing_init(const struct api *api, struct sealing *ret)
{
    _Static_assert(sizeof(*ret) == STORE_SECRET_LEN, "the secret is the keys");
    memcpy(ret, store_secret(api->options.store), sizeof(*ret));
}

// Of a place of one store: the account, and the row.
static uint64_t tag_of(const struct sealing *sealing, int64_t account, const struct list_place *place, size_t count)
{
    uint64_t sealed[1 + STORE_SHARDS_MAX] = {htole64((uint64_t)account)};
    for (size_t i = 0; i < count; i++)
        sealed[1 + i] = htole64((uint64_t)place->rows[i]);
    return siphash(sealing->tag_key, sealed, (1 + count) * sizeof(*sealed));
}

static uint64_t mask_of(const struct sealing *sealing, uint64_t tag, size_t at)
{
    uint64_t le = htole64(tag + at);
    return siphash(sealing->row_key, &le, sizeof(le));
}

void cursor_append_place(struct buf *out, const struct api *api, int64_t account, const struct list_place *place)
{
    struct sealing sealing;
    uint64_t parts[1 + STORE_SHARDS_MAX];
    char hex[2 * sizeof(parts) + 1];
    size_t count = STORE_SHARDS_MAX;
    while (count > 1 && place->rows[count - 1] == 0)
        count--;
    sealing_init(api, &sealing);
    uint64_t tag = tag_of(&sealing, account, place, count);
    parts[0] = htole64(tag);
    for (size_t i = 0; i < count; i++)
        parts[1 + i] = htole64((uint64_t)place->rows[i] ^ mask_of(&sealing, tag, i));
    hex_encode(parts, (1 + count) * sizeof(*parts), hex);
    buf_append_text(out, hex);
}

bool cursor_parse_place(const struct api *api, int64_t account, struct str cursor, struct list_place *ret)
{
    struct sealing sealing;
    uint64_t parts[1 + STORE_SHARDS_MAX];
    size_t count = cursor.len / (2 * sizeof(*parts)) - 1;
    *ret = (struct list_place){0};
    if (cursor.len < 4 * sizeof(*parts) || count > STORE_SHARDS_MAX ||
        !hex_decode(cursor, parts, (1 + count) * sizeof(*parts)))
        return false;
    sealing_init(api, &sealing);
    uint64_t tag = le64toh(parts[0]);
    for (size_t i = 0; i < count; i++)
        ret->rows[i] = (int64_t)(le64toh(parts[1 + i]) ^ mask_of(&sealing, tag, i));
    return tag_of(&sealing, account, ret, count) == tag;
}

void cursor_append(struct buf *out, const struct api *api, int64_t account, int64_t row)
{
    cursor_append_place(out, api, account, &(struct list_place){.rows = {row}});
}

bool cursor_parse(const struct api *api, int64_t account, struct str cursor, int64_t *ret_row)
{
    struct list_place place;
    bool good = cursor_parse_place(api, account, cursor, &place);
    *ret_row = place.rows[0];
    return good && memcmp(place.rows + 1, (struct list_place){0}.rows, sizeof(place) - sizeof(*ret_row)) == 0;
}

static bool is_good(struct call *call, bool good)
{
    if (!good)
        call_fail(call, ERR_BAD_CURSOR, "parameter cursor: is not a cursor of this list");
    return good;
}

bool cursor_take(struct call *call, struct str cursor, int64_t *ret_row)
{
    *ret_row = 0;
    return is_good(call, !cursor.data || cursor_parse(call->api, call->principal.account, cursor, ret_row));
}

bool cursor_take_place(struct call *call, struct str cursor, struct list_place *ret)
{
    *ret = (struct list_place){0};
    return is_good(call, !cursor.data || cursor_parse_place(call->api, call->principal.account, cursor, ret));
}

void add_next_place(struct json_writer *json, const struct call *call, const struct list_place *next)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (next->rows[0])
        cursor_append_place(&text, call->api, call->principal.account, next);
    json_add_text(json, "next_cursor", next->rows[0] ? buf_cstr(&text) : NULL);
}

void add_next_cursor(struct json_writer *json, const struct call *call, int64_t row)
{
    add_next_place(json, call, &(struct list_place){.rows = {row}});
}
