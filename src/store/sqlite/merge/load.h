// The start: the hot index is made from the hot table, without what an unfinished round of merging has merged.
#pragma once

#include "store/sqlite/sqlite_private.h"

// Before the threads are there. ERR_CORRUPT, or a database error.
int store_hot_load(struct sqlite_store *store);
