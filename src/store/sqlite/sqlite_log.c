#include "store/sqlite/sqlite_log.h"

#include "store/sqlite/sqlite_private.h"
#include "store/sqlite/write/appended.h"

static bool ahead(const struct session *session, int64_t row, struct log_state *ret)
{
    return hot_state(&sqlite_store_of(&session->engine->base)->hot, row, ret);
}

static int producer(const struct session *session, int64_t row, struct str name, struct producer_state *ret)
{
    if (hot_producer_state(&sqlite_store_of(&session->engine->base)->hot, row, name, ret))
        return 0;
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(session->connection, STATEMENT_PRODUCER_FIND);
    db_bind_i64(find, 1, row);
    db_bind_text(find, 2, name);
    int rc = db_row(find);
    *ret = (struct producer_state){0};
    if (rc == 1) {
        ret->sequence = (struct sequence_producer){
            .next = db_column_u64(find, 0),
            .last_hash = db_column_u64(find, 1),
            .digest = db_column_u64(find, 4),
            .digest_unknown = db_column_null(find, 4),
        };
        ret->last_counter = db_column_u64(find, 2);
        ret->last_sequence = db_column_u64(find, 3);
    }
    return MIN(rc, 0);
}

const struct log_engine sqlite_log = {
    .ahead = ahead,
    .producer = producer,
    .read = log_read,
    .front = log_front,
    .backup = log_backup,
    .append = appended_add,
    .cut = log_cut,
    .purge = log_purge,
};
