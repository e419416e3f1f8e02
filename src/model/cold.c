#include "model/cold.h"

#include "util/clock.h"
#include "util/id.h"

#include <endian.h>
#include <inttypes.h>
#include <time.h>
#include <xxhash.h>

#define MAGIC "RNLCOLD1"

uint64_t cold_checksum(struct str bytes)
{
    return XXH3_64bits(bytes.data ? bytes.data : "", bytes.len);
}

void cold_object_name(int64_t sealed_ms, int64_t now_ms, char ret[COLD_OBJECT_MAX + 1])
{
    char id[ID_SORTABLE_LEN + 1];
    time_t seconds = (time_t)(sealed_ms / 1000);
    struct tm day;
    gmtime_r(&seconds, &day);
    id_sortable(now_ms, id);
    snprintf(ret, COLD_OBJECT_MAX + 1, "v1/0/%04d%02d%02d/%s.pack", day.tm_year + 1900, day.tm_mon + 1, day.tm_mday,
             id);
}

void cold_pack_release(struct cold_pack *pack)
{
    buf_release(&pack->bytes);
    buf_release(&pack->manifest);
    *pack = (struct cold_pack){0};
}

struct cold_place cold_pack_add(struct cold_pack *pack, struct str execution_id, uint64_t first, uint32_t count,
                                struct str body)
{
    struct cold_place place = {pack->bytes.len, (uint32_t)body.len, cold_checksum(body)};
    buf_append_str(&pack->bytes, body);
    buf_printf(&pack->manifest, "%.*s %" PRIu64 " %" PRIu32 " %" PRIu64 " %" PRIu32 " %016" PRIx64 "\n",
               STR_ARGS(execution_id), first, count, place.at, place.len, place.checksum);
    pack->count++;
    return place;
}

void cold_pack_finish(struct cold_pack *pack)
{
    uint64_t numbers[] = {htole64(pack->bytes.len), htole64(pack->manifest.len),
                          htole64(cold_checksum(buf_str(&pack->manifest)))};
    buf_append_str(&pack->bytes, buf_str(&pack->manifest));
    buf_append(&pack->bytes, MAGIC, sizeof(MAGIC) - 1);
    buf_append(&pack->bytes, numbers, sizeof(numbers));
}
