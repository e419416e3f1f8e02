// What sql.c and the drivers share.
#pragma once

#include "store/sql/sql.h"

struct sql_value {
    enum sql_type type;
    bool null;
    int64_t number;
    struct str bytes; // for text and bytes
};

struct sql_vtable {
    enum sql_engine engine;
    void (*free)(struct sql *sql);
    char *(*reason)(const struct sql *sql);
    int (*begin)(struct sql *sql, const char *text);
    int (*commit)(struct sql *sql);
    int (*rollback)(struct sql *sql);
    int (*exec)(struct sql *sql, const char *text);
    // `text` is expanded. `parameters` is the highest number in it. Returns NULL if it cannot be prepared.
    struct sql_statement *(*prepare)(struct sql *sql, const char *text, int parameters, bool kept);
    void (*statement_free)(struct sql_statement *statement);
    void (*forget)(struct sql_statement *statement); // what the server keeps of it; NULL: nothing
    void (*bind)(struct sql_statement *statement, int index, const struct sql_value *value);
    int (*step)(struct sql_statement *statement); // returns 1, 0 or an error
    // Of the last INSERT; NULL: the statement itself returns it.
    int64_t (*new_id)(const struct sql_statement *statement);
    uint64_t (*changes)(const struct sql_statement *statement);
    void (*reset)(struct sql_statement *statement);
    // Reads a column as one type: a number, or bytes.
    bool (*null)(const struct sql_statement *statement, int column);
    int64_t (*number)(const struct sql_statement *statement, int column);
    struct str (*bytes)(const struct sql_statement *statement, int column, enum sql_type type);
};

// The statements of one part of a table.
struct sql_part {
    int64_t part;
    uint64_t used;               // when, counted; 0: never
    struct sql_statement **kept; // by number; NULL: not used yet
};

struct sql { // drivers embed it
    const struct sql_vtable *vtable;
    struct sql_texts texts;
    struct sql_statement **kept; // by number; NULL: not used yet
    bool again;
    struct sql_part parts[SQL_PARTS];
    uint64_t part_uses;
    bool part_gone; // one of `parts` may not be there any more
};

struct sql_statement { // drivers embed it
    struct sql *sql;
};

void sql_init(struct sql *sql, const struct sql_vtable *vtable, struct sql_texts texts);
