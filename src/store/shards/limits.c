// Limits are of all stores together. Counting takes as long as there are many, so while an account is far from its
// limit the stores are asked once a second, not for each execution that is made.
#include "store/shards/shards_private.h"
#include "util/clock.h"

#define COUNTED_FOR_MS 1000

static struct counted *counted_of(struct shards *shards, int64_t account)
{
    return &shards->counted[(uint64_t)account % COUNTED_MAX];
}

// Whether so many more come to less than half of it, with what this server has made since they were counted.
static bool is_far(struct shards *shards, int64_t account, bool queued, uint64_t more, uint64_t max)
{
    struct counted *it = counted_of(shards, account);
    pthread_mutex_lock(&shards->counted_mutex);
    bool known = it->account == account && it->at_ms > 0 && clock_mono_ms() < it->at_ms + COUNTED_FOR_MS;
    bool far = known && (queued ? it->queued : it->others) + it->made + more <= max / 2;
    it->made += far ? more : 0;
    pthread_mutex_unlock(&shards->counted_mutex);
    return far;
}

void ask_open(struct task *task, int64_t account, bool queued, uint64_t more, uint64_t max)
{
    if (max == 0 || is_far(task->shards, account, queued, more, max))
        return;
    for (unsigned i = 0; i < task->shards->count; i++) {
        struct store_count_open *count =
            PART(task_part(task, &task->shards->members[i], STORE_COUNT_OPEN, NULL), store_count_open);
        count->account = account;
    }
}

static void note_counted(struct shards *shards, const struct counted *counted)
{
    pthread_mutex_lock(&shards->counted_mutex);
    *counted_of(shards, counted->account) = *counted;
    pthread_mutex_unlock(&shards->counted_mutex);
}

struct open_elsewhere open_elsewhere(const struct task *task, const struct member *member)
{
    struct open_elsewhere sum = {0};
    struct counted all = {.at_ms = clock_mono_ms()};
    for (unsigned i = 0; i < task->count; i++) {
        if (part_op(task->parts[i])->kind != STORE_COUNT_OPEN)
            continue;
        const struct store_count_open *count = PART(task->parts[i], store_count_open);
        bool away = part_op(task->parts[i])->err < 0, own = task->parts[i]->member == member;
        uint64_t queued = away ? 0 : count->ret_queued;
        uint64_t others = away ? 0 : count->ret_count - MIN(queued, count->ret_count);
        all.account = count->account;
        all.queued += queued;
        all.others += others;
        sum.queued += own ? 0 : queued;
        sum.others += own ? 0 : others;
    }
    if (all.account > 0)
        note_counted(task->shards, &all);
    return sum;
}

int limit_left(uint64_t max, uint64_t elsewhere, uint64_t *ret)
{
    *ret = max > 0 ? max - MIN(elsewhere, max - 1) : 0;
    return max > 0 && elsewhere >= max ? ERR_RATE : 0;
}
