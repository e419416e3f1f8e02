// The first start of a store: the account `default`, and an operator's key in the file admin.key of the data folder.
#pragma once

#include "store/store.h"

// Runs `loop` until it is done. Does nothing where both are there. Returns 0 or an error.
int bootstrap_store(struct store *store, struct loop *loop, const char *data);
