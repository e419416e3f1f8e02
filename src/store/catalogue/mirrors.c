// Logs that are copied elsewhere, and where they are found there.
#include "store/catalogue/jobs.h"

#define SLICE 500 // executions that one slice of entering looks at

int catalogue_mirror_add(struct sql *sql, int64_t row, int64_t now_ms)
{
    return run_with(sql, CATALOGUE_MIRROR_ADD, row, now_ms);
}

// --- Entering

static int enter(struct sql *sql, struct store_mirror_enter *it, const struct sql_statement *found)
{
    int64_t row = sql_i64(found, 0), created_ms = sql_i64(found, 1);
    bool wanted = sql_i64(found, 3) == 0 && (it->of_account == 0 || sql_i64(found, 2) == it->of_account) &&
                  created_ms >= it->since_ms && (it->until_ms == 0 || created_ms < it->until_ms);
    if (!wanted)
        return 0;
    it->ret_entered++;
    if (it->missing)
        return catalogue_mirror_add(sql, row, created_ms);
    int err = run_of(sql, CATALOGUE_MIRROR_PLACES_DELETE, row);
    return err < 0 ? err : run_with(sql, CATALOGUE_MIRROR_RESET, row, created_ms);
}

int catalogue_mirror_enter(struct sql *sql, struct store_mirror_enter *it)
{
    CLEANUP(sql_reset)
    struct sql_statement *rows =
        sql_statement(sql, it->missing ? CATALOGUE_MIRROR_MAY_ENTER_OPEN : CATALOGUE_MIRROR_MAY_ENTER);
    size_t limit = it->row ? 1 : SLICE, seen = 0;
    int64_t last = 0;
    int rc = 0;
    sql_bind_i64(rows, 1, it->row ? it->row - 1 : it->after);
    sql_bind_i64(rows, 2, (int64_t)limit);
    it->ret_entered = 0;
    while (rc == 0 && seen < limit && (rc = sql_row(rows)) == 1) {
        last = sql_i64(rows, 0);
        seen++;
        rc = it->row && last != it->row ? ERR_NOT_FOUND : enter(sql, it, rows);
    }
    it->ret_last = seen == limit && !it->row ? last : 0;
    return MIN(rc, 0);
}

// --- Steps

static int place_write(struct sql *sql, enum catalogue_statement id, int64_t row, struct str node,
                       const struct mirror_place *place, uint64_t *ret_changes)
{
    struct sql_statement *write = sql_statement(sql, id);
    sql_bind_i64(write, 1, row);
    sql_bind_text(write, 2, node);
    sql_bind_i64(write, 3, place->labels);
    sql_bind_i64(write, 4, place->from_ms);
    sql_bind_i64(write, 5, place->until_ms);
    sql_bind_u64(write, 6, place->lines);
    return sql_run(write, ret_changes);
}

static int place_put(struct sql *sql, int64_t row, struct str node, const struct mirror_place *place)
{
    uint64_t changes = 0;
    int64_t count = 0;
    int err = place_write(sql, CATALOGUE_MIRROR_PLACE_ADD, row, node, place, &changes);
    if (err < 0 || changes > 0)
        return err;
    err = number_of(sql, CATALOGUE_MIRROR_PLACE_COUNT, row, &count);
    if (err < 0)
        return err;
    if (count >= STORE_MIRROR_PLACES_MAX && node.len > 0)
        return place_put(sql, row, STR(""), place);
    return place_write(sql, CATALOGUE_MIRROR_PLACE_INSERT, row, node, place, NULL);
}

static int step(struct sql *sql, const struct mirror_step *step)
{
    uint64_t changes = 0;
    struct sql_statement *set = sql_statement(sql, CATALOGUE_MIRROR_STEP);
    sql_bind_i64(set, 1, step->row);
    sql_bind_u64(set, 2, step->from);
    sql_bind_u64(set, 3, step->to);
    sql_bind_i64(set, 4, step->time_ms);
    sql_bind_i64(set, 5, !step->ends);
    int err = sql_run(set, &changes);
    for (size_t i = 0; i < step->place_count && changes > 0 && err == 0; i++)
        err = place_put(sql, step->row, str_of(step->places[i].node), &step->places[i]);
    return err;
}

int catalogue_mirror_advance(struct sql *sql, const struct store_mirror_advance *advance)
{
    int err = 0;
    for (size_t i = 0; i < advance->count && err == 0; i++)
        err = step(sql, &advance->steps[i]);
    return err;
}

// --- Looking

static void copy_text(const struct sql_statement *row, int column, char *out, size_t size)
{
    snprintf(out, size, "%.*s", STR_ARGS(sql_text(row, column)));
}

int catalogue_mirror_look(struct sql *sql, struct store_mirror_look *look)
{
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(sql, CATALOGUE_MIRRORS_LOOK);
    int rc = 0;
    sql_bind_i64(rows, 1, look->cursor.time_ms);
    sql_bind_i64(rows, 2, look->cursor.row);
    sql_bind_i64(rows, 3, STORE_MIRROR_MAX);
    look->ret_count = 0;
    while (look->ret_count < STORE_MIRROR_MAX && (rc = sql_row(rows)) == 1) {
        struct mirror_found *found = &look->ret_found[look->ret_count++];
        *found = (struct mirror_found){
            .row = sql_i64(rows, 0),
            .copied = sql_u64(rows, 1),
            .time_ms = sql_i64(rows, 2),
            .next = sql_u64(rows, 3),
            .sealed = sql_i64(rows, 4) != 0,
            .account = sql_i64(rows, 5),
        };
        copy_text(rows, 6, found->execution_id, sizeof(found->execution_id));
        copy_text(rows, 7, found->account_name, sizeof(found->account_name));
        look->cursor = (struct mirror_cursor){found->time_ms, found->row};
    }
    look->ret_over = look->ret_count < STORE_MIRROR_MAX;
    return MIN(rc, 0);
}

static int state_get(struct sql *sql, struct store_mirror_places *query)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_MIRROR_GET);
    sql_bind_i64(find, 1, query->row);
    int rc = sql_row(find);
    query->ret_known = rc == 1;
    if (rc == 1) {
        query->ret_copied = sql_u64(find, 0);
        query->ret_pending = sql_i64(find, 1) != 0;
        copy_text(find, 2, query->ret_account_name, sizeof(query->ret_account_name));
    }
    return MIN(rc, 0);
}

int catalogue_mirror_places(struct sql *sql, struct store_mirror_places *query)
{
    size_t room = 0;
    int rc = state_get(sql, query);
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(sql, CATALOGUE_MIRROR_PLACES);
    sql_bind_i64(rows, 1, query->row);
    sql_bind_i64(rows, 2, STORE_MIRROR_PLACES_MAX + 1);
    while (rc == 0 && (rc = sql_row(rows)) == 1) {
        if (query->ret_count == room) {
            room = MAX(2 * room, 8u);
            query->ret_places = xrealloc(query->ret_places, room * sizeof(*query->ret_places));
        }
        struct mirror_place *place = &query->ret_places[query->ret_count++];
        *place = (struct mirror_place){
            .labels = (int)sql_i64(rows, 1),
            .from_ms = sql_i64(rows, 2),
            .until_ms = sql_i64(rows, 3),
            .lines = sql_u64(rows, 4),
        };
        copy_text(rows, 0, place->node, sizeof(place->node));
        rc = 0;
    }
    return MIN(rc, 0);
}
