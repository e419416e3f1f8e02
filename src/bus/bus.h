// Messages between the servers that share a store. They are hints: one may be lost, come twice or come late, and nobody
// waits for it. Who hears a hint looks into the store, which has the truth; who hears none looks once a second all the
// same. See docs/internals/nodes.md.
//
// A bus has one thread, on which all of its callbacks run and which alone talks to what carries the messages. While
// that is away, the thread tries to reach it again, and messages are lost.
#pragma once

#include "util/buf.h"

struct bus;
struct bus_kind; // bus/kind.h
struct logger;

// What carries the messages. bus_postgres: NOTIFY and LISTEN; its address is a libpq connection string. bus_redis:
// PUBLISH and SUBSCRIBE; its address is redis://HOST[:PORT], rediss:// with TLS, or unix:/PATH, and the program must
// ignore SIGPIPE.
extern const struct bus_kind bus_postgres, bus_redis;

// Reads what people write of a bus: "notify" (as NULL), "none", or the address of a Redis. *ret_kind is NULL for none.
// ERR_INVALID, with what is wrong in *ret_error; that has no part of the text, which may hold a password.
int bus_choose(const char *text, const struct bus_kind **ret_kind, struct buf *ret_error);

// Bytes of one message: a text without zero bytes. PostgreSQL's NOTIFY takes fewer than 8,000.
#define BUS_MESSAGE_MAX 7900
// A round of messages begins no sooner than this after the one before, so that what comes in a burst is gathered.
#define BUS_ROUND_MS 5

struct bus_options {
    const struct bus_kind *kind;
    const char *address;     // copied
    const char *credentials; // copied. File with PASSWORD or USER:PASSWORD, read for each connection; NULL, "": none
    const char *ca_file;     // copied. PEM file of the authorities for TLS; NULL, "": the system's
    const char *channel;     // copied: who uses the same hears each other. At most 63 bytes of [A-Za-z0-9_]
    const struct logger *logger; // may be NULL
    // Writes the next message of this round into `out`, which is empty. Returns false if there is none.
    bool (*take)(void *arg, struct buf *out);
    void (*hear)(void *arg, struct str message); // one of anybody's, the own ones too
    void (*joined)(void *arg);                   // from now on it hears; what was said before was missed
    void *arg;
};

// ERR_NOMEM, ERR_NO_FILES: it cannot be started. That nothing can be reached yet is no error.
int bus_start(const struct bus_options *options, struct bus **ret);
// There is something to take. Any thread; never waits.
void bus_wake(struct bus *bus);
// NULL, or if nothing can be told or heard now a constant text for anybody that says so; the log says why. Any thread;
// asks nobody.
const char *bus_away(const struct bus *bus);
// Ends the thread; it waits for a message that is on its way. Does nothing for NULL.
void bus_free(struct bus **bus);
