// Where a server stands among the news that others tell it: rows of the store, each with an id and the number of the
// transaction that wrote it. Ids and transactions commit out of order, so neither alone says what is new. Each look
// takes a snapshot of the store and knows the oldest transaction that is under way in it: what is older is visible, or
// never will be. So a round reads what transactions have told from the oldest one of the round before on, and passes
// over what that round has found. Of very many it reads a part at each look. Pure.
#pragma once

#include "util/error.h"

struct news_place {
    // The next look reads the rows behind this transaction and id, in that order, and its limit of them.
    int64_t transaction, id;
    bool within;            // a round, of which parts were read
    int64_t oldest;         // within: that of the first part's snapshot
    int64_t *known, *found; // ids: of the last round, in order; of this one, as they came
    size_t known_count, found_count, found_capacity;
    size_t read; // of `found`: by looks that were over
};

// From now on: `oldest` is under way, or the next one to be.
void news_begin(struct news_place *place, int64_t oldest);
void news_release(struct news_place *place);
// A look begins, in whose snapshot `oldest` is under way. What one that was not over has found is found again.
void news_look(struct news_place *place, int64_t oldest);
bool news_found(struct news_place *place, int64_t id); // for each row; returns true if it is news
// The look is over. `whole`: it came to the end; else `transaction` and `id` are those of its last row.
void news_read(struct news_place *place, bool whole, int64_t transaction, int64_t id);
// Another database has taken over, or may have: it has all that was committed, but may give transactions numbers that
// others had before. `transaction`: the first one whose news are to be read, of all that may not have been heard of.
void news_go_back(struct news_place *place, int64_t transaction);
