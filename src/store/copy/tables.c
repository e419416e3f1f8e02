#include "store/copy/tables.h"

#include "util/error.h"

static const struct {
    const char *table;
    enum copy_class class;
    const char *why;
    bool told;
} named[] = {
    {"chunk_days", COPY_OWN, NULL, false},
    {"chunks", COPY_OWN, NULL, false},
    {"cold_chunks", COPY_OWN, NULL, false}, // what lies there is written to the copy
    {"cold_packs", COPY_OWN, NULL, false},
    {"hot", COPY_OWN, NULL, false},
    {"meta", COPY_OWN, NULL, false},
    {"schema_reader", COPY_OWN, NULL, false},
    {"schema_version", COPY_OWN, NULL, false},
    {"damaged", COPY_LEFT, "what could not be read when it was merged, and nothing reads", true},
    {"events", COPY_LEFT, "a server with `event_rows` makes it of what comes from now on", true},
    {"news", COPY_LEFT, "of servers that run", false},
    {"journals", COPY_LEFT, "of servers that run", false},
    {"writers", COPY_LEFT, "of servers that run", false},
    {"nodes", COPY_LEFT, "of servers that run", false},
    {"purging", COPY_LEFT, "the records that it is about are not copied", false},
    {"rosters", COPY_LEFT, "of servers that run", false},
    {"tallies", COPY_LEFT, "of servers that run", false},
    {"sql_roles", COPY_LEFT, "of the roles of one database", true},
    {"tickets", COPY_LEFT, "of streams that are open", false},
    {"unmerged", COPY_LEFT, "what is copied is merged", false},
};

// Columns of which something else is copied.
static const struct {
    const char *table, *column, *read;
} changed[] = {
    {"executions", "cold", "0"}, // all of it is in the copy, whose own mover moves it again
    {"leases", "node", "0"},     // nobody's: the first server that starts takes them over
};

enum copy_class copy_class_of(struct str table, const char **ret_why, bool *ret_told)
{
    *ret_why = NULL;
    *ret_told = false;
    for (size_t i = 0; i < ARRAY_LEN(named); i++) {
        if (!str_eq(table, str_of(named[i].table)))
            continue;
        *ret_why = named[i].why;
        *ret_told = named[i].told;
        return named[i].class;
    }
    return COPY_ROWS;
}

// --- Columns

void copy_table_release(struct copy_table *table)
{
    for (size_t i = 0; i < table->column_count; i++)
        free(table->columns[i].name);
    free(table->columns);
    free(table->name);
    *table = (struct copy_table){0};
}

static enum sql_type type_of(struct str text)
{
    static const struct {
        const char *text;
        enum sql_type type;
    } types[] = {{"INTEGER", SQL_INTEGER}, {"bigint", SQL_INTEGER}, {"TEXT", SQL_TEXT},
                 {"text", SQL_TEXT},       {"BLOB", SQL_BYTES},     {"bytea", SQL_BYTES}};
    for (size_t i = 0; i < ARRAY_LEN(types); i++)
        if (str_eq(text, str_of(types[i].text)))
            return types[i].type;
    return SQL_NONE;
}

static int load(struct copy_side *side, struct str name, struct copy_table *ret)
{
    CLEANUP(sql_statement_free) struct sql_statement *list = sql_prepare(side->sql, side->kind->columns);
    sql_bind_text(list, 1, name);
    *ret = (struct copy_table){.name = str_dup(name)};
    int rc;
    while ((rc = sql_row(list)) == 1) {
        ret->columns = xrealloc(ret->columns, (ret->column_count + 1) * sizeof(*ret->columns));
        ret->columns[ret->column_count++] =
            (struct copy_column){.name = sql_dup(list, 0), .type = type_of(sql_text(list, 1))};
        ret->key_count += sql_i64(list, 2) > 0;
    }
    return rc;
}

static bool alike(const struct copy_table *a, const struct copy_table *b)
{
    bool same = a->column_count == b->column_count && a->key_count == b->key_count && a->key_count > 0;
    for (size_t i = 0; i < a->column_count && same; i++)
        same = strcmp(a->columns[i].name, b->columns[i].name) == 0 && a->columns[i].type != SQL_NONE &&
               a->columns[i].type == b->columns[i].type;
    return same;
}

int copy_table_load(struct copy_side *from, struct copy_side *to, struct str name, struct copy_table *ret,
                    struct buf *ret_error)
{
    CLEANUP(copy_table_release) struct copy_table other = {0};
    int err = load(from, name, ret);
    if (err == 0)
        err = load(to, name, &other);
    if (err == 0 && !alike(ret, &other)) {
        buf_printf(ret_error, "the table %.*s is not the same in %s and %s", STR_ARGS(name), from->name, to->name);
        err = ERR_INTERNAL;
    }
    if (err < 0)
        copy_table_release(ret);
    return err;
}

static const char *changed_to(const char *table, const char *column)
{
    for (size_t i = 0; i < ARRAY_LEN(changed); i++)
        if (strcmp(table, changed[i].table) == 0 && strcmp(column, changed[i].column) == 0)
            return changed[i].read;
    return NULL;
}

void copy_table_names(const struct copy_table *table, size_t count, bool read, struct buf *out)
{
    for (size_t i = 0; i < count; i++) {
        const char *other = read ? changed_to(table->name, table->columns[i].name) : NULL;
        buf_printf(out, i > 0 ? ", " : "");
        if (other) // a number, of the type that the column has
            buf_printf(out, "CAST(%s AS {integer})", other);
        else
            buf_printf(out, "\"%s\"", table->columns[i].name);
    }
}

// --- Tables

int copy_tables_list(struct copy_side *side, enum copy_class wanted, char ***ret, size_t *ret_count)
{
    CLEANUP(sql_statement_free) struct sql_statement *list = sql_prepare(side->sql, side->kind->tables);
    char **found = NULL;
    size_t count = 0;
    int rc;
    while ((rc = sql_row(list)) == 1) {
        const char *why;
        bool told;
        if (copy_class_of(sql_text(list, 0), &why, &told) != wanted)
            continue;
        found = xrealloc(found, (count + 1) * sizeof(*found));
        found[count++] = sql_dup(list, 0);
    }
    if (rc < 0)
        copy_tables_free(&found, count);
    *ret = found;
    *ret_count = rc < 0 ? 0 : count;
    return rc;
}

void copy_tables_free(char ***tables, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free((*tables)[i]);
    free(TAKE_PTR(*tables));
}
