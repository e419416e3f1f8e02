#include "model/life.h"

#include "util/attrs.h"

void life_begin(struct life *life, uint64_t proved_ms)
{
    *life = (struct life){.alive_ms = proved_ms};
}

void life_asked(struct life *life, uint64_t now_ms)
{
    life->open = false;
    life->asked_ms = now_ms;
}

void life_opened(struct life *life)
{
    life->open = true;
    life->alive_ms = MAX(life->alive_ms, life->asked_ms);
}

void life_closed(struct life *life)
{
    life->open = false;
}

bool life_answered(struct life *life, uint64_t at_ms)
{
    if (!life->open || at_ms <= life->alive_ms)
        return false;
    life->alive_ms = at_ms;
    return true;
}

uint64_t life_until_ms(const struct life *life, uint64_t lease_ms)
{
    return life->alive_ms + lease_ms;
}

bool life_too_late(uint64_t proved_ms, uint64_t lease_ms, uint64_t now_ms)
{
    return proved_ms + lease_ms <= now_ms;
}
