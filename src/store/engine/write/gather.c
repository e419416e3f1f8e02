#include "store/engine/write/gather.h"

#define WINDOW_NS      3000000  // the least time over which operations are counted, and of a pause
#define WORTH_OPS      12       // in a window: with at least so many a pause is worth it
#define WORTH_OPS_LONG 3        // the same, where a transaction takes longer than that
#define PAUSE_NS       20000000 // the longest pause

void gather_plan(struct gather *gather, uint64_t ops, uint64_t waiting, uint64_t took_ns, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - gather->from_ns, window_ns = MAX(took_ns, (uint64_t)WINDOW_NS);
    uint64_t worth = took_ns > WINDOW_NS ? WORTH_OPS_LONG : WORTH_OPS;
    gather->ops += ops;
    gather->most_under_way = MAX(gather->most_under_way, ops + waiting);
    if (passed_ns >= window_ns) {
        gather->busy = gather->ops * window_ns >= worth * passed_ns;
        gather->whole = MIN(gather->most_under_way, (uint64_t)GROUP_OPS_MAX);
        gather->from_ns = now_ns;
        gather->ops = gather->most_under_way = 0;
    }
    uint64_t pause_ns = MIN(MAX(took_ns / 2, (uint64_t)WINDOW_NS), (uint64_t)PAUSE_NS);
    gather->until_ns = gather->busy ? now_ns + pause_ns : 0;
}
