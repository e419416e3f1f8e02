// For the start: makes the hot index from the hot table, without the parts that an unfinished round has merged already.
#pragma once

#include "store/sqlite/sqlite_private.h"

// Called before there are threads. Returns ERR_CORRUPT or a database error.
int store_hot_load(struct sqlite_store *store);
