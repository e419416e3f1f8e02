// Which node of a shared store (model/node.h) this server was when it ran before: the file `node` in its data folder.
// So it knows that the node of that number has ended. Nothing happens where this server has the store alone. For one
// thread; reads and writes a file.
#pragma once

#include "store/store.h"

struct logger;

// 0: not known, or of another store.
int64_t former_node(const struct store *store, const char *data);
// If it cannot be written, what this server leaves is taken over half a minute after it was killed.
void former_node_keep(const struct store *store, const char *data, int64_t node, const struct logger *logger);
