// A way to a PostgreSQL that tests can cut: a socket in a folder of its own, behind which a thread passes everything on
// to the server's. Thread-safe.
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct postgres_gate;

// `server`: the folder of the server's socket. The thread lives until it is freed.
struct postgres_gate *postgres_gate_new(const char *server);
void postgres_gate_free(struct postgres_gate **gate);
const char *postgres_gate_folder(const struct postgres_gate *gate); // what is to be connected to

// All connections end.
void postgres_gate_cut(struct postgres_gate *gate);
// The same, and so does each new one, until it is opened.
void postgres_gate_shut(struct postgres_gate *gate, bool shut);

// The connection of a store's writer ends at its next COMMIT, once: before the server has it, or when the server has
// answered, which nobody hears. `shuts`: and the gate is shut then.
enum postgres_gate_loss { GATE_LOSES_NOTHING, GATE_LOSES_COMMIT, GATE_LOSES_ANSWER };
void postgres_gate_lose(struct postgres_gate *gate, enum postgres_gate_loss loss, bool shuts);
size_t postgres_gate_lost(struct postgres_gate *gate); // how many were so far
// Waits until that is another number. False: it took too long.
bool postgres_gate_await_loss(struct postgres_gate *gate, size_t lost);
