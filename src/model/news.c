#include "model/news.h"

#include <stdlib.h>

static void round_from(struct news_place *place, int64_t transaction)
{
    place->transaction = transaction;
    place->id = 0;
    place->within = false;
    place->found_count = place->read = 0;
}

void news_begin(struct news_place *place, int64_t oldest)
{
    *place = (struct news_place){0};
    round_from(place, oldest);
}

void news_release(struct news_place *place)
{
    free(place->known);
    free(place->found);
    *place = (struct news_place){0};
}

void news_look(struct news_place *place, int64_t oldest)
{
    place->found_count = place->read;
    if (!place->within)
        place->oldest = oldest;
}

static int by_number(const void *a, const void *b)
{
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

bool news_found(struct news_place *place, int64_t id)
{
    if (place->found_count == place->found_capacity) {
        place->found_capacity = MAX((size_t)64, 2 * place->found_capacity);
        place->found = xrealloc(place->found, place->found_capacity * sizeof(*place->found));
    }
    place->found[place->found_count++] = id;
    return place->known_count == 0 || !bsearch(&id, place->known, place->known_count, sizeof(*place->known), by_number);
}

// What was found is known to the next round.
static void round_over(struct news_place *place)
{
    int64_t *room = place->known;
    size_t count = place->found_count;
    if (count > 0)
        qsort(place->found, count, sizeof(*place->found), by_number);
    place->known = xrealloc(place->found, (count + 1) * sizeof(*place->found));
    place->known_count = count;
    place->found = NULL;
    place->found_capacity = 0;
    free(room);
    round_from(place, place->oldest);
}

void news_read(struct news_place *place, bool whole, int64_t transaction, int64_t id)
{
    if (whole) {
        round_over(place);
        return;
    }
    place->within = true;
    place->transaction = transaction;
    place->id = id;
    place->read = place->found_count;
}

void news_go_back(struct news_place *place, int64_t transaction)
{
    int64_t here = MIN(place->transaction, transaction);
    round_from(place, place->within ? MIN(here, place->oldest) : here);
}
