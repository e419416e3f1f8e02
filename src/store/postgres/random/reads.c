// What servers tell of a log: its lines, where it is, what its producers have sent.
#include "store/postgres/random/work.h"

#define READ_MAX 600 // bytes

static void check_segment(const struct model_log *log, const struct store_segment *segment, uint64_t from)
{
    for (uint64_t at = from; at < segment->first + chunk_count(segment->chunk); at++) {
        struct record record;
        chunk_record(segment->chunk, (uint32_t)(at - segment->first), &record);
        assert_true(at < log->next);
        assert_true(model_is_line(&log->lines[at], &record));
    }
}

void world_read_from(struct world_server *server, const struct model_log *log, uint64_t from)
{
    while (from < log->next) {
        struct store_read read = {.op.kind = STORE_READ, .row = log->row, .from = from, .max_bytes = READ_MAX};
        int err = world_run(server, &read.op);
        if (err == ERR_UNAVAILABLE)
            continue;
        assert_int_equal(err, 0);
        assert_int_equal(read.ret_next, log->next);
        assert_int_equal(read.ret_first_sequence, log->front);
        assert_true(read.ret_count > 0 && read.ret_segments[0].first <= from);
        for (size_t i = 0; i < read.ret_count; i++) {
            const struct store_segment *segment = &read.ret_segments[i];
            assert_true(i == 0 || segment->first == from);
            check_segment(log, segment, from);
            from = segment->first + chunk_count(segment->chunk);
        }
        store_op_release(&read.op);
    }
    assert_int_equal(from, log->next);
}

void world_read_some(struct world *world)
{
    const struct model_log *log = world_any_log(world);
    struct world_server *server = world_open_server(world);
    world_note(world, "server %zu reads log %zu, which ends at %llu", server->number, world_index(world, log),
               (unsigned long long)log->next);
    if (!log->purged)
        world_read_from(server, log, log->front + world_draw(world, log->next - log->front + 1));
}

// Whether a server must know all of a log: its rows have it, or its own journal.
static bool must_know(const struct world *world, const struct world_server *server, const struct model_log *log)
{
    return world_row_number(world, "next_sequence", log) == log->next ||
           world_row_number(world, "journal", log) == server->sender;
}

void world_check_status(struct world *world, struct world_server *server, const struct model_log *log)
{
    struct store_get get = {.op.kind = STORE_GET, .account = world->account, .execution_id = str_of(log->id)};
    bool knows = must_know(world, server, log);
    int err = world_run(server, &get.op);
    world_note(world, "server %zu tells of log %zu, which ends at %llu%s", server->number, world_index(world, log),
               (unsigned long long)log->next, knows ? " and is known" : "");
    if (err == ERR_UNAVAILABLE)
        return;
    const struct execution *got = &get.ret_execution;
    assert_int_equal(err, 0);
    assert_int_equal(got->row, log->row);
    assert_int_equal(got->purged, log->purged);
    assert_int_equal(got->status, log->outcome.status);
    assert_int_equal(got->sealed, log->outcome.sealed);
    assert_int_equal(got->epoch, log->outcome.epoch);
    assert_int_equal(got->next_sequence, log->next);
    assert_int_equal(got->first_sequence, log->front);
    assert_false(knows && got->digest_unknown);
    if (!got->digest_unknown) {
        assert_int_equal(got->digest, log->digest);
        assert_int_equal(got->message_bytes, log->message_bytes);
    }
    store_op_release(&get.op);
}

void world_check_producer(struct world *world, struct world_server *server, const struct model_log *log, int number)
{
    const struct sequence_producer *wanted = &log->producers[number].sequence;
    struct store_producer query = {
        .op.kind = STORE_PRODUCER, .row = log->row, .producer = str_of(model_producer_name(number))};
    bool knows = must_know(world, server, log);
    if (log->purged || world_run(server, &query.op) == ERR_UNAVAILABLE)
        return;
    assert_int_equal(query.op.err, 0);
    const struct sequence_producer *got = &query.ret_producer;
    assert_true(got->next <= wanted->next);
    if (knows)
        assert_int_equal(got->next, wanted->next);
    if (got->next == wanted->next)
        assert_int_equal(got->digest_unknown, wanted->digest_unknown);
    if (got->next == wanted->next && !wanted->digest_unknown)
        assert_int_equal(got->digest, wanted->digest);
    store_op_release(&query.op);
}

void world_look(struct world *world)
{
    const struct model_log *log = world_any_log(world);
    world_check_status(world, world_open_server(world), log);
    world_check_producer(world, world_open_server(world), log, (int)world_draw(world, MODEL_PRODUCERS));
}
