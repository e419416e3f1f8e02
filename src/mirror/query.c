#include "mirror/query.h"

#include "util/clock.h"

// Whoever has waited for its turn for as long as an answer may take is told so, instead of waiting on.
static void work(struct job *job)
{
    struct mirror_query *query = CONTAINER_OF(job, struct mirror_query, job);
    uint64_t now_ms = clock_mono_ms();
    if (now_ms >= query->until_ms) {
        buf_append_text(&query->ret_reason, "it answers too slowly for all who ask");
        query->err = ERR_UNAVAILABLE;
        return;
    }
    query->ask.timeout_ms = query->until_ms - now_ms;
    query->err = loki_query(query->access, &query->ask, &query->ret_lines, &query->ret_reason);
}

static void answered(struct job *job)
{
    struct mirror_query *query = CONTAINER_OF(job, struct mirror_query, job);
    query->done(query);
}

int mirror_query_submit(struct mirror_query *query, struct pool *pool, const struct loki_access *access)
{
    query->access = access;
    query->until_ms = clock_mono_ms() + query->ask.timeout_ms;
    query->job = (struct job){.reply_to = query->reply_to, .account = query->account, .work = work, .done = answered};
    return pool_submit(pool, &query->job);
}
