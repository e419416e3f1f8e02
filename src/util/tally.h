// Counts by name, such as what other servers have counted of an account or an address. Not thread-safe.
#pragma once

#include "util/map.h"

struct tally {
    struct map by_name;
};

void tally_init(struct tally *tally);
void tally_release(struct tally *tally); // forgets all of it; it is empty then, and may be used on
void tally_add(struct tally *tally, struct str name, uint64_t count); // copies the name; the sum stops at UINT64_MAX
uint64_t tally_get(const struct tally *tally, struct str name);       // 0: nothing was counted
// The same for a number, whose name is its decimal text.
void tally_add_id(struct tally *tally, int64_t id, uint64_t count);
uint64_t tally_get_id(const struct tally *tally, int64_t id);
// From which count on others should know of it, of those that have a limit of `max`.
uint64_t tally_worth(uint64_t max);
// `tally` gets what `from` holds, and loses what it held; `from` is empty then.
void tally_take(struct tally *tally, struct tally *from);
// Once for each name. One tally that is filled again in the same way gives them in the same order.
void tally_each(const struct tally *tally, void (*each)(void *arg, struct str name, uint64_t count), void *arg);
