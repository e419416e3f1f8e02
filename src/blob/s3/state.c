// What uploads here share: memory, who writes to what, and which accounts have nothing interrupted.
#include "blob/s3/s3_private.h"
#include "util/clock.h"
#include "util/error.h"

#define PARTS_MAX 10000u
#define MEBIBYTE  ((uint64_t)1024 * 1024)
#define CLEAN_MS  60000

uint64_t s3_part_size(const struct blob_s3 *s3, uint64_t size)
{
    uint64_t least = (size / PARTS_MAX + MEBIBYTE) / MEBIBYTE * MEBIBYTE;
    return least > s3->part_size && size / PARTS_MAX >= s3->part_size ? least : s3->part_size;
}

// --- Memory

int s3_hold(struct blob_s3 *s3, struct blob_op *op, uint64_t bytes)
{
    pthread_mutex_lock(&s3->lock);
    bool room = s3->held <= s3->memory_max && bytes <= s3->memory_max - s3->held;
    if (room)
        s3->held += bytes;
    pthread_mutex_unlock(&s3->lock);
    if (room)
        return 0;
    snprintf(op->ret_reason, sizeof(op->ret_reason), "uploads hold as much memory as they may (s3_memory_max)");
    return ERR_UNAVAILABLE;
}

void s3_let_go(struct blob_s3 *s3, uint64_t bytes)
{
    pthread_mutex_lock(&s3->lock);
    s3->held -= bytes;
    pthread_mutex_unlock(&s3->lock);
}

// --- Accounts without interrupted uploads

bool s3_is_clean(struct blob_s3 *s3, int64_t account)
{
    const struct s3_pause *slot = &s3->clean[(uint64_t)account % S3_CLEAN_SLOTS];
    pthread_mutex_lock(&s3->lock);
    bool clean = slot->account == account && clock_mono_ms() < slot->until_ms;
    pthread_mutex_unlock(&s3->lock);
    return clean;
}

void s3_set_clean(struct blob_s3 *s3, int64_t account, bool clean)
{
    pthread_mutex_lock(&s3->lock);
    s3->clean[(uint64_t)account % S3_CLEAN_SLOTS] = (struct s3_pause){account, clean ? clock_mono_ms() + CLEAN_MS : 0};
    pthread_mutex_unlock(&s3->lock);
}

// --- Who writes to an upload

bool s3_claim(struct blob_s3 *s3, struct s3_claim *claim, int64_t account, struct str hex)
{
    snprintf(claim->name, sizeof(claim->name), "%lld/%.*s", (long long)account, STR_ARGS(hex));
    pthread_mutex_lock(&s3->lock);
    bool was_free = !map_find(&s3->under_way, str_of(claim->name));
    if (was_free)
        map_insert(&s3->under_way, &claim->node, str_of(claim->name));
    pthread_mutex_unlock(&s3->lock);
    return was_free;
}

void s3_unclaim(struct blob_s3 *s3, struct s3_claim *claim)
{
    pthread_mutex_lock(&s3->lock);
    map_remove(&s3->under_way, &claim->node);
    pthread_mutex_unlock(&s3->lock);
}
