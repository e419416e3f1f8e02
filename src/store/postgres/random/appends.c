// Appends of one at a time: the next ones, the last ones again, and what must be refused.
#include "store/postgres/random/work.h"

#define BURST        40 // appends, after which a log that rests is kept again
#define HOME_AT_ONCE 0

struct store_append world_append_of(const struct model_log *log, const struct model_append *asked, struct chunk *chunk)
{
    static const uint64_t said = MODEL_SAID;
    return (struct store_append){
        .op.kind = STORE_APPEND,
        .row = log->row,
        .producer = str_of(model_producer_name(asked->producer)),
        .first = asked->first,
        .epoch = asked->epoch,
        .skip_ahead = asked->skip_ahead,
        .skip_digest = asked->says_digest ? &said : NULL,
        .chunk = chunk,
    };
}

void world_check_append(const struct store_append *append, const struct model_answer *wanted)
{
    assert_int_equal(append->op.err, wanted->err);
    if (wanted->err < 0)
        return;
    assert_int_equal(append->ret_first_sequence, wanted->first);
    assert_int_equal(append->ret_appended, wanted->appended);
    assert_int_equal(append->ret_producer_next, wanted->producer_next);
    assert_int_equal(append->ret_next, wanted->next);
}

void world_note_append(struct world *world, const struct world_server *server, const struct model_log *log,
                       const struct model_append *asked, const char *what, int err)
{
    world_note(world, "server %zu %s: log %zu, \"%s\" %llu+%u epoch %llu%s%s: %s", server->number, what,
               world_index(world, log), model_producer_name(asked->producer), (unsigned long long)asked->first,
               asked->count, (unsigned long long)asked->epoch, asked->skip_ahead ? " skips" : "",
               asked->altered ? " altered" : "", world_answer(err));
}

int world_append(struct world *world, struct world_server *server, struct model_log *log,
                 const struct model_append *asked)
{
    CLEANUP(chunk_unref) struct chunk *chunk = model_chunk(asked);
    struct store_append append = world_append_of(log, asked, chunk);
    int err = world_run(server, &append.op);
    world_note_append(world, server, log, asked, "appends", err);
    if (err == ERR_UNAVAILABLE)
        return err;
    assert_false(server->shut);
    struct model_answer wanted = model_judge(log, asked);
    world_check_append(&append, &wanted);
    if (err == 0)
        model_apply(log, asked, &wanted);
    return err;
}

struct model_append world_fresh(struct world *world, const struct model_log *log, int producer)
{
    struct model_append asked = {.producer = producer, .count = 1 + (uint32_t)world_draw(world, 4)};
    asked.epoch = world_one_in(world, 2) ? log->outcome.epoch : 0;
    if (producer == MODEL_ANONYMOUS) {
        asked.first = world->anonymous;
        world->anonymous += asked.count;
    } else {
        asked.first = log->producers[producer].sequence.next;
    }
    return asked;
}

int world_any_producer(struct world *world)
{
    uint64_t below = 1 + world_draw(world, MODEL_PRODUCERS);
    return world_one_in(world, 8) ? MODEL_ANONYMOUS : (int)world_draw(world, below);
}

void world_append_fresh(struct world *world)
{
    struct model_log *log = world_any_log(world);
    struct world_server *server =
        world_one_in(world, 32) ? &world->servers[world_draw(world, SERVERS)] : world_server_of(world, log);
    int producer = world_any_producer(world);
    for (uint64_t left = world_one_in(world, 8) ? BURST : 1 + world_draw(world, 5); left > 0; left--) {
        struct model_append asked =
            world_fresh(world, log, world_one_in(world, 16) ? world_any_producer(world) : producer);
        world_append(world, server, log, &asked);
    }
}

void world_append_again(struct world *world)
{
    struct model_log *log = world_any_log(world);
    int number = (int)world_draw(world, MODEL_PRODUCERS);
    const struct model_producer *producer = &log->producers[number];
    if (producer->batch_count == 0)
        return;
    struct model_append asked = {.producer = number, .first = producer->batch_first, .count = producer->batch_count};
    if (world_one_in(world, 4) && producer->sequence.next == asked.first + asked.count)
        asked.count += 2;
    else if (world_one_in(world, 4))
        asked.altered = true;
    else if (world_one_in(world, 4) && asked.first > 0)
        asked.first--; // before its last append
    world_append(world, world_server_of(world, log), log, &asked);
}

void world_append_wrong(struct world *world)
{
    struct model_log *log = world_any_log(world);
    struct model_append asked = world_fresh(world, log, (int)world_draw(world, MODEL_PRODUCERS));
    if (world_one_in(world, 2))
        asked.epoch = log->outcome.epoch > 1 ? log->outcome.epoch - 1 : log->outcome.epoch + 1;
    else
        asked.first++;
    world_append(world, world_server_of(world, log), log, &asked);
}

void world_append_behind_gap(struct world *world)
{
    struct model_log *log = world_any_log(world);
    struct model_append asked = world_fresh(world, log, (int)world_draw(world, MODEL_PRODUCERS));
    asked.first += world_draw(world, 3);
    asked.skip_ahead = true;
    asked.says_digest = world_one_in(world, 2);
    world_append(world, world_server_of(world, log), log, &asked);
}

void world_come_home(struct world *world)
{
    struct model_log *log = world_any_log(world);
    struct world_server *server = world_server_of(world, log);
    int producer = world_any_producer(world);
    for (int i = 0; i < 2; i++) {
        struct model_append asked = world_fresh(world, log, producer);
        if (i > 0)
            world_note(world, "server %zu brings its journal home", server->number);
        server->home_ms = i > 0 ? HOME_AT_ONCE : server->home_usual_ms;
        world_append(world, server, log, &asked);
    }
    server->home_ms = server->home_usual_ms;
    world_check_status(world, world_open_server(world), log);
}
