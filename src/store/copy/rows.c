#include "store/copy/rows.h"

#include "store/postgres/copy_rows.h"
#include "util/error.h"

#include <endian.h>

// The number of rows that are read at once begins small, and follows what they take.
#define LIMIT_LEAST  32
#define LIMIT_MOST   1024
#define BYTES_LITTLE ((size_t)256 * 1024)
#define BYTES_MUCH   ((size_t)2 * 1024 * 1024)

void copy_scan_release(struct copy_scan *scan)
{
    buf_release(&scan->last);
}

// --- Reading

static void encode(const struct copy_table *table, size_t count, const struct sql_statement *row, struct buf *out)
{
    copy_row(out, (uint16_t)count);
    for (size_t i = 0; i < count; i++) {
        int column = (int)i;
        enum sql_type type = table->columns[i].type;
        if (sql_null(row, column))
            copy_null(out);
        else if (type == SQL_INTEGER)
            copy_int8(out, sql_u64(row, column));
        else
            copy_bytes(out, type == SQL_TEXT ? sql_text(row, column) : sql_bytes(row, column));
    }
}

static void bind(struct sql_statement *statement, int index, enum sql_type type, struct str cell)
{
    if (type == SQL_INTEGER)
        sql_bind_i64(statement, index, copy_cell_number(cell));
    else if (type == SQL_TEXT)
        sql_bind_text(statement, index, cell);
    else
        sql_bind_bytes(statement, index, cell);
}

static struct sql_statement *statement_of(const struct copy_scan *scan)
{
    CLEANUP(buf_release) struct buf text = {0}, keys = {0};
    const struct copy_table *table = scan->table;
    copy_table_names(table, table->key_count, false, &keys);
    buf_append_text(&text, "SELECT ");
    copy_table_names(table, table->column_count, true, &text);
    buf_printf(&text, " FROM %s", table->name);
    for (size_t i = 0; i < table->key_count && scan->last.len > 0; i++) {
        if (i == 0)
            buf_printf(&text, " WHERE (%s) > (", buf_cstr(&keys));
        buf_printf(&text, "%s?%zu%s", i > 0 ? ", " : "", i + 1, i + 1 == table->key_count ? ")" : "");
    }
    buf_printf(&text, " ORDER BY %s LIMIT %zu", buf_cstr(&keys), scan->limit);
    return sql_prepare(scan->side->sql, buf_cstr(&text));
}

int copy_scan_next(struct copy_scan *scan, struct buf *rows, size_t *ret_count)
{
    const struct copy_table *table = scan->table;
    scan->limit = scan->limit > 0 ? scan->limit : LIMIT_LEAST;
    CLEANUP(sql_statement_free) struct sql_statement *next = statement_of(scan);
    CLEANUP(free_ptr) struct str *cells = xcalloc(table->column_count, sizeof(*cells));
    if (scan->last.len > 0)
        copy_row_cells(buf_str(&scan->last), cells);
    for (size_t i = 0; i < table->key_count && scan->last.len > 0; i++)
        bind(next, (int)i + 1, table->columns[i].type, cells[i]);
    buf_reset(rows);
    size_t count = 0, last = 0;
    int rc = 0;
    while (rows->len <= BYTES_MUCH && (rc = sql_row(next)) == 1) {
        last = rows->len;
        encode(table, table->column_count, next, rows);
        count++;
    }
    if (rc < 0)
        return rc;
    if (count > 0) {
        buf_reset(&scan->last);
        buf_append(&scan->last, rows->data + last, rows->len - last);
    }
    if (rows->len < BYTES_LITTLE)
        scan->limit = MIN(scan->limit * 2, (size_t)LIMIT_MOST);
    else if (rows->len > BYTES_MUCH)
        scan->limit = MAX(scan->limit / 4, (size_t)LIMIT_LEAST);
    *ret_count = count;
    return 0;
}

int copy_scan_behind(struct copy_scan *scan, struct copy_side *end)
{
    CLEANUP(buf_release) struct buf text = {0};
    const struct copy_table *table = scan->table;
    buf_append_text(&text, "SELECT ");
    copy_table_names(table, table->key_count, false, &text);
    buf_printf(&text, " FROM %s ORDER BY ", table->name);
    for (size_t i = 0; i < table->key_count; i++)
        buf_printf(&text, "%s\"%s\" DESC", i > 0 ? ", " : "", table->columns[i].name);
    buf_append_text(&text, " LIMIT 1");
    CLEANUP(sql_statement_free) struct sql_statement *last = sql_prepare(end->sql, buf_cstr(&text));
    int rc = sql_row(last);
    buf_reset(&scan->last);
    if (rc == 1)
        encode(table, table->key_count, last, &scan->last);
    return MIN(rc, 0);
}

// --- Taking apart

static uint32_t size_at(const char *at)
{
    uint32_t big;
    memcpy(&big, at, sizeof(big));
    return be32toh(big);
}

static uint16_t columns_at(const char *at)
{
    uint16_t big;
    memcpy(&big, at, sizeof(big));
    return be16toh(big);
}

// Returns what lies behind the cell.
static const char *cell_at(const char *at, struct str *ret)
{
    uint32_t size = size_at(at);
    at += sizeof(size);
    *ret = size == COPY_NULL ? (struct str){0} : str_n(at, size);
    return at + ret->len;
}

struct str copy_row_next(struct str *rows)
{
    const char *at = rows->data + sizeof(uint16_t);
    struct str cell;
    for (uint16_t i = columns_at(rows->data); i > 0; i--)
        at = cell_at(at, &cell);
    struct str row = str_n(rows->data, (size_t)(at - rows->data));
    *rows = str_n(at, rows->len - row.len);
    return row;
}

void copy_row_cells(struct str row, struct str *ret_cells)
{
    const char *at = row.data + sizeof(uint16_t);
    uint16_t count = columns_at(row.data);
    for (uint16_t i = 0; i < count; i++)
        at = cell_at(at, &ret_cells[i]);
}

int64_t copy_cell_number(struct str cell)
{
    uint64_t big = 0;
    memcpy(&big, cell.data, MIN(cell.len, sizeof(big)));
    return (int64_t)be64toh(big);
}

void copy_row_key(const struct copy_table *table, struct str row, struct buf *out)
{
    CLEANUP(free_ptr) struct str *cells = xcalloc(table->column_count, sizeof(*cells));
    copy_row_cells(row, cells);
    for (size_t i = 0; i < table->key_count; i++) {
        buf_append_text(out, i > 0 ? ", " : "(");
        if (table->columns[i].type == SQL_INTEGER)
            buf_append_i64(out, copy_cell_number(cells[i]));
        else if (table->columns[i].type == SQL_TEXT)
            buf_append_utf8(out, cells[i]);
        else
            buf_append_text(out, "…");
    }
    buf_append_byte(out, ')');
}
