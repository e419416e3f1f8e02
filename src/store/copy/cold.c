#include "store/copy/cold.h"

#include "util/error.h"

struct place {
    char object[COLD_OBJECT_MAX + 1];
    struct cold_place body;
    uint64_t end; // of what lies behind it and is wanted next, in the same object
};

void copy_cold_release(struct copy_cold *cold)
{
    buf_release(&cold->range);
}

static struct cold_place place_of(const struct sql_statement *row)
{
    return (struct cold_place){sql_u64(row, 1), (uint32_t)sql_u64(row, 2), sql_u64(row, 3)};
}

// Bodies lie in a pack as they lie in the log, unless a pack was written anew.
static void look_ahead(struct sql_statement *places, struct place *ret)
{
    while (sql_row(places) == 1 && str_eq(sql_text(places, 4), str_of(ret->object))) {
        struct cold_place next = place_of(places);
        if (next.at != ret->end || next.at + next.len - ret->body.at > COPY_AHEAD)
            return;
        ret->end = next.at + next.len;
    }
}

static int find(const struct copy_reading *from, int64_t row, uint64_t first, struct place *ret)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *places =
        sql_prepare(from->side->sql, "SELECT c.first, c.place, c.length, c.checksum, p.object FROM cold_chunks c "
                                     "JOIN cold_packs p ON p.id = c.pack WHERE c.execution = ?1 AND c.first >= ?2 "
                                     "ORDER BY c.first LIMIT 256");
    sql_bind_i64(places, 1, row);
    sql_bind_u64(places, 2, first);
    int rc = sql_row(places);
    if (rc <= 0 || sql_u64(places, 0) != first)
        return rc < 0 ? rc : ERR_CORRUPT; // a chunk without a body
    snprintf(ret->object, sizeof(ret->object), "%.*s", STR_ARGS(sql_text(places, 4)));
    ret->body = place_of(places);
    ret->end = ret->body.at + ret->body.len;
    look_ahead(places, ret);
    return 0;
}

static bool has(const struct copy_cold *cold, const struct place *place)
{
    return strcmp(cold->object, place->object) == 0 && place->body.at >= cold->at &&
           place->body.at + place->body.len <= cold->at + cold->range.len;
}

static int fetch(const struct copy_reading *from, const struct place *place)
{
    struct copy_cold *cold = from->cold;
    char reason[COPY_REASON_MAX + 1] = "";
    cold->object[0] = '\0';
    int err = from->objects->read(from->objects->arg, place->object, place->body.at,
                                  (size_t)(place->end - place->body.at), &cold->range, reason);
    if (err == ERR_NOT_FOUND)
        return ERR_CORRUPT;
    if (err < 0) {
        buf_printf(cold->error, "%s of %s cannot be read: %s. The same command goes on with the copy once it can be",
                   place->object, from->side->name, reason[0] ? reason : error_text(err));
        return ERR_UNAVAILABLE;
    }
    snprintf(cold->object, sizeof(cold->object), "%s", place->object);
    cold->at = place->body.at;
    return 0;
}

int copy_chunk(const struct copy_reading *from, int64_t row, uint64_t at, struct chunk **ret)
{
    struct place place;
    int rc = from->side->kind->chunk(from->side, row, at, ret);
    if (rc != ERR_COLD || !from->objects)
        return rc == ERR_COLD ? ERR_CORRUPT : rc;
    int err = find(from, row, at, &place);
    if (err == 0 && !has(from->cold, &place))
        err = fetch(from, &place);
    if (err < 0)
        return err;
    if (!has(from->cold, &place))
        return ERR_CORRUPT; // the object is shorter
    struct str body = str_n(from->cold->range.data + (place.body.at - from->cold->at), place.body.len);
    if (cold_checksum(body) != place.body.checksum)
        return ERR_CORRUPT;
    err = chunk_decode_stored(body.data, body.len, ret);
    return err < 0 ? err : 1;
}
