#include "store/catalogue/statements.h"

static const char *const texts[] = {
#define CATALOGUE_TEXT(name, sql) sql,
    CATALOGUE_STATEMENTS(CATALOGUE_TEXT)
#undef CATALOGUE_TEXT
};

const struct sql_texts catalogue_texts = {.items = texts, .count = CATALOGUE_STATEMENT_COUNT};
