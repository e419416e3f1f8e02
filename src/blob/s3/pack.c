// Packs as objects. They never change: which of their contents were removed stands in an object beside them. Two
// servers that write it at the same time may lose a mark; then the sweep finds that content once more.
#include "blob/s3/s3_private.h"
#include "util/clock.h"
#include "util/error.h"

#define KNOWN_MS 10000 // so long a pack is not read again

static char *content_of(struct str pack)
{
    return xasprintf("content/%.*s", STR_ARGS(pack));
}

static char *gone_of(struct str pack)
{
    return xasprintf("gone/%.*s", STR_ARGS(pack));
}

static int load_gone(struct blob_s3 *s3, struct blob_op *op, struct str pack, struct s3_pack *ret)
{
    CLEANUP(free_ptr) char *key = gone_of(pack);
    CLEANUP(buf_release) struct buf bits = {0};
    int err = s3_get(s3, op, key, 0, sizeof(ret->gone), &bits, NULL);
    if (err == ERR_NOT_FOUND)
        return 0;
    if (err == 0 && bits.len > 0)
        memcpy(ret->gone, bits.data, MIN(bits.len, sizeof(ret->gone)));
    return err;
}

static bool is_gone(const struct s3_pack *pack, unsigned index)
{
    return pack->gone[index / 8] >> (index % 8) & 1;
}

static int load(struct blob_s3 *s3, struct blob_op *op, struct str pack, struct s3_pack *ret)
{
    CLEANUP(free_ptr) char *key = content_of(pack);
    size_t most = BLOB_PACK_HEAD + BLOB_PACK_COUNT_MAX * BLOB_PACK_ENTRY;
    *ret = (struct s3_pack){0};
    int err = s3_get(s3, op, key, 0, most, &ret->index, NULL);
    if (err)
        return err;
    bool whole = ret->index.len >= BLOB_PACK_HEAD && blob_pack_head_read(ret->index.data, &ret->count) &&
                 ret->index.len >= BLOB_PACK_HEAD + ret->count * BLOB_PACK_ENTRY;
    if (!whole)
        ret->count = 0;
    return load_gone(s3, op, pack, ret);
}

bool s3_pack_entry(const struct s3_pack *pack, unsigned index, struct blob_pack_entry *ret)
{
    if (index >= pack->count)
        return false;
    *ret = blob_pack_entry_read(pack->index.data + BLOB_PACK_HEAD + index * BLOB_PACK_ENTRY);
    return ret->live && !is_gone(pack, index);
}

// --- A content

int s3_pack_read(struct blob_s3 *s3, const struct blob_pack_place *place, struct blob_read *it)
{
    CLEANUP(free_ptr) char *key = content_of(place->pack);
    CLEANUP(free_ptr) struct s3_pack *pack = xcalloc(1, sizeof(*pack));
    CLEANUP(buf_release) struct buf data = {0};
    uint64_t at = MIN(it->at, place->len);
    size_t len = (size_t)MIN((uint64_t)it->len, place->len - at);
    int err = load_gone(s3, &it->op, place->pack, pack);
    if (err == 0 && is_gone(pack, place->index))
        return ERR_NOT_FOUND;
    if (err == 0)
        err = s3_get(s3, &it->op, key, place->offset + at, len, &data, NULL);
    if (err)
        return err;
    it->ret_len = MIN(data.len, len);
    if (it->ret_len > 0)
        memcpy(it->data, data.data, it->ret_len);
    return 0;
}

static bool any_left(const struct s3_pack *pack)
{
    struct blob_pack_entry entry;
    bool any = false;
    for (unsigned i = 0; i < pack->count && !any; i++)
        any = s3_pack_entry(pack, i, &entry);
    return any;
}

// The marks first: without them the pack is listed as a whole once more, and they would be left behind.
static int remove_pack(struct blob_s3 *s3, struct blob_op *op, struct str name)
{
    CLEANUP(free_ptr) char *key = content_of(name);
    CLEANUP(free_ptr) char *gone = gone_of(name);
    int err = s3_delete(s3, op, gone);
    return err ? err : s3_delete(s3, op, key);
}

// Who looks at one of a pack mostly looks at the others next. Marks that another server has set meanwhile are lost, as
// above.
int s3_pack_known(struct blob_s3 *s3, struct blob_op *op, struct str name, struct s3_pack **ret)
{
    struct s3_known_pack *known = &s3->known;
    *ret = &known->pack;
    if (str_eq(str_of(known->name), name) && clock_mono_ms() < known->until_ms)
        return 0;
    known->name[0] = 0;
    buf_release(&known->pack.index);
    int err = load(s3, op, name, &known->pack);
    if (err == 0 && name.len < sizeof(known->name)) {
        snprintf(known->name, sizeof(known->name), "%.*s", STR_ARGS(name));
        known->until_ms = clock_mono_ms() + KNOWN_MS;
    }
    return err;
}

static int mark_gone(struct blob_s3 *s3, struct blob_op *op, const struct blob_pack_place *place)
{
    struct s3_pack *pack;
    struct blob_pack_entry entry;
    int err = s3_pack_known(s3, op, place->pack, &pack);
    if (err)
        return err == ERR_NOT_FOUND ? 0 : err;
    if (!s3_pack_entry(pack, place->index, &entry) || entry.offset != place->offset || entry.len != place->len)
        return 0;
    pack->gone[place->index / 8] |= (uint8_t)(1 << place->index % 8);
    bool last = !any_left(pack);
    CLEANUP(free_ptr) char *gone = gone_of(place->pack);
    err = last ? remove_pack(s3, op, place->pack)
               : s3_put(s3, op, gone, str_n((const char *)pack->gone, pack->count / 8 + 1));
    if (last || err)
        s3->known.name[0] = 0;
    return err;
}

int s3_pack_remove(struct blob_s3 *s3, struct blob_op *op, const struct blob_pack_place *place)
{
    pthread_mutex_lock(&s3->packs);
    int err = mark_gone(s3, op, place);
    pthread_mutex_unlock(&s3->packs);
    return err;
}

// --- A new one

static int put_pack(struct blob_s3 *s3, struct blob_keep *it, size_t count)
{
    CLEANUP(buf_release) struct buf body = {0};
    char pack[BLOB_KEY_MAX + 1];
    blob_pack_new_key(it->op.account, pack);
    blob_pack_index_write(it, pack, count, &body);
    for (size_t i = 0; i < it->count; i++)
        if (!it->contents[i].known)
            buf_append_str(&body, it->contents[i].bytes);
    CLEANUP(free_ptr) char *key = content_of(str_of(pack));
    return s3_put(s3, &it->op, key, buf_str(&body));
}

int blob_s3_keep(struct blob_store *store, struct blob_keep *it)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    size_t count;
    uint64_t bytes;
    int err = blob_pack_check(it, &count, &bytes);
    if (err < 0 || count == 0)
        return err;
    bytes += BLOB_PACK_HEAD + count * BLOB_PACK_ENTRY;
    err = s3_hold(s3, &it->op, bytes);
    if (err)
        return err;
    err = put_pack(s3, it, count);
    s3_let_go(s3, bytes);
    return err;
}
