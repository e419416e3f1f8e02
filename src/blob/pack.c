#include "blob/pack.h"

#include "net/digest.h"
#include "util/clock.h"
#include "util/error.h"
#include "util/id.h"

#define MAGIC     "RNLPACK1"
#define BYTES_MAX 99999999u // OFFSET and LEN have eight digits

static uint32_t u32_at(const char *data)
{
    const uint8_t *bytes = (const uint8_t *)data;
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

// --- Where one lies

void blob_pack_key(const char *pack, const struct blob_pack_place *place, char ret_key[BLOB_KEY_MAX + 1])
{
    snprintf(ret_key, BLOB_KEY_MAX + 1, "%s.%04u.%08llu.%08llu", pack, place->index, (unsigned long long)place->offset,
             (unsigned long long)place->len);
}

bool blob_pack_place(struct str key, struct blob_pack_place *ret)
{
    uint64_t index, offset, len;
    struct str rest = key;
    str_split(&rest, '/');
    if (!str_eq(str_split(&rest, '/'), STR(BLOB_PACK_FOLDER)))
        return false;
    struct str id = str_split(&rest, '.');
    bool good = str_to_u64(str_split(&rest, '.'), &index) && str_to_u64(str_split(&rest, '.'), &offset) &&
                str_to_u64(rest, &len) && index < BLOB_PACK_COUNT_MAX && offset <= BYTES_MAX && len <= BYTES_MAX;
    if (good)
        *ret = (struct blob_pack_place){.pack = str_n(key.data, (size_t)(id.data + id.len - key.data)),
                                        .index = (unsigned)index,
                                        .offset = offset,
                                        .len = len};
    return good;
}

bool blob_pack_head_read(const char *head, unsigned *ret_count)
{
    *ret_count = u32_at(head + strlen(MAGIC));
    return memcmp(head, MAGIC, strlen(MAGIC)) == 0 && *ret_count <= BLOB_PACK_COUNT_MAX;
}

struct blob_pack_entry blob_pack_entry_read(const char *entry)
{
    return (struct blob_pack_entry){u32_at(entry) == 1, u32_at(entry + 4), u32_at(entry + 8)};
}

// --- A new one

int blob_pack_check(struct blob_keep *it, size_t *ret_count, uint64_t *ret_bytes)
{
    *ret_count = *ret_bytes = 0;
    for (size_t i = 0; i < it->count; i++) {
        struct blob_content *content = &it->contents[i];
        uint8_t hash[BLOB_HASH_LEN];
        sha256(content->bytes.data, content->bytes.len, hash);
        content->ret_key[0] = 0;
        it->ret_wrong = i;
        if (memcmp(hash, content->hash, BLOB_HASH_LEN) != 0)
            return ERR_DIGEST;
        *ret_count += !content->known;
        *ret_bytes += content->known ? 0 : content->bytes.len;
    }
    bool fits = *ret_count <= BLOB_PACK_COUNT_MAX &&
                *ret_bytes <= BYTES_MAX - BLOB_PACK_HEAD - BLOB_PACK_COUNT_MAX * BLOB_PACK_ENTRY;
    return fits ? 0 : ERR_TOO_LARGE;
}

void blob_pack_new_key(int64_t account, char ret_key[BLOB_KEY_MAX + 1])
{
    char id[ID_SORTABLE_LEN + 1];
    id_sortable(clock_real_ms(), id);
    snprintf(ret_key, BLOB_KEY_MAX + 1, "%lld/" BLOB_PACK_FOLDER "/%s", (long long)account, id);
}

void blob_pack_index_write(struct blob_keep *it, const char *pack, size_t count, struct buf *out)
{
    struct blob_pack_place place = {.offset = BLOB_PACK_HEAD + count * BLOB_PACK_ENTRY};
    buf_append_text(out, MAGIC);
    buf_append_le32(out, (uint32_t)count);
    buf_append_le32(out, 0);
    for (size_t i = 0; i < it->count; i++) {
        struct blob_content *content = &it->contents[i];
        if (content->known)
            continue;
        place.len = content->bytes.len;
        blob_pack_key(pack, &place, content->ret_key);
        buf_append_le32(out, 1);
        buf_append_le32(out, (uint32_t)place.offset);
        buf_append_le32(out, (uint32_t)place.len);
        place.offset += place.len;
        place.index++;
    }
}
