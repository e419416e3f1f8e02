#include "store/postgres/statements.h"

static const char *const texts[] = {
#define TEXT(name, sql) sql,
    CATALOGUE_STATEMENTS(TEXT) POSTGRES_STATEMENTS(TEXT)
#undef TEXT
};

const struct sql_texts postgres_texts = {
    .items = texts,
    .count = POSTGRES_STATEMENT_COUNT,
    .has_part = "SELECT CAST(to_regclass('chunks_' || ?1) IS NOT NULL AS integer)",
};
