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

void sql_free(struct sql **sql)
{
    struct sql *gone = TAKE_PTR(*sql);
    if (!gone)
        return;
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
    return sql->vtable->rollback(sql);
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
