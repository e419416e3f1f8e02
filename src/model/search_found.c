// What a search has found: counted, kept and put together.
#include "model/search_private.h"

void search_found_release(struct search_found *found)
{
    free(found->hits);
    free(found->buckets);
    *found = (struct search_found){0};
}

static void count_in_bucket(struct search_found *found, const struct search_ask *ask, uint64_t sequence)
{
    if (ask->buckets == 0 || sequence < ask->begin)
        return;
    if (!found->buckets)
        found->buckets = xcalloc(ask->buckets, sizeof(*found->buckets));
    uint64_t bucket = (sequence - ask->begin) / MAX(ask->width, 1u);
    found->buckets[MIN(bucket, ask->buckets - 1)]++;
}

// Hits come nearly in order. Of the last ones twice as many are held, so that they are moved seldom.
static void keep(struct search_found *found, const struct search_ask *ask, uint64_t sequence)
{
    if (ask->keep == 0 || sequence < ask->keep_from || sequence >= ask->keep_to)
        return;
    size_t most = ask->keep_last ? (size_t)ask->keep * 2 : ask->keep;
    if (!found->hits)
        found->hits = xcalloc(most, sizeof(*found->hits));
    if (found->kept == most && !ask->keep_last && sequence > found->hits[most - 1])
        return;
    if (found->kept == most && ask->keep_last) {
        memmove(found->hits, found->hits + ask->keep, ask->keep * sizeof(*found->hits));
        found->kept -= ask->keep;
    }
    found->kept -= found->kept == most;
    size_t at = found->kept;
    while (at > 0 && found->hits[at - 1] > sequence)
        at--;
    memmove(found->hits + at + 1, found->hits + at, (found->kept - at) * sizeof(*found->hits));
    found->hits[at] = sequence;
    found->kept++;
}

void search_found_hit(struct search_found *found, const struct search_ask *ask, uint64_t sequence)
{
    found->first = found->count == 0 ? sequence : MIN(found->first, sequence);
    found->last = found->count == 0 ? sequence : MAX(found->last, sequence);
    found->count++;
    count_in_bucket(found, ask, sequence);
    keep(found, ask, sequence);
}

void search_found_trim(struct search_found *found, const struct search_ask *ask)
{
    if (found->kept <= ask->keep)
        return;
    if (ask->keep_last)
        memmove(found->hits, found->hits + (found->kept - ask->keep), ask->keep * sizeof(*found->hits));
    found->kept = ask->keep;
}

void search_found_add(struct search_found *found, const struct search_ask *ask, const struct search_found *more)
{
    if (more->count > 0) {
        found->first = found->count == 0 ? more->first : MIN(found->first, more->first);
        found->last = found->count == 0 ? more->last : MAX(found->last, more->last);
    }
    found->count += more->count;
    found->scanned += more->scanned;
    found->skipped += more->skipped;
    for (unsigned i = 0; more->buckets && i < ask->buckets; i++) {
        if (!found->buckets)
            found->buckets = xcalloc(ask->buckets, sizeof(*found->buckets));
        found->buckets[i] += more->buckets[i];
    }
    for (size_t i = 0; i < more->kept; i++)
        keep(found, ask, more->hits[i]);
    search_found_trim(found, ask);
}
