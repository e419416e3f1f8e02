// Other producers: bodies that are posted, with and without an Idempotency-Key; as api/logs/append.c appends them.
#include "sim.h"

#define RETRY_MS 5000

static void post(struct world *world, void *arg, uint64_t life);

static unsigned producer_of(const struct poster *poster)
{
    return poster->idempotent ? POST_PRODUCERS + poster->number : ANONYMOUS;
}

static void try_again(struct world *world, struct poster *poster, uint64_t delay_ms)
{
    poster->life++;
    later(world, delay_ms, post, poster, poster->life);
}

static void repeat(struct world *world, struct poster *poster)
{
    if (!poster->idempotent || poster->repeats++ == 2) {
        poster->over = true;
        return;
    }
    // The key once more, at times with another body.
    poster->other_body = chance(world, 300);
    try_again(world, poster, draw(world, 0, 20000));
}

// What the store has under the key is what was sent, or it is not.
static void check_body(struct world *world, const struct poster *poster, const struct op *op)
{
    const struct state *disk = &world->store.disk;
    for (uint64_t i = 0; i < disk->head.next; i++) {
        const struct entry *entry = &disk->log[i];
        if (entry->producer != op->producer || entry->counter != 0)
            continue;
        bool same = content_equal(&entry->content, &op->contents[0]);
        if (same == (op->err != 0))
            violate(world, "%s body of poster %u was %s", same ? "the same" : "another", poster->number,
                    op->err ? "refused" : "taken");
        return;
    }
    violate(world, "nothing is there of poster %u, and the answer was %s", poster->number,
            op->err ? error_word(op->err) : "ok");
}

static void answered(struct world *world, struct op *op)
{
    struct poster *poster = op->owner;
    if (poster->over)
        return;
    trace(world, "poster %u: %s", poster->number, op->err ? error_word(op->err) : "ok");
    if (poster->idempotent && (op->err == 0 || op->err == ERR_CONFLICT))
        check_body(world, poster, op);
    if (op->err == 0 && poster->idempotent)
        check_acked(world, op->producer, poster->count, "answer");
    if (chance(world, 50))
        return; // the answer gets lost
    if (op->err == 0)
        repeat(world, poster);
    else if (op->err == ERR_SEALED || op->err == ERR_CONFLICT)
        poster->over = true;
    else
        try_again(world, poster, draw(world, 100, RETRY_MS));
}

static void post(struct world *world, void *arg, uint64_t life)
{
    struct poster *poster = arg;
    if (life != poster->life || poster->over)
        return;
    // Whoever has no key does not dare to repeat it.
    if (poster->idempotent)
        try_again(world, poster, RETRY_MS);
    else
        poster->over = true;
    struct server *server = server_any(world);
    if (!server_answers(server))
        return;
    struct op *op = server_op(server, OP_APPEND, poster, answered);
    op->producer = producer_of(poster);
    op->count = poster->count;
    for (unsigned i = 0; i < poster->count; i++)
        op->contents[i] = (struct content){CONTENT_LINE, 100 + poster->number + (poster->other_body ? 50 : 0), i};
    store_submit_op(world, op);
}

void poster_start(struct world *world, struct poster *poster)
{
    poster->idempotent = chance(world, 600);
    poster->count = (unsigned)draw(world, 1, BATCH_MAX);
    later(world, draw(world, 0, world->profile.faults_for_ms), post, poster, 0);
}
