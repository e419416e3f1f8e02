// The driver for PostgreSQL 15 or newer, with libpq. Its calls wait for the server, so they need threads of their own
// and must not run on a loop.
#pragma once

#include "store/sql/sql.h"

// `conninfo` as libpq has it, e.g. "host=db dbname=runnel". ERR_UNAVAILABLE, with the reason for people in ret_reason.
int sql_postgres_open(const char *conninfo, struct sql_texts texts, struct sql **ret, struct buf *ret_reason);
