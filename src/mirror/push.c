#include "mirror/push.h"

void push_init(struct push *push, struct loop *loop, const struct loki_access *access, void (*done)(struct push *push))
{
    *push = (struct push){.loop = loop, .access = access, .done = done};
    list_init(&push->parts);
}

void push_forget(struct push *push)
{
    while (!list_empty(&push->parts)) {
        struct loki_part *part = CONTAINER_OF(push->parts.next, struct loki_part, node);
        loki_part_free(&part);
    }
    push->count = 0;
    push->bytes = 0;
    push->lines = push->cut = push->missing = 0;
    buf_release(&push->body);
    buf_reset(&push->error);
}

void push_release(struct push *push)
{
    push_forget(push);
    buf_release(&push->error);
}

void push_add(struct push *push, struct loki_part *part)
{
    list_push_back(&push->parts, &part->node);
    push->count++;
    push->bytes += part->streams.len;
    push->lines += part->lines;
    push->cut += part->cut;
    push->missing += part->missing;
}

size_t push_steps(const struct push *push, struct mirror_step steps[STORE_MIRROR_MAX])
{
    size_t at = 0;
    for (struct list_node *node = push->parts.next; node != &push->parts; node = node->next) {
        const struct loki_part *part = CONTAINER_OF(node, struct loki_part, node);
        steps[at++] = (struct mirror_step){
            .row = part->row,
            .from = part->copied,
            .to = part->to,
            .time_ms = part->time_ms,
            .ends = part->sealed && part->to >= part->next,
            .places = part->places,
            .place_count = part->place_count,
        };
    }
    return at;
}

static void work(struct job *job)
{
    struct push *push = CONTAINER_OF(job, struct push, job);
    loki_push_body(&push->parts, &push->body);
    push->verdict = loki_send(push->access, buf_str(&push->body), &push->wait_ms, &push->error);
}

static void sent(struct job *job)
{
    struct push *push = CONTAINER_OF(job, struct push, job);
    buf_release(&push->body);
    push->done(push);
}

int push_send(struct push *push, struct pool *pool)
{
    push->job = (struct job){.reply_to = push->loop, .work = work, .done = sent};
    return pool_submit(pool, &push->job);
}
