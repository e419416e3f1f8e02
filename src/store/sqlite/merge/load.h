// For the start: makes the hot index from the hot table, without the parts that an unfinished round has merged already.
#pragma once

#include "store/sqlite/sqlite_private.h"

// Called before there are threads. *ret_last is the highest number that a pack has had, as far as that is known.
// Returns ERR_CORRUPT or a database error.
int store_hot_load(struct db *db, struct hot *hot, int64_t *ret_last);
