// Executions whose logs nobody ends. model/quiet.h has the rules.
#include "store/catalogue/catalogue.h"

static int found(struct store_quiet_look *look, const struct sql_statement *row)
{
    struct quiet_found *it = &look->ret_found[look->ret_count];
    struct outcome outcome = {.epoch = sql_u64(row, 3)};
    if (!status_parse(sql_text(row, 2), &outcome.status))
        return ERR_CORRUPT;
    *it = (struct quiet_found){
        .row = sql_i64(row, 0), .next = sql_u64(row, 1), .status = outcome.status, .quiet_ms = sql_u64(row, 4)};
    it->to_fetch = sql_i64(row, 5) != 0;
    it->account = sql_i64(row, 6);
    if (it->to_fetch)
        snprintf(it->execution_id, sizeof(it->execution_id), "%.*s", STR_ARGS(sql_text(row, 7)));
    look->ret_count += quiet_applies(&outcome);
    look->ret_last = it->row;
    return 0;
}

int catalogue_quiet_look(struct sql *sql, struct store_quiet_look *look)
{
    CLEANUP(sql_reset) struct sql_statement *rows = sql_statement(sql, CATALOGUE_EXECUTIONS_QUIET);
    size_t seen = 0;
    int rc = 0;
    sql_bind_i64(rows, 1, look->after);
    sql_bind_i64(rows, 2, STORE_QUIET_MAX);
    look->ret_count = 0;
    while (rc == 0 && (rc = sql_row(rows)) == 1) {
        rc = found(look, rows);
        seen++;
    }
    if (seen < STORE_QUIET_MAX)
        look->ret_last = 0;
    return rc;
}
