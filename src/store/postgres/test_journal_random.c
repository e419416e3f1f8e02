// Several servers of one database, of which each keeps logs and is cut off, killed, taken for dead or told nothing of
// its commits at random, while the same executions are written, sealed and cut at all of them. After each step
// everybody must have been told what a model (journal_model.h) says, and in the end the rows have all of it.
//
// RUNNEL_FAULT_SEED repeats a run as far as the threads of the stores allow. RUNNEL_FAULT_ROUNDS says how many
// hundredths of all worlds are tried, as for other random tests.
#include "store/postgres/journal_model.h"
#include "store/postgres/postgres_fixture.h"
#include "store/postgres/postgres_gate.h"
#include "store/postgres/postgres_private.h"

#include <unistd.h>

#define SERVERS      3
#define LOGS         5
#define STEPS        200 // of a world
#define WORLDS       30
#define WORLDS_MAX   1000
#define NOTES        40
#define CALLS        6
#define BURST        40    // appends, after which a log that rests is kept again
#define EXCUSES      6     // operations that may be refused after a server's connections were cut: it has some
#define IN_TIME_MS   25000 // before it is given up to learn what has become of a commit
#define PATIENCE_MS  30000
#define HOME_AT_ONCE 0
#define HOME_SOON_MS 3
#define RECORDS_KEPT 8
#define READ_MAX     600 // bytes

struct under_way {
    unsigned count;
    bool awaited;
};

struct call { // an append that is not waited for at once
    struct store_append append;
    struct model_append asked;
    struct model_log *log;
    struct server *server;
    struct under_way *under_way;
};

struct between { // among several of these: a runner takes the log, or ends it as it is
    struct store_claim claim;
    struct store_complete end;
    struct model_log *log;
    struct server *server;
    struct under_way *under_way;
};

struct server {
    struct fixture fixture; // shares all but the store
    struct postgres_gate *gate;
    char *conninfo;
    size_t number;
    uint64_t sender;
    _Atomic uint64_t home_ms;
    uint64_t home_usual_ms;
    bool shut;
    unsigned excuses;
};

struct world {
    struct fixture *fixture;
    struct server servers[SERVERS];
    struct sql *sql; // beside them
    struct model_log logs[LOGS];
    struct call calls[CALLS];
    struct between between;
    struct under_way under_way;
    int64_t account;
    uint64_t seed, random, anonymous, made;
    char notes[NOTES][160];
    size_t noted;
    uint64_t journaled, journals_lost;
    bool over;
};

// --- What it draws, and what it has done

static uint64_t draw(struct world *world, uint64_t below)
{
    return test_random(&world->random) % below;
}

static bool one_in(struct world *world, uint64_t count)
{
    return draw(world, count) == 0;
}

static size_t index_of(const struct world *world, const struct model_log *log)
{
    return (size_t)(log - world->logs);
}

static const char *answer(int err)
{
    return err < 0 ? error_word(err) : "done";
}

PRINTF_LIKE(2, 3) static void note(struct world *world, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(world->notes[world->noted++ % NOTES], sizeof(world->notes[0]), format, args);
    va_end(args);
}

static void tell(const struct world *world)
{
    print_message("RUNNEL_FAULT_SEED=%llu: after %zu notes, of which the last are\n", (unsigned long long)world->seed,
                  world->noted);
    for (size_t i = world->noted - MIN(world->noted, NOTES); i < world->noted; i++)
        print_message("  %zu %s\n", i, world->notes[i % NOTES]);
}

static struct server *open_server(struct world *world) // one that can be reached; there always is one
{
    struct server *server;
    do
        server = &world->servers[draw(world, SERVERS)];
    while (server->shut);
    return server;
}

// Most of what a log gets it gets at one server, which therefore keeps it, beside others. One that is taken from it is
// not kept for a while, so some are hardly ever.
static struct server *server_of(struct world *world, const struct model_log *log)
{
    static const struct {
        size_t server;
        uint64_t stays;
    } usual[LOGS] = {{0, 200}, {0, 200}, {0, 50}, {1, 25}, {2, 4}};
    size_t at = index_of(world, log);
    struct server *server = &world->servers[usual[at].server];
    return server->shut || one_in(world, usual[at].stays) ? open_server(world) : server;
}

static struct model_log *any_log(struct world *world)
{
    return &world->logs[draw(world, LOGS)];
}

static size_t count_open(const struct world *world)
{
    size_t count = 0;
    for (size_t i = 0; i < SERVERS; i++)
        count += !world->servers[i].shut;
    return count;
}

// What a query for one number says.
PRINTF_LIKE(2, 3) static int64_t number(const struct world *world, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return fixture_number(world->sql, text);
}

static uint64_t row_number(const struct world *world, const char *what, const struct model_log *log)
{
    return (uint64_t)number(world, "SELECT %s FROM executions WHERE id = %lld", what, (long long)log->row);
}

// --- Operations. What is refused as unavailable was not done: it is known in time what has become of a commit.

static int run(struct server *server, struct store_op *op)
{
    uint64_t began_ms = clock_mono_ms();
    int err = fixture_run(&server->fixture, op);
    if (err != ERR_UNAVAILABLE)
        return err;
    // At one that is cut off it may have waited behind a commit of the server's own, of which nobody can tell.
    assert_true(server->shut || clock_mono_ms() < began_ms + IN_TIME_MS);
    assert_true(server->shut || server->excuses > 0);
    server->excuses -= server->excuses > 0;
    return err;
}

static void check_answer(const struct store_append *append, const struct model_answer *wanted)
{
    assert_int_equal(append->op.err, wanted->err);
    if (wanted->err < 0)
        return;
    assert_int_equal(append->ret_first_sequence, wanted->first);
    assert_int_equal(append->ret_appended, wanted->appended);
    assert_int_equal(append->ret_producer_next, wanted->producer_next);
    assert_int_equal(append->ret_next, wanted->next);
}

static struct store_append append_of(const struct model_log *log, const struct model_append *asked, struct chunk *chunk)
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

static void note_append(struct world *world, const struct server *server, const struct model_log *log,
                        const struct model_append *asked, const char *what, int err)
{
    note(world, "server %zu %s: log %zu, \"%s\" %llu+%u epoch %llu%s%s: %s", server->number, what, index_of(world, log),
         model_producer_name(asked->producer), (unsigned long long)asked->first, asked->count,
         (unsigned long long)asked->epoch, asked->skip_ahead ? " skips" : "", asked->altered ? " altered" : "",
         answer(err));
}

static int append(struct world *world, struct server *server, struct model_log *log, const struct model_append *asked)
{
    CLEANUP(chunk_unref) struct chunk *chunk = model_chunk(asked);
    struct store_append append = append_of(log, asked, chunk);
    int err = run(server, &append.op);
    note_append(world, server, log, asked, "appends", err);
    if (err == ERR_UNAVAILABLE)
        return err;
    assert_false(server->shut);
    struct model_answer wanted = model_judge(log, asked);
    check_answer(&append, &wanted);
    if (err == 0)
        model_apply(log, asked, &wanted);
    return err;
}

// --- Appends

static struct model_append fresh(struct world *world, const struct model_log *log, int producer)
{
    struct model_append asked = {.producer = producer, .count = 1 + (uint32_t)draw(world, 4)};
    asked.epoch = one_in(world, 2) ? log->outcome.epoch : 0;
    if (producer == MODEL_ANONYMOUS) {
        asked.first = world->anonymous;
        world->anonymous += asked.count;
    } else {
        asked.first = log->producers[producer].sequence.next;
    }
    return asked;
}

static int any_producer(struct world *world) // the first one most often
{
    uint64_t below = 1 + draw(world, MODEL_PRODUCERS);
    return one_in(world, 8) ? MODEL_ANONYMOUS : (int)draw(world, below);
}

static void append_fresh(struct world *world)
{
    struct model_log *log = any_log(world);
    struct server *server = one_in(world, 32) ? &world->servers[draw(world, SERVERS)] : server_of(world, log);
    int producer = any_producer(world);
    for (uint64_t left = one_in(world, 8) ? BURST : 1 + draw(world, 5); left > 0; left--) {
        struct model_append asked = fresh(world, log, one_in(world, 16) ? any_producer(world) : producer);
        append(world, server, log, &asked);
    }
}

static void append_again(struct world *world) // as a whole; or with more behind it; or something else
{
    struct model_log *log = any_log(world);
    int number = (int)draw(world, MODEL_PRODUCERS);
    const struct model_producer *producer = &log->producers[number];
    if (producer->batch_count == 0)
        return;
    struct model_append asked = {.producer = number, .first = producer->batch_first, .count = producer->batch_count};
    if (one_in(world, 4) && producer->sequence.next == asked.first + asked.count)
        asked.count += 2;
    else if (one_in(world, 4))
        asked.altered = true;
    else if (one_in(world, 4) && asked.first > 0)
        asked.first--; // before its last append
    append(world, server_of(world, log), log, &asked);
}

static void append_wrong(struct world *world)
{
    struct model_log *log = any_log(world);
    struct model_append asked = fresh(world, log, (int)draw(world, MODEL_PRODUCERS));
    if (one_in(world, 2))
        asked.epoch = log->outcome.epoch > 1 ? log->outcome.epoch - 1 : log->outcome.epoch + 1;
    else
        asked.first++;
    append(world, server_of(world, log), log, &asked);
}

static void append_behind_gap(struct world *world)
{
    struct model_log *log = any_log(world);
    struct model_append asked = fresh(world, log, (int)draw(world, MODEL_PRODUCERS));
    asked.first += draw(world, 3);
    asked.skip_ahead = true;
    asked.says_digest = one_in(world, 2);
    append(world, server_of(world, log), log, &asked);
}

// --- Appends that are under way together

static void arrived(struct under_way *under_way, const struct store_op *op)
{
    if (--under_way->count == 0 && under_way->awaited)
        loop_stop(op->reply_to);
}

static void call_done(struct store_op *op)
{
    arrived(CONTAINER_OF(CONTAINER_OF(op, struct store_append, op), struct call, append)->under_way, op);
}

static void claim_done(struct store_op *op)
{
    arrived(CONTAINER_OF(CONTAINER_OF(op, struct store_claim, op), struct between, claim)->under_way, op);
}

static void end_done(struct store_op *op)
{
    arrived(CONTAINER_OF(CONTAINER_OF(op, struct store_complete, op), struct between, end)->under_way, op);
}

static void submit(struct world *world, struct server *server, struct store_op *op, void (*done)(struct store_op *op))
{
    world->under_way.count++;
    op->reply_to = server->fixture.loop;
    op->done = done;
    store_submit(server->fixture.store, op);
}

static void call(struct world *world, struct call *call, struct server *server, struct model_log *log,
                 const struct model_append *asked)
{
    struct chunk *chunk = model_chunk(asked);
    *call = (struct call){.append = append_of(log, asked, chunk),
                          .asked = *asked,
                          .log = log,
                          .server = server,
                          .under_way = &world->under_way};
    submit(world, server, &call->append.op, call_done);
}

static void await_all(struct world *world, size_t calls)
{
    world->under_way.awaited = true;
    while (world->under_way.count > 0)
        assert_int_equal(loop_run(world->fixture->loop), 0);
    world->under_way.awaited = false;
    for (size_t i = 0; i < calls; i++)
        chunk_unref(&world->calls[i].append.chunk);
}

static bool is_called(const struct world *world, size_t count, const struct model_log *log, int producer)
{
    for (size_t i = 0; i < count; i++)
        if (world->calls[i].log == log && world->calls[i].asked.producer == producer)
            return true;
    return false;
}

// --- Outcomes

static struct outcome_ask end_of(const struct store_complete *complete)
{
    return (struct outcome_ask){.cause = OUTCOME_ENDED,
                                .status = complete->status,
                                .has_exit_code = complete->has_exit_code,
                                .exit_code = complete->exit_code};
}

static int judge_end(struct world *world, const struct model_log *log, const struct store_complete *complete,
                     int producer, struct outcome *ret)
{
    const struct outcome_ask ask = end_of(complete);
    uint64_t has = log->producers[producer].sequence.next, wanted = (uint64_t)(complete->final + 1);
    if (log->purged)
        return ERR_EXPIRED;
    if (complete->epoch != 0 && complete->epoch != log->outcome.epoch)
        return ERR_FENCED;
    if (!log->outcome.sealed && wanted != has)
        return wanted > has ? ERR_GAP : ERR_CONFLICT;
    if (!log->outcome.sealed && complete->digest != log->digest)
        return ERR_DIGEST;
    return outcome_next(&log->outcome, &ask, world->fixture->now_ms, ret);
}

static void complete(struct world *world, struct server *server, struct model_log *log, struct store_complete *complete,
                     int producer)
{
    struct outcome next = log->outcome;
    int wanted = judge_end(world, log, complete, producer, &next), err = run(server, &complete->op);
    note(world, "server %zu ends log %zu: %s", server->number, index_of(world, log), answer(err));
    if (err != ERR_UNAVAILABLE)
        assert_int_equal(err, wanted);
    if (err == 0) {
        assert_true(complete->ret_execution.sealed);
        assert_int_equal(complete->ret_execution.next_sequence, log->next);
        assert_int_equal(complete->ret_execution.digest, log->digest);
        assert_false(complete->ret_execution.digest_unknown);
        assert_int_equal(complete->ret_producer.next, log->producers[producer].sequence.next);
        log->outcome = next;
    }
    store_op_release(&complete->op);
}

static struct store_complete right_end(const struct model_log *log, int producer)
{
    return (struct store_complete){.op.kind = STORE_COMPLETE,
                                   .row = log->row,
                                   .producer = str_of(model_producer_name(producer)),
                                   .epoch = log->outcome.epoch,
                                   .has_final = true,
                                   .final = (int64_t)log->producers[producer].sequence.next - 1,
                                   .has_digest = true,
                                   .digest = log->digest,
                                   .status = STATUS_COMPLETED,
                                   .has_exit_code = true};
}

static void end(struct world *world)
{
    struct model_log *log = any_log(world);
    int producer = (int)draw(world, MODEL_PRODUCERS);
    struct store_complete end = right_end(log, producer);
    switch (draw(world, 6)) {
    case 0:
        end.digest++;
        break;
    case 1:
        end.final++;
        break;
    case 2:
        end.final = MAX(end.final - 1, -1);
        break;
    case 3:
        end.epoch++;
        break;
    default:
        break;
    }
    complete(world, server_of(world, log), log, &end, producer);
}

// What comes of it is the model's; the answer must be the same.
static void expect_outcome(struct world *world, struct model_log *log, const struct outcome_ask *ask, int err)
{
    struct outcome next;
    int wanted = log->purged ? ERR_EXPIRED : outcome_next(&log->outcome, ask, world->fixture->now_ms, &next);
    if (err == ERR_UNAVAILABLE)
        return;
    assert_int_equal(err, wanted);
    if (err == 0)
        log->outcome = next;
}

static void claim(struct world *world)
{
    struct model_log *log = any_log(world);
    struct server *server = server_of(world, log);
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = log->row};
    int err = run(server, &claim.op);
    note(world, "server %zu claims log %zu: %s", server->number, index_of(world, log), answer(err));
    expect_outcome(world, log, &(struct outcome_ask){.cause = OUTCOME_CLAIMED}, err);
    if (err == 0) {
        assert_int_equal(claim.ret_execution.epoch, log->outcome.epoch);
        assert_int_equal(claim.ret_execution.next_sequence, log->next);
    }
    store_op_release(&claim.op);
}

static void change(struct world *world)
{
    static const struct outcome_ask asks[] = {
        {.cause = OUTCOME_SILENT},
        {.cause = OUTCOME_BACK},
        {.cause = OUTCOME_BACK},
        {.cause = OUTCOME_TOLD, .status = STATUS_PAUSED},
        {.cause = OUTCOME_TOLD, .status = STATUS_RUNNING},
        {.cause = OUTCOME_TOLD, .status = STATUS_RUNNING},
        {.cause = OUTCOME_TOLD, .status = STATUS_FAILED, .has_exit_code = true, .exit_code = 1},
        {.cause = OUTCOME_CANCELLED},
    };
    size_t which = draw(world, ARRAY_LEN(asks));
    struct model_log *log = any_log(world);
    struct server *server = server_of(world, log);
    struct store_update update = {
        .op.kind = STORE_UPDATE, .row = log->row, .has_outcome = true, .outcome = asks[which]};
    int err = run(server, &update.op);
    note(world, "server %zu changes log %zu, %zu: %s", server->number, index_of(world, log), which, answer(err));
    expect_outcome(world, log, &asks[which], err);
    store_op_release(&update.op);
}

// --- Together

static void ask_between(struct world *world)
{
    struct between *between = &world->between;
    *between = (struct between){.log = any_log(world), .under_way = &world->under_way};
    between->server = server_of(world, between->log);
    between->claim = (struct store_claim){.op.kind = STORE_CLAIM, .row = between->log->row};
    between->end = (struct store_complete){
        .op.kind = STORE_COMPLETE, .row = between->log->row, .status = STATUS_COMPLETED, .has_exit_code = true};
    if (one_in(world, 2))
        submit(world, between->server, &between->claim.op, claim_done);
    else
        submit(world, between->server, &between->end.op, end_done);
}

// Each append succeeds, as there are several producers, unless it came behind the end. In which order they were, is to
// be seen in what they were told.
static void check_call(struct world *world, const struct call *call)
{
    const struct between *between = &world->between;
    int err = call->append.op.err;
    note_append(world, call->server, call->log, &call->asked, "appends at once", err);
    if (err == ERR_UNAVAILABLE && call->server->excuses > 0)
        return;
    if (err == ERR_SEALED && between->log == call->log && between->end.ret_execution.sealed)
        return;
    struct model_answer wanted = model_judge(call->log, &call->asked);
    assert_int_equal(wanted.err, 0);
    check_answer(&call->append, &wanted);
    model_apply(call->log, &call->asked, &wanted);
}

static void check_between(struct world *world)
{
    struct between *between = &world->between;
    bool claims = between->claim.op.done != NULL;
    int err = claims ? between->claim.op.err : between->end.op.err;
    struct outcome_ask ask = claims ? (struct outcome_ask){.cause = OUTCOME_CLAIMED} : end_of(&between->end);
    note(world, "server %zu at once %s log %zu: %s", between->server->number, claims ? "claims" : "ends",
         index_of(world, between->log), answer(err));
    if (err == ERR_UNAVAILABLE)
        assert_true(between->server->excuses > 0);
    expect_outcome(world, between->log, &ask, err);
    if (err == 0 && !claims) {
        assert_int_equal(between->end.ret_execution.next_sequence, between->log->next);
        assert_int_equal(between->end.ret_execution.digest, between->log->digest);
    }
    if (claims)
        store_op_release(&between->claim.op);
    else
        store_op_release(&between->end.op);
}

static int compare_calls(const void *left, const void *right)
{
    uint64_t a = ((const struct call *)left)->append.ret_first_sequence;
    uint64_t b = ((const struct call *)right)->append.ret_first_sequence;
    return (a > b) - (a < b);
}

static void append_together(struct world *world)
{
    size_t count = 0, when = draw(world, 2 * CALLS); // or not
    world->between.log = NULL;
    for (size_t i = 0; i < CALLS; i++) {
        struct model_log *log = any_log(world);
        int producer = (int)draw(world, MODEL_PRODUCERS);
        struct model_append asked = fresh(world, log, producer);
        asked.epoch = 0;
        if (i == when)
            ask_between(world);
        if (!log->outcome.sealed && !log->purged && !is_called(world, count, log, producer))
            call(world, &world->calls[count++], server_of(world, log), log, &asked);
    }
    await_all(world, count);
    qsort(world->calls, count, sizeof(struct call), compare_calls);
    for (size_t i = 0; i < count; i++)
        check_call(world, &world->calls[i]);
    if (world->between.log)
        check_between(world);
}

// --- Retention

static void purge(struct world *world)
{
    struct model_log *log = any_log(world);
    struct server *server = open_server(world);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = log->row};
    int err = run(server, &purge.op);
    note(world, "server %zu purges log %zu: %s", server->number, index_of(world, log), answer(err));
    if (err == ERR_UNAVAILABLE)
        return;
    assert_int_equal(err, log->outcome.sealed || log->purged ? 0 : ERR_CONFLICT);
    if (err < 0)
        return;
    log->purged = true;
    log->front = log->next;
}

static void cut(struct world *world)
{
    static const struct retention rules = {.log.records_max = RECORDS_KEPT};
    struct model_log *log = any_log(world);
    struct server *server = open_server(world);
    struct store_front front = {.op.kind = STORE_FRONT, .row = log->row, .rules = &rules};
    if (log->purged || run(server, &front.op) < 0)
        return;
    assert_int_equal(front.ret_before.first, log->front);
    if (front.ret_after.first == log->front)
        return;
    struct store_cut cut = {
        .op.kind = STORE_CUT, .row = log->row, .rules = &rules, .before = front.ret_before, .after = front.ret_after};
    server = server_of(world, log);
    int err = run(server, &cut.op);
    note(world, "server %zu cuts log %zu before %llu: %s", server->number, index_of(world, log),
         (unsigned long long)cut.after.first, answer(err));
    if (err == ERR_UNAVAILABLE || err == ERR_CONFLICT || err == ERR_HELD) // it was merged meanwhile
        return;
    assert_int_equal(err, 0);
    log->front = cut.after.first;
    assert_true(log->next - log->front >= RECORDS_KEPT);
    assert_int_equal(cut.after.digest, model_digest_of_front(log));
}

// --- Reading

static void check_segment(const struct model_log *log, const struct store_segment *segment, uint64_t from)
{
    for (uint64_t at = from; at < segment->first + chunk_count(segment->chunk); at++) {
        struct record record;
        chunk_record(segment->chunk, (uint32_t)(at - segment->first), &record);
        assert_true(at < log->next);
        assert_true(model_is_line(&log->lines[at], &record));
    }
}

static void read_from(struct server *server, const struct model_log *log, uint64_t from)
{
    while (from < log->next) {
        struct store_read read = {.op.kind = STORE_READ, .row = log->row, .from = from, .max_bytes = READ_MAX};
        int err = run(server, &read.op);
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

static void read_some(struct world *world)
{
    const struct model_log *log = any_log(world);
    struct server *server = open_server(world);
    note(world, "server %zu reads log %zu, which ends at %llu", server->number, index_of(world, log),
         (unsigned long long)log->next);
    if (!log->purged)
        read_from(server, log, log->front + draw(world, log->next - log->front + 1));
}

// Whether a server must know all of a log: its rows have it, or its own journal.
static bool must_know(const struct world *world, const struct server *server, const struct model_log *log)
{
    return row_number(world, "next_sequence", log) == log->next || row_number(world, "journal", log) == server->sender;
}

static void check_status(struct world *world, struct server *server, const struct model_log *log)
{
    struct store_get get = {.op.kind = STORE_GET, .account = world->account, .execution_id = str_of(log->id)};
    bool knows = must_know(world, server, log);
    int err = run(server, &get.op);
    note(world, "server %zu tells of log %zu, which ends at %llu%s", server->number, index_of(world, log),
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

static void check_producer(struct world *world, struct server *server, const struct model_log *log, int number)
{
    const struct sequence_producer *wanted = &log->producers[number].sequence;
    struct store_producer query = {
        .op.kind = STORE_PRODUCER, .row = log->row, .producer = str_of(model_producer_name(number))};
    bool knows = must_know(world, server, log);
    if (log->purged || run(server, &query.op) == ERR_UNAVAILABLE)
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

static void look(struct world *world)
{
    const struct model_log *log = any_log(world);
    check_status(world, open_server(world), log);
    check_producer(world, open_server(world), log, (int)draw(world, MODEL_PRODUCERS));
}

// --- Executions

static void make(struct world *world, struct model_log *log)
{
    struct server *server = open_server(world);
    model_log_release(log);
    snprintf(log->id, sizeof(log->id), "e%llu", (unsigned long long)world->made++);
    log->outcome.status = one_in(world, 4) ? STATUS_QUEUED : STATUS_RUNNING;
    int err;
    do {
        struct store_create create = {
            .op.kind = STORE_CREATE,
            .execution = {.account = world->account, .execution_id = xstrdup(log->id), .status = log->outcome.status}};
        err = run(server, &create.op);
        log->row = create.execution.row;
        store_op_release(&create.op);
    } while (err == ERR_UNAVAILABLE);
    assert_int_equal(err, 0);
    note(world, "server %zu makes log %zu", server->number, index_of(world, log));
}

static void make_another(struct world *world)
{
    struct model_log *log = any_log(world);
    if (!log->outcome.sealed && !log->purged)
        return;
    if (!log->purged)
        read_from(open_server(world), log, log->front);
    make(world, log);
}

// --- Servers

static void close_store(struct world *world, struct server *server)
{
    struct store_stats stats;
    store_stats(server->fixture.store, &stats);
    world->journaled += stats.journaled;
    world->journals_lost += stats.journals_lost;
    store_free(&server->fixture.store);
}

static void open_store(struct world *world, struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    struct postgres_options options = postgres_fixture_options(server->conninfo, &world->fixture->now_ms);
    options.home_ms = &server->home_ms;
    options.merge_always = server->number == 0; // each such merger is busy all the time
    if (postgres_store_open(&options, &error, &server->fixture.store) < 0)
        fail_msg("%s", buf_cstr(&error));
    server->sender = postgres_store_of(server->fixture.store)->sender;
    server->excuses = 0;
}

static void shut(struct server *server, bool shuts)
{
    postgres_gate_shut(server->gate, shuts);
    server->shut = shuts;
    server->excuses = EXCUSES;
}

static void come_home(struct world *world) // what a server keeps, with its next commit
{
    struct model_log *log = any_log(world);
    struct server *server = server_of(world, log);
    int producer = any_producer(world);
    for (int i = 0; i < 2; i++) {
        struct model_append asked = fresh(world, log, producer);
        if (i > 0)
            note(world, "server %zu brings its journal home", server->number);
        server->home_ms = i > 0 ? HOME_AT_ONCE : server->home_usual_ms;
        append(world, server, log, &asked);
    }
    server->home_ms = server->home_usual_ms;
    check_status(world, open_server(world), log);
}

static void cut_connections(struct world *world)
{
    struct server *server = open_server(world);
    note(world, "server %zu: its connections end", server->number);
    postgres_gate_cut(server->gate);
    server->excuses = EXCUSES;
}

static void lose_commit(struct world *world)
{
    static const enum postgres_gate_loss losses[] = {GATE_LOSES_COMMIT, GATE_LOSES_ANSWER};
    struct model_log *log = any_log(world);
    struct server *server = server_of(world, log);
    struct model_append asked = fresh(world, log, any_producer(world));
    bool answer = one_in(world, 2);
    note(world, "server %zu: %s", server->number, answer ? "an answer will be lost" : "a commit will be lost");
    server->excuses = EXCUSES;
    postgres_gate_lose(server->gate, losses[answer], false);
    append(world, server, log, &asked);
}

static void cut_off(struct world *world) // until it is let in again
{
    struct server *server = open_server(world);
    if (count_open(world) == 1)
        return;
    note(world, "server %zu is cut off", server->number);
    shut(server, true);
}

static void let_in(struct world *world)
{
    struct server *server = &world->servers[draw(world, SERVERS)];
    if (!server->shut)
        return;
    note(world, "server %zu is let in again", server->number);
    shut(server, false);
}

// Without goodbye, or with it; and another one takes its place.
static void replace(struct world *world)
{
    struct server *server = open_server(world);
    bool dies = !one_in(world, 4);
    if (dies)
        postgres_gate_shut(server->gate, true);
    close_store(world, server);
    postgres_gate_shut(server->gate, false);
    note(world, "server %zu %s, and there is another one", server->number, dies ? "dies" : "goes");
    open_store(world, server);
}

// Some server's journal is taken for left, whether it is or not.
static void take_for_dead(struct world *world)
{
    note(world, "all are taken for dead that have said nothing since");
    number(world,
           "WITH w AS (UPDATE writers SET touched_ms = 0 WHERE EXISTS (SELECT 1 FROM journals j WHERE j.sender = "
           "writers.sender) RETURNING 1) SELECT count(*) FROM w");
}

// As a server does that starts, with those that have said nothing for a day.
static void forget_writers(struct world *world)
{
    note(world, "who has no journal is forgotten");
    number(world,
           "WITH w AS (DELETE FROM writers WHERE NOT EXISTS (SELECT 1 FROM journals j WHERE j.sender = writers.sender) "
           "RETURNING 1) SELECT count(*) FROM w");
}

// The database ends in the middle of everything, and recovers.
static void crash_database(struct world *world)
{
    if (!one_in(world, 4)) // it takes a while
        return;
    note(world, "the database crashes");
    sql_fixture_close(&world->sql);
    sql_fixture_restart(postgres_fixture_engine());
    world->sql = postgres_fixture_beside(world->fixture);
    for (size_t i = 0; i < SERVERS; i++)
        world->servers[i].excuses = EXCUSES;
}

static void work(struct world *world, size_t steps);

// The server cannot learn what has become of its commit, while others work with what it has left.
static void doubt(struct world *world)
{
    struct model_log *log = any_log(world);
    struct server *server = server_of(world, log);
    if (count_open(world) == 1 || log->outcome.sealed || log->purged)
        return;
    struct model_append asked = fresh(world, log, any_producer(world));
    if (append(world, server, log, &asked) < 0) // it may not be connected yet, and then commits nothing
        return;
    asked = fresh(world, log, asked.producer);
    struct model_answer wanted = model_judge(log, &asked);
    const struct store_append *append = &world->calls[0].append;
    size_t lost = postgres_gate_lost(server->gate);
    postgres_gate_lose(server->gate, one_in(world, 2) ? GATE_LOSES_COMMIT : GATE_LOSES_ANSWER, true);
    call(world, &world->calls[0], server, log, &asked);
    assert_true(postgres_gate_await_loss(server->gate, lost));
    server->shut = true;
    server->excuses = EXCUSES;
    bool there = row_number(world, "coalesce(log_end(id), 0)", log) == wanted.next;
    note_append(world, server, log, &asked, there ? "has not heard of" : "has lost", 0);
    if (there)
        model_apply(log, &asked, &wanted);
    work(world, 4);
    shut(server, false);
    await_all(world, 1);
    note_append(world, server, log, &asked, "has heard of", append->op.err);
    if (!there && append->op.err == ERR_UNAVAILABLE)
        return;
    if (!there)
        wanted = model_judge(log, &asked);
    check_answer(append, &wanted);
    if (!there && wanted.err == 0)
        model_apply(log, &asked, &wanted);
}

// --- Steps

typedef void step_fn(struct world *world);
struct step {
    unsigned weight;
    step_fn *take;
};

static void take_one(struct world *world, const struct step *steps, size_t count)
{
    uint64_t total = 1, drawn; // what is beyond is nothing
    for (size_t i = 0; i < count; i++)
        total += steps[i].weight;
    drawn = draw(world, total);
    for (size_t i = 0; i < count; i++) {
        if (drawn < steps[i].weight) {
            steps[i].take(world);
            return;
        }
        drawn -= steps[i].weight;
    }
}

// Those of the first table may be done while something is under way.
static const struct step works[] = {
    {40, append_fresh}, {10, append_again}, {5, append_wrong}, {5, append_behind_gap},
    {3, claim},         {2, change},        {4, end},          {5, read_some},
    {8, look},          {2, cut},
};
static const struct step others[] = {
    {8, append_together}, {2, purge},   {8, make_another},   {6, come_home}, {3, cut_connections},
    {6, lose_commit},     {3, cut_off}, {6, let_in},         {2, replace},   {4, take_for_dead},
    {2, forget_writers},  {1, doubt},   {1, crash_database},
};

static void work(struct world *world, size_t steps)
{
    for (size_t i = 0; i < steps; i++)
        take_one(world, works, ARRAY_LEN(works));
}

// --- The end: all journals come home, and the rows have what the model has.

static void await_home(struct world *world)
{
    take_for_dead(world);
    for (uint64_t until_ms = clock_mono_ms() + PATIENCE_MS; number(world, "SELECT count(*) FROM journals");) {
        assert_true(clock_mono_ms() < until_ms);
        usleep(5000);
    }
}

static void check_rows(const struct world *world, const struct model_log *log)
{
    assert_int_equal(row_number(world, "next_sequence", log), log->next);
    assert_int_equal(row_number(world, "digest", log), log->digest);
    assert_int_equal(row_number(world, "message_bytes", log), log->message_bytes);
}

static void settle_and_compare(struct world *world)
{
    struct server *last = &world->servers[0];
    for (size_t i = 0; i < SERVERS; i++)
        shut(&world->servers[i], false);
    work(world, 20);
    for (size_t i = 0; i < SERVERS; i++)
        close_store(world, &world->servers[i]);
    open_store(world, last);
    await_home(world);
    world->servers[1].shut = world->servers[2].shut = true;
    for (struct model_log *log = world->logs; log < world->logs + LOGS; log++) {
        check_status(world, last, log);
        check_rows(world, log);
        for (int producer = 0; producer < MODEL_PRODUCERS; producer++)
            check_producer(world, last, log, producer);
        if (log->purged)
            continue;
        read_from(last, log, log->front);
        struct store_complete end = right_end(log, 0);
        complete(world, last, log, &end, 0);
    }
    assert_int_equal(number(world, "SELECT count(*) FROM journals"), 0);
}

static void what_was_acknowledged_is_there_once_whatever_fails(void **state)
{
    struct world *world = *state;
    for (struct model_log *log = world->logs; log < world->logs + LOGS; log++)
        make(world, log);
    for (size_t i = 0; i < STEPS; i++)
        if (one_in(world, 4))
            take_one(world, others, ARRAY_LEN(others));
        else
            work(world, 1);
    settle_and_compare(world);
    assert_true(world->journaled > 0 && world->journals_lost > 0); // it was about something
    world->over = true;
}

// --- Worlds

static char *folder_of_server(struct sql *sql)
{
    CLEANUP(sql_statement_free)
    struct sql_statement *find = sql_prepare(sql, "SELECT current_setting('unix_socket_directories')");
    assert_int_equal(sql_row(find), 1);
    return sql_dup(find, 0);
}

static void add_server(struct world *world, size_t number, const char *folder, const char *database)
{
    struct server *server = &world->servers[number];
    server->fixture = *world->fixture;
    server->number = number;
    server->gate = postgres_gate_new(folder);
    server->conninfo = xasprintf("host=%s user=postgres dbname=%s", postgres_gate_folder(server->gate), database);
    server->home_usual_ms = one_in(world, 4) ? HOME_SOON_MS : JOURNAL_HOME_MS;
    server->home_ms = server->home_usual_ms;
    open_store(world, server);
}

static int set_up(void **state) // *state: the seed
{
    struct world *world = xcalloc(1, sizeof(*world));
    world->seed = world->random = *(const uint64_t *)*state;
    void *fixture;
    postgres_fixture_set_up(&fixture);
    world->fixture = fixture;
    world->account = fixture_account(world->fixture, "a");
    store_free(&world->fixture->store);
    world->sql = postgres_fixture_beside(world->fixture);
    CLEANUP(free_ptr) char *folder = folder_of_server(world->sql);
    CLEANUP(free_ptr) char *where = postgres_fixture_conninfo(world->fixture);
    for (size_t i = 0; i < SERVERS; i++)
        add_server(world, i, folder, strstr(where, "dbname=") + strlen("dbname="));
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    if (!world->over)
        tell(world);
    for (struct server *server = world->servers; server < world->servers + SERVERS; server++) {
        store_free(&server->fixture.store);
        postgres_gate_free(&server->gate);
        free(server->conninfo);
    }
    for (size_t i = 0; i < LOGS; i++)
        model_log_release(&world->logs[i]);
    sql_fixture_close(&world->sql);
    fixture_free(&world->fixture);
    free(world);
    return 0;
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t value = text ? strtoull(text, NULL, 10) : 0;
    return value ? value : otherwise;
}

int main(void)
{
    struct CMUnitTest tests[WORLDS_MAX];
    uint64_t seeds[WORLDS_MAX], seed = setting("RUNNEL_FAULT_SEED", clock_mono_ns() % (1 << 30));
    size_t count = (size_t)MIN(MAX(setting("RUNNEL_FAULT_ROUNDS", 10) * WORLDS / 100, 1), WORLDS_MAX);
    print_message("RUNNEL_FAULT_SEED=%llu\n", (unsigned long long)seed);
    for (size_t i = 0; i < count; i++) {
        seeds[i] = seed + i;
        tests[i] = (struct CMUnitTest){.name = "what_was_acknowledged_is_there_once_whatever_fails",
                                       .test_func = what_was_acknowledged_is_there_once_whatever_fails,
                                       .setup_func = set_up,
                                       .teardown_func = tear_down,
                                       .initial_state = &seeds[i]};
    }
    return postgres_fixture_run(tests, count);
}
