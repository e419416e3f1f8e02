#include "store/postgres/random/work.h"

static const struct world_step works[] = {
    {40, world_append_fresh}, {10, world_append_again}, {5, world_append_wrong}, {5, world_append_behind_gap},
    {3, world_claim},         {2, world_change},        {4, world_end},          {5, world_read_some},
    {8, world_look},          {2, world_cut},
};

void world_work(struct world *world, size_t steps)
{
    for (size_t i = 0; i < steps; i++)
        world_take_one(world, works, ARRAY_LEN(works));
}
