#include "util/backoff.h"

#define FIRST_MS 200

static uint64_t random_next(uint64_t *state) // SplitMix64
{
    uint64_t z = *state += 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

uint64_t backoff_lost(struct backoff *backoff, uint64_t good_ms)
{
    uint64_t delay = 0;
    if (good_ms >= BACKOFF_STEADY_MS)
        backoff->attempts = 0;
    // A server that answers and hangs up at once must not be asked again and again without a pause.
    if (backoff->attempts > 0) {
        delay = (uint64_t)FIRST_MS << MIN(backoff->attempts - 1, 10u);
        delay = MIN(delay, (uint64_t)BACKOFF_MAX_MS);
        delay = delay / 2 + random_next(&backoff->random) % (delay / 2 + 1);
    }
    backoff->attempts++;
    return delay;
}

void backoff_reset(struct backoff *backoff)
{
    backoff->attempts = 0;
}
