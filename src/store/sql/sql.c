#include "store/sql/sql_private.h"
#include "store/sql/words.h"
#include "util/error.h"

// --- Words

static const struct {
    const char *word;
    const char *texts[SQL_ENGINES];
} words[] = {
#define SQL_WORD(word, sqlite, postgres) {#word, {[SQL_SQLITE] = (sqlite), [SQL_POSTGRES] = (postgres)}},
    SQL_WORDS(SQL_WORD)
#undef SQL_WORD
};

static const char *word_text(enum sql_engine engine, struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(words); i++)
        if (str_eq(word, str_of(words[i].word)))
            return words[i].texts[engine];
    return NULL;
}

void sql_expand(enum sql_engine engine, const char *text, struct buf *out)
{
    while (*text) {
        const char *end = *text == '{' ? strchr(text, '}') : NULL;
        const char *word = end ? word_text(engine, str_n(text + 1, (size_t)(end - text - 1))) : NULL;
        if (word) {
            buf_append_text(out, word);
            text = end + 1;
            continue;
        }
        buf_append_byte(out, engine == SQL_POSTGRES && *text == '?' ? '$' : *text);
        text++;
    }
}

static int parameters_of(const char *text)
{
    int highest = 0;
    for (text = strchr(text, '?'); text; text = strchr(text + 1, '?'))
        highest = MAX(highest, (int)strtol(text + 1, NULL, 10));
    return highest;
}

// --- Connections

void sql_init(struct sql *sql, const struct sql_vtable *vtable, struct sql_texts texts)
{
    *sql = (struct sql){
        .vtable = vtable, .texts = texts, .kept = xcalloc(texts.count + 1, sizeof(struct sql_statement *))};
}

// With the connection everything is forgotten by itself.
static void part_release(struct sql *sql, struct sql_part *part, bool forget)
{
    for (size_t i = 0; part->kept && i < sql->texts.count; i++) {
        if (forget && part->kept[i] && sql->vtable->forget)
            sql->vtable->forget(part->kept[i]);
        sql_statement_free(&part->kept[i]);
    }
    free(TAKE_PTR(part->kept));
    *part = (struct sql_part){0};
}

static void parts_release(struct sql *sql, bool forget)
{
    for (size_t i = 0; i < SQL_PARTS; i++)
        part_release(sql, &sql->parts[i], forget);
    sql->part_gone = false;
}

void sql_free(struct sql **sql)
{
    struct sql *gone = TAKE_PTR(*sql);
    if (!gone)
        return;
    parts_release(gone, false);
    for (size_t i = 0; i < gone->texts.count; i++)
        sql_statement_free(&gone->kept[i]);
    free(TAKE_PTR(gone->kept));
    gone->vtable->free(gone);
}

enum sql_engine sql_engine(const struct sql *sql)
{
    return sql->vtable->engine;
}

char *sql_reason(const struct sql *sql)
{
    return sql->vtable->reason(sql);
}

bool sql_is_fatal(int err)
{
    return err == ERR_STORE_FULL || err == ERR_UNAVAILABLE || err == ERR_NO_FILES || err == ERR_NOMEM ||
           err == ERR_CORRUPT || err == ERR_INTERNAL;
}

bool sql_again(const struct sql *sql)
{
    return sql->again;
}

int sql_outrun(struct sql *sql)
{
    sql->again = true;
    return ERR_UNAVAILABLE;
}

int sql_begin(struct sql *sql, enum sql_mode mode)
{
    sql->again = false;
    return sql->vtable->begin(
        sql, word_text(sql->vtable->engine, mode == SQL_WRITE ? STR("begin_write") : STR("begin_read")));
}

int sql_commit(struct sql *sql)
{
    return sql->vtable->commit(sql);
}

int sql_rollback(struct sql *sql)
{
    int err = sql->vtable->rollback(sql);
    if (sql->part_gone)
        parts_release(sql, true);
    return err;
}

int sql_exec(struct sql *sql, const char *text)
{
    CLEANUP(buf_release) struct buf expanded = {0};
    sql_expand(sql->vtable->engine, text, &expanded);
    return sql->vtable->exec(sql, buf_cstr(&expanded));
}

// --- Statements

static struct sql_statement *statement_make(struct sql *sql, const char *text, bool kept)
{
    CLEANUP(buf_release) struct buf expanded = {0};
    sql_expand(sql->vtable->engine, text, &expanded);
    struct sql_statement *statement = sql->vtable->prepare(sql, buf_cstr(&expanded), parameters_of(text), kept);
    if (statement)
        statement->sql = sql;
    return statement;
}

struct sql_statement *sql_statement(struct sql *sql, unsigned number)
{
    struct sql_statement **slot = &sql->kept[number];
    if (*slot)
        sql->vtable->reset(*slot);
    else
        *slot = statement_make(sql, sql->texts.items[number], true);
    return *slot;
}

static bool has_part(struct sql *sql, int64_t part)
{
    int64_t there = 0;
    CLEANUP(sql_statement_free) struct sql_statement *find = sql_prepare(sql, sql->texts.has_part);
    sql_bind_i64(find, 1, part);
    return sql_number(find, &there) == 0 && there != 0;
}

// NULL: it is not there.
static struct sql_part *part_find(struct sql *sql, int64_t part)
{
    struct sql_part *oldest = &sql->parts[0];
    for (size_t i = 0; i < SQL_PARTS; i++) {
        struct sql_part *at = &sql->parts[i];
        if (at->used > 0 && at->part == part)
            return at;
        if (at->used < oldest->used)
            oldest = at;
    }
    if (!has_part(sql, part))
        return NULL;
    part_release(sql, oldest, true);
    oldest->part = part;
    oldest->kept = xcalloc(sql->texts.count, sizeof(struct sql_statement *));
    return oldest;
}

static struct sql_statement *part_statement(struct sql *sql, const char *text, int64_t part)
{
    static const char mark[] = "{part}";
    CLEANUP(buf_release) struct buf named = {0};
    for (const char *at; (at = strstr(text, mark)); text = at + sizeof(mark) - 1)
        buf_printf(&named, "%.*s_%lld", (int)(at - text), text, (long long)part);
    buf_append_text(&named, text);
    return statement_make(sql, buf_cstr(&named), true);
}

struct sql_statement *sql_statement_of(struct sql *sql, unsigned number, int64_t part)
{
    struct sql_part *found = sql->texts.has_part ? part_find(sql, part) : NULL;
    if (!found)
        return sql_statement(sql, number);
    found->used = ++sql->part_uses;
    struct sql_statement **slot = &found->kept[number];
    if (*slot)
        sql->vtable->reset(*slot);
    else
        *slot = part_statement(sql, sql->texts.items[number], part);
    return *slot;
}

struct sql_statement *sql_prepare(struct sql *sql, const char *text)
{
    return statement_make(sql, text, false);
}

void sql_statement_free(struct sql_statement **statement)
{
    struct sql_statement *gone = TAKE_PTR(*statement);
    if (gone)
        gone->sql->vtable->statement_free(gone);
}

void sql_reset(struct sql_statement **statement)
{
    if (*statement)
        (*statement)->sql->vtable->reset(*statement);
}

static void bind(struct sql_statement *statement, int index, const struct sql_value *value)
{
    if (statement)
        statement->sql->vtable->bind(statement, index, value);
}

void sql_bind_i64(struct sql_statement *statement, int index, int64_t value)
{
    bind(statement, index, &(struct sql_value){.type = SQL_INTEGER, .number = value});
}

void sql_bind_u64(struct sql_statement *statement, int index, uint64_t value)
{
    sql_bind_i64(statement, index, (int64_t)value);
}

void sql_bind_text(struct sql_statement *statement, int index, struct str text)
{
    bind(statement, index, &(struct sql_value){.type = SQL_TEXT, .null = !text.data, .bytes = text});
}

void sql_bind_bytes(struct sql_statement *statement, int index, struct str bytes)
{
    bind(statement, index, &(struct sql_value){.type = SQL_BYTES, .null = !bytes.data, .bytes = bytes});
}

void sql_bind_null(struct sql_statement *statement, int index, enum sql_type type)
{
    bind(statement, index, &(struct sql_value){.type = type, .null = true});
}

int sql_row(struct sql_statement *statement)
{
    if (!statement)
        return ERR_UNAVAILABLE;
    int rc = statement->sql->vtable->step(statement);
    if (rc != 1)
        statement->sql->vtable->reset(statement);
    return rc;
}

int sql_run(struct sql_statement *statement, uint64_t *ret_changes)
{
    if (!statement)
        return ERR_UNAVAILABLE;
    const struct sql_vtable *vtable = statement->sql->vtable;
    int rc;
    do
        rc = vtable->step(statement);
    while (rc == 1);
    if (rc == 0 && ret_changes)
        *ret_changes = vtable->changes(statement);
    vtable->reset(statement);
    return rc;
}

int sql_number(struct sql_statement *statement, int64_t *ret)
{
    int rc = sql_row(statement);
    if (rc != 1)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    int64_t number = sql_i64(statement, 0);
    rc = sql_run(statement, NULL);
    if (rc == 0)
        *ret = number;
    return rc;
}

int sql_insert(struct sql_statement *statement, int64_t *ret_id)
{
    uint64_t changes = 0;
    if (!statement || !statement->sql->vtable->new_id)
        return sql_number(statement, ret_id);
    int err = sql_run(statement, &changes);
    if (err == 0 && changes > 0)
        *ret_id = statement->sql->vtable->new_id(statement);
    return err < 0 || changes > 0 ? err : ERR_NOT_FOUND;
}

// --- Columns

bool sql_null(const struct sql_statement *statement, int column)
{
    return statement->sql->vtable->null(statement, column);
}

int64_t sql_i64(const struct sql_statement *statement, int column)
{
    return statement->sql->vtable->number(statement, column);
}

uint64_t sql_u64(const struct sql_statement *statement, int column)
{
    return (uint64_t)sql_i64(statement, column);
}

struct str sql_text(const struct sql_statement *statement, int column)
{
    return statement->sql->vtable->bytes(statement, column, SQL_TEXT);
}

struct str sql_bytes(const struct sql_statement *statement, int column)
{
    return statement->sql->vtable->bytes(statement, column, SQL_BYTES);
}

char *sql_dup(const struct sql_statement *statement, int column)
{
    return sql_null(statement, column) ? NULL : str_dup(sql_text(statement, column));
}
