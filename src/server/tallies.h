// Limits that hold over all servers of a store, though each counts for itself: followers and running jobs of an
// account, failed logins of an address. Once a second a server says, if it has changed, what it has counted, as far as
// it is a part worth to know of what is allowed (tally_worth); and hears what the others have. So a limit may be passed
// by what comes within a second or two, and by a sixteenth for each other server. See docs/internals/nodes.md.
//
// What is said is a text of lines, of which those of an unknown kind are let go:
//
//     KIND COUNT NAME
#pragma once

#include "auth/auth.h"
#include "fanout/places.h"
#include "jobs/dispatch.h"

struct tallies;

struct tallies_options {
    struct loop *loop; // it lives there
    struct store *store;
    int64_t (*node)(void *arg); // this server, as a node of the store; 0: it is none now
    void *node_arg;
    struct places *followers;
    struct auth *auth;
    struct dispatch *dispatch;
};

// NULL if no other server can have the store: then there is nothing to tell. The other functions do nothing for NULL.
struct tallies *tallies_new(const struct tallies_options *options, uint64_t followers_max);
void tallies_free(struct tallies **tallies); // only after tallies_stop, and after the loop has ended
// Called on its loop.
void tallies_start(struct tallies *tallies);
void tallies_set(struct tallies *tallies, uint64_t followers_max);
// Says at once that there is nothing here, as clients are about to go elsewhere.
void tallies_leave(struct tallies *tallies);
void tallies_stop(struct tallies *tallies);

// --- For the tests: what is said. Reading adds to the tallies, which are numbered as the kinds are.
enum tally_kind { TALLY_FOLLOWERS, TALLY_RUNNING, TALLY_FAILED_LOGINS, TALLY_KINDS };
void tallies_write(const struct tally tallies[TALLY_KINDS], struct buf *out); // what does not fit is left out
void tallies_read(struct str text, struct tally tallies[TALLY_KINDS]);
