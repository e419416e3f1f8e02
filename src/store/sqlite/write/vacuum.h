// Gives room back to the file system. For the writer's thread.
#pragma once

#include "store/sqlite/sqlite_private.h"

void vacuum_look(struct sqlite_store *store); // finds out whether there is some
bool vacuum_waits(const struct sqlite_store *store, uint64_t now_ms);
uint64_t vacuum_due_in_ms(const struct sqlite_store *store, uint64_t now_ms); // UINT64_MAX: never
void vacuum_slice(struct sqlite_store *store); // one transaction of a few milliseconds, besides those of operations
