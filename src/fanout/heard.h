// What a loop makes of what it hears of an execution that is followed there. It hears of it by commits of its own
// server, by what other servers say, and by reads of the store. All of them cross where others write to the store, too:
// numbers only ever grow, until a seal is read, which has the last one; and of the state the last word has a read that
// began after the last change. Pure.
#pragma once

#include "model/execution.h"
#include "store/store.h"

// What is to be done now, as flags.
enum heard {
    HEARD_WAKE = 1,    // there is more to be told
    HEARD_CHANGED = 2, // its state has changed: a read that began before may be older
    HEARD_READ = 4,    // it is to be read; after HEARD_CHANGED
};

// Another server has changed it, or a look says where it stands. The state is not taken, but a reason to read.
unsigned heard_elsewhere(struct execution *known, const struct store_change *change);
// This server has. `shared`: others write to the store, too. Its front is the caller's to take.
unsigned heard_commit(struct execution *known, const struct store_change *change, bool shared);
// It was read. `current`: no change of its state was heard of since the read began. Its front is the caller's to take.
void heard_read(struct execution *known, const struct execution *now, bool current);
