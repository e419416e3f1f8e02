// The driver for PostgreSQL 15 or newer, by libpq. Its calls wait for the server: for threads of their own, never a
// loop's.
#pragma once

#include "store/sql/sql.h"

// `conninfo` as libpq has it, e.g. "host=db dbname=runnel". ERR_UNAVAILABLE, with the reason for people in ret_reason.
int sql_postgres_open(const char *conninfo, struct sql_texts texts, struct sql **ret, struct buf *ret_reason);
