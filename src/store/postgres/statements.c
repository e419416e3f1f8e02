#include "store/postgres/statements.h"

static const char *const texts[] = {
#define TEXT(name, sql) sql,
    CATALOGUE_STATEMENTS(TEXT) POSTGRES_STATEMENTS(TEXT)
#undef TEXT
};

const struct sql_texts postgres_texts = {texts, POSTGRES_STATEMENT_COUNT};
