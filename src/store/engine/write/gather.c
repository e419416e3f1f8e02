#include "store/engine/write/gather.h"

#define WINDOW_NS  3000000 // the time over which operations are counted, and the longest pause
#define WINDOW_OPS 12      // with at least so many operations a pause is worth it

void gather_plan(struct gather *gather, uint64_t ops, uint64_t waiting, uint64_t now_ns)
{
    uint64_t passed_ns = now_ns - gather->from_ns;
    gather->ops += ops;
    gather->most_under_way = MAX(gather->most_under_way, ops + waiting);
    if (passed_ns >= WINDOW_NS) {
        gather->busy = gather->ops * WINDOW_NS >= WINDOW_OPS * passed_ns;
        gather->whole = MIN(gather->most_under_way, (uint64_t)GROUP_OPS_MAX);
        gather->from_ns = now_ns;
        gather->ops = gather->most_under_way = 0;
    }
    gather->until_ns = gather->busy ? now_ns + WINDOW_NS : 0;
}
