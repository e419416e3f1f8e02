// Jobs and batches in several stores, beyond what the conformance suite shows of each adapter: what waits in one store
// for what lies in another, and what only the home has.
#include "store/shards/shards.h"
#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"

#include <errno.h>
#include <sys/stat.h>

#define STORES 3
static struct store *inside[STORES]; // the stores themselves

static int open_three(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    static const char *const names[STORES] = {"a", "b", "c"};
    struct shards_member members[STORES] = {0};
    CLEANUP(buf_release) struct buf error = {0};
    const struct sqlite_tuning tuning = {.now_ms = fixture_clock, .now_arg = now_ms};
    for (size_t i = 0; i < STORES; i++) {
        CLEANUP(free_ptr) char *one = xasprintf("%s/%s", folder, names[i]);
        CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", one);
        assert_true(mkdir(one, 0700) == 0 || errno == EEXIST);
        const struct sqlite_options options = {.path = path, .readers = 1, .tuning = &tuning};
        assert_int_equal(sqlite_store_open(&options, &error, &inside[i]), 0);
        members[i] = (struct shards_member){.name = names[i], .store = inside[i]};
    }
    return shards_open(&(struct shards_options){.members = members, .count = STORES}, &error, ret);
}

static int set_up(void **state)
{
    static const struct fixture_adapter three = {"three stores", open_three};
    struct fixture *fixture = fixture_new(&three);
    assert_int_equal(fixture_account(fixture, "a"), 1);
    *state = fixture;
    return 0;
}

#define ACCOUNT 1

// --- Short words for operations

struct wanted { // what is not given is as of a job without any wishes
    struct job_parent parents[STORES];
    size_t parent_count;
    int priority;
    uint64_t queued_max;
    const char *secrets;
};

static const struct wanted plain;

static struct job_new job_of(const struct wanted *wanted)
{
    return (struct job_new){.demand = STR("process"),
                            .parents = wanted->parents,
                            .parent_count = wanted->parent_count,
                            .priority = wanted->priority,
                            .queued_max = wanted->queued_max,
                            .secrets = wanted->secrets ? str_of(wanted->secrets) : (struct str){0}};
}

static struct store_create create_of(const char *id, const struct job_new *job)
{
    return (struct store_create){.op.kind = STORE_CREATE,
                                 .execution = {.account = ACCOUNT,
                                               .execution_id = id ? xstrdup(id) : NULL,
                                               .status = job ? STATUS_QUEUED : STATUS_RUNNING,
                                               .spec_json = xstrdup("{}")},
                                 .job = job};
}

static int try_create(struct fixture *fixture, const char *id, const struct wanted *wanted, int64_t *ret_row)
{
    const struct job_new job = job_of(wanted);
    struct store_create made = create_of(id, &job);
    int err = fixture_run(fixture, &made.op);
    *ret_row = made.execution.row;
    assert_true(err < 0 || made.job == &job); // the caller's again
    store_op_release(&made.op);
    return err;
}

static int64_t create(struct fixture *fixture, const char *id, const struct wanted *wanted)
{
    int64_t row;
    assert_int_equal(try_create(fixture, id, wanted, &row), 0);
    return row;
}

// Makes jobs of this name and a number until one lies in the store; puts its identifier into `ret`. The others are
// left over.
static int64_t create_in(struct fixture *fixture, unsigned number, const char *name, char ret[32],
                         const struct wanted *wanted)
{
    for (unsigned i = 0; i < 100; i++) {
        snprintf(ret, 32, "%s-%u", name, i);
        int64_t row = create(fixture, ret, wanted);
        if (store_shard_of(row) == number)
            return row;
    }
    fail();
    return 0;
}

static void finish(struct fixture *fixture, int64_t row, enum execution_status status)
{
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .status = status};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
}

static void claim(struct fixture *fixture, int64_t row)
{
    struct store_job_claim claim = {
        .op.kind = STORE_JOB_CLAIM, .row = row, .worker_id = STR("w1"), .worker_hostname = STR("host")};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    store_op_release(&claim.op);
}

static void run(struct fixture *fixture, int64_t row, enum execution_status status)
{
    claim(fixture, row);
    finish(fixture, row, status);
}

static void settle(struct fixture *fixture, bool whole)
{
    struct store_job_settle settle = {.op.kind = STORE_JOB_SETTLE, .whole = whole};
    do
        assert_int_equal(fixture_run(fixture, &settle.op), 0);
    while (settle.ret_settled > 0);
}

static struct execution get(struct fixture *fixture, const char *id)
{
    return fixture_get(fixture, ACCOUNT, id);
}

static void assert_state(struct fixture *fixture, const char *id, enum job_state state)
{
    CLEANUP(execution_release) struct execution got = get(fixture, id);
    assert_string_equal(job_state_word(got.job.state), job_state_word(state));
}

static struct wanted after(enum dependency_wish wish, size_t count, const char *const ids[])
{
    struct wanted wanted = {.parent_count = count};
    for (size_t i = 0; i < count; i++)
        wanted.parents[i] = (struct job_parent){.id = str_of(ids[i]), .wish = wish};
    return wanted;
}

struct parents { // a job in each store
    char ids[STORES][32];
    const char *names[STORES];
    int64_t rows[STORES];
};

static struct parents *parents_in_each(struct fixture *fixture)
{
    static struct parents parents;
    for (unsigned i = 0; i < STORES; i++) {
        static const char *const names[STORES] = {"p", "q", "r"};
        parents.rows[i] = create_in(fixture, i, names[i], parents.ids[i], &plain);
        parents.names[i] = parents.ids[i];
    }
    return &parents;
}

// --- The queue

static void jobs_lie_in_all_stores_and_are_one_queue(void **state)
{
    struct fixture *fixture = *state;
    size_t shares[STORES] = {0}, seen = 0;
    for (int i = 0; i < 30; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("j%d", i);
        shares[store_shard_of(create(fixture, id, &(struct wanted){.priority = i % 3}))]++;
    }
    assert_true(shares[0] > 0 && shares[1] > 0 && shares[2] > 0);
    struct store_job_lines lines = {.op.kind = STORE_JOB_LINES};
    assert_int_equal(fixture_run(fixture, &lines.op), 0);
    assert_int_equal(lines.ret_count, 1); // one that all have
    assert_string_equal(lines.ret_lines[0].demand, "process");
    store_op_release(&lines.op);
    struct store_jobs_ready ready = {.op.kind = STORE_JOBS_READY, .account = ACCOUNT, .demand = STR("process")};
    assert_int_equal(fixture_run(fixture, &ready.op), 0);
    assert_int_equal(ready.ret_count, 30);
    for (size_t i = 1; i < ready.ret_count; i++)
        assert_true(ready.ret_jobs[i].priority <= ready.ret_jobs[i - 1].priority);
    // While each has some, none is twice in succession.
    assert_true(store_shard_of(ready.ret_jobs[0].row) != store_shard_of(ready.ret_jobs[1].row));
    for (size_t i = 0; i < ready.ret_count; i++)
        claim(fixture, ready.ret_jobs[i].row);
    struct store_jobs_claimed claimed = {.op.kind = STORE_JOBS_CLAIMED, .worker_id = STR("w1")};
    assert_int_equal(fixture_run(fixture, &claimed.op), 0);
    for (size_t i = 0; i < claimed.ret_count; i++, seen++)
        assert_true(i == 0 || claimed.ret_jobs[i].row > claimed.ret_jobs[i - 1].row);
    store_op_release(&claimed.op);
    assert_int_equal(seen, 30);
}

static void the_limit_of_queued_jobs_is_of_all_stores(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = 0;
    const struct wanted limited = {.queued_max = 9};
    for (int i = 0; i < 9; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("j%d", i);
        row = create(fixture, id, &limited);
    }
    int64_t other;
    for (int i = 10; i < 20; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("j%d", i);
        assert_int_equal(try_create(fixture, id, &limited, &other), ERR_RATE);
    }
    run(fixture, row, STATUS_FAILED);
    create(fixture, "more", &limited);
    struct store_job_retry retry = {.op = {.kind = STORE_JOB_RETRY, .account = ACCOUNT}, .row = row, .queued_max = 9};
    assert_int_equal(fixture_run(fixture, &retry.op), ERR_RATE);
    retry.queued_max = 10;
    assert_int_equal(fixture_run(fixture, &retry.op), 0);
    assert_int_equal(store_shard_of(retry.ret_execution.row), store_shard_of(row));
    assert_int_equal(retry.queued_max, 10);
    store_op_release(&retry.op);
}

// --- What waits for what lies in another store

static void a_job_waits_for_parents_in_every_store(void **state)
{
    struct fixture *fixture = *state;
    const struct parents *parents = parents_in_each(fixture);
    const struct wanted wanted = after(DEPENDENCY_OK, STORES, parents->names);
    int64_t row = create(fixture, "child", &wanted);
    assert_state(fixture, "child", JOB_HELD);
    for (unsigned i = 0; i < STORES; i++) {
        struct store_job_waits waits = {.op.kind = STORE_JOB_WAITS, .row = row};
        assert_int_equal(fixture_run(fixture, &waits.op), 0);
        assert_int_equal(waits.ret_parents, STORES - i);
        assert_non_null(waits.ret_parent);
        store_op_release(&waits.op);
        assert_state(fixture, "child", JOB_HELD);
        run(fixture, parents->rows[i], STATUS_COMPLETED);
        settle(fixture, false);
    }
    assert_state(fixture, "child", JOB_READY);
    struct store_job_links links = {.op.kind = STORE_JOB_LINKS, .row = row};
    assert_int_equal(fixture_run(fixture, &links.op), 0);
    assert_int_equal(links.ret_parent_count, STORES);
    for (size_t i = 0; i < STORES; i++)
        assert_true(links.ret_parents[i].id && !links.ret_parents[i].waits &&
                    strcmp(links.ret_parents[i].status, "completed") == 0);
    store_op_release(&links.op);
    for (size_t i = 0; i < STORES; i++) {
        links = (struct store_job_links){.op.kind = STORE_JOB_LINKS, .row = parents->rows[i]};
        assert_int_equal(fixture_run(fixture, &links.op), 0);
        assert_int_equal(links.ret_child_count, 1);
        assert_string_equal(links.ret_children[0].id, "child");
        store_op_release(&links.op);
    }
}

static void what_can_never_run_is_skipped_and_says_why(void **state)
{
    struct fixture *fixture = *state;
    char parent[32], child[32], grandchild[32];
    int64_t row = create_in(fixture, 1, "p", parent, &plain);
    struct wanted wanted = after(DEPENDENCY_OK, 1, (const char *const[]){parent});
    create_in(fixture, 2, "c", child, &wanted);
    wanted = after(DEPENDENCY_FAILED, 1, (const char *const[]){child});
    create_in(fixture, 0, "g", grandchild, &wanted);
    run(fixture, row, STATUS_FAILED);
    settle(fixture, false);
    CLEANUP(execution_release) struct execution got = get(fixture, child);
    assert_int_equal(got.status, STATUS_SKIPPED);
    CLEANUP(free_ptr) char *reason = xasprintf("it was to run if %s completed, and that one ended as failed", parent);
    assert_string_equal(got.job.reason, reason);
    assert_state(fixture, grandchild, JOB_READY); // as it ended, and not well
}

static void what_is_over_already_is_not_waited_for(void **state)
{
    struct fixture *fixture = *state;
    char parent[32], child[32];
    run(fixture, create_in(fixture, 1, "p", parent, &plain), STATUS_COMPLETED);
    settle(fixture, false);
    struct wanted wanted = after(DEPENDENCY_OK, 1, (const char *const[]){parent});
    create_in(fixture, 2, "c", child, &wanted);
    assert_state(fixture, child, JOB_READY);
    wanted = after(DEPENDENCY_FAILED, 1, (const char *const[]){parent});
    create_in(fixture, 2, "d", child, &wanted);
    CLEANUP(execution_release) struct execution got = get(fixture, child);
    assert_int_equal(got.status, STATUS_SKIPPED);
    wanted = after(DEPENDENCY_OK, 1, (const char *const[]){"nobody"});
    int64_t row;
    assert_int_equal(try_create(fixture, "e", &wanted, &row), ERR_NOT_FOUND);
}

static void an_execution_of_a_runners_own_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    char child[32];
    int64_t row = fixture_create(fixture, ACCOUNT, "wrapped", STATUS_RUNNING);
    struct wanted wanted = after(DEPENDENCY_OK, 1, (const char *const[]){"wrapped"});
    create_in(fixture, (store_shard_of(row) + 1) % STORES, "c", child, &wanted);
    assert_state(fixture, child, JOB_HELD);
    finish(fixture, row, STATUS_COMPLETED);
    settle(fixture, false);
    assert_state(fixture, child, JOB_READY);
}

// The first attempt is what others wait for, and goes before the last one has ended.
static void another_attempt_is_waited_for_though_the_first_is_purged(void **state)
{
    struct fixture *fixture = *state;
    char parent[32], child[32];
    int64_t row = create_in(fixture, 1, "p", parent, &plain);
    run(fixture, row, STATUS_FAILED);
    struct store_job_retry retry = {.op.kind = STORE_JOB_RETRY, .row = row};
    assert_int_equal(fixture_run(fixture, &retry.op), 0);
    int64_t again = retry.ret_execution.row;
    store_op_release(&retry.op);
    struct wanted wanted = after(DEPENDENCY_OK, 1, (const char *const[]){parent});
    create_in(fixture, 2, "c", child, &wanted);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    settle(fixture, true);
    assert_state(fixture, child, JOB_HELD);
    run(fixture, again, STATUS_COMPLETED);
    settle(fixture, false);
    assert_state(fixture, child, JOB_READY);
}

struct settling {
    struct store_job_settle settle;
    atomic_bool over;
};

static void settled(struct store_op *op)
{
    atomic_store(&CONTAINER_OF(op, struct settling, settle.op)->over, true);
}

// As by a server that was killed before it could tell the other store, or by one of a former version.
static void settle_inside(struct store *store)
{
    struct settling it = {.settle = {.op = {.kind = STORE_JOB_SETTLE, .done = settled}}};
    store_submit(store, &it.settle.op);
    while (!atomic_load(&it.over))
        sched_yield();
    assert_int_equal(it.settle.op.err, 0);
}

static void what_was_not_told_is_found_when_all_is_looked_through(void **state)
{
    struct fixture *fixture = *state;
    char parent[32], child[32];
    int64_t row = create_in(fixture, 1, "p", parent, &plain);
    struct wanted wanted = after(DEPENDENCY_OK, 1, (const char *const[]){parent});
    create_in(fixture, 2, "c", child, &wanted);
    run(fixture, row, STATUS_COMPLETED);
    settle_inside(inside[1]);
    fixture_reopen(fixture);
    settle(fixture, false);
    assert_state(fixture, child, JOB_HELD);
    settle(fixture, true);
    assert_state(fixture, child, JOB_READY);
}

// --- At random

#define DRAWN 60

struct drawn {
    char id[16];
    size_t parents[STORES], parent_count;
    enum dependency_wish wishes[STORES];
    enum execution_status ends; // if it runs
};

static uint64_t drawing;

static unsigned draw(unsigned below)
{
    drawing = drawing * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)(drawing >> 33) % below;
}

static void draw_job(struct fixture *fixture, struct drawn *jobs, size_t at)
{
    struct drawn *job = &jobs[at];
    struct wanted wanted = {.priority = (int)draw(3)};
    snprintf(job->id, sizeof(job->id), "j%zu", at);
    job->ends = draw(3) == 0 ? STATUS_FAILED : STATUS_COMPLETED;
    for (; job->parent_count < STORES && at > 0 && draw(2) > 0; job->parent_count++) {
        size_t i = job->parent_count;
        job->parents[i] = draw((unsigned)at);
        job->wishes[i] = (enum dependency_wish)draw(DEPENDENCY_WISH_COUNT);
        wanted.parents[i] = (struct job_parent){.id = str_of(jobs[job->parents[i]].id), .wish = job->wishes[i]};
    }
    wanted.parent_count = job->parent_count;
    create(fixture, job->id, &wanted);
}

static bool run_one(struct fixture *fixture, const struct drawn *jobs)
{
    struct store_jobs_ready ready = {.op.kind = STORE_JOBS_READY, .account = ACCOUNT, .demand = STR("process")};
    assert_int_equal(fixture_run(fixture, &ready.op), 0);
    if (ready.ret_count == 0)
        return false;
    int64_t row = ready.ret_jobs[draw((unsigned)ready.ret_count)].row;
    struct store_job_claim claim = {
        .op.kind = STORE_JOB_CLAIM, .row = row, .worker_id = STR("w1"), .worker_hostname = STR("host")};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    size_t at = (size_t)strtoul(claim.ret_execution.execution_id + 1, NULL, 10);
    store_op_release(&claim.op);
    finish(fixture, row, jobs[at].ends);
    return true;
}

// As they were made, so parents come first.
static void check_drawn(struct fixture *fixture, const struct drawn *jobs)
{
    enum execution_status expected[DRAWN];
    for (size_t i = 0; i < DRAWN; i++) {
        expected[i] = jobs[i].ends;
        for (size_t k = 0; k < jobs[i].parent_count; k++)
            if (dependency_judge(jobs[i].wishes[k], true, expected[jobs[i].parents[k]] != STATUS_COMPLETED) ==
                DEPENDENCY_IMPOSSIBLE)
                expected[i] = STATUS_SKIPPED;
        CLEANUP(execution_release) struct execution got = get(fixture, jobs[i].id);
        assert_string_equal(status_word(got.status), status_word(expected[i]));
    }
}

// A store is settled by itself now and then, so others are not told; and what is made finds parents in any state.
static void in_any_order_each_job_runs_or_is_skipped_as_its_parents_say(void **state)
{
    struct fixture *fixture = *state;
    static struct drawn jobs[DRAWN];
    size_t made = 0;
    memset(jobs, 0, sizeof(jobs));
    drawing = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)drawing);
    for (bool goes_on = true; goes_on || made < DRAWN;) {
        while (made < DRAWN && draw(8) > 0)
            draw_job(fixture, jobs, made++);
        goes_on = run_one(fixture, jobs);
        if (draw(4) == 0)
            settle_inside(inside[draw(STORES)]);
        else if (draw(4) == 0)
            settle(fixture, false);
        if (!goes_on && made == DRAWN) {
            settle(fixture, true);
            goes_on = run_one(fixture, jobs);
        }
    }
    check_drawn(fixture, jobs);
}

// --- Batches

static int64_t make_batch(struct fixture *fixture, const char *id)
{
    struct store_batch_create made = {.op.kind = STORE_BATCH_CREATE,
                                      .batch = {.account = ACCOUNT, .batch_id = xstrdup(id), .open = true}};
    assert_int_equal(fixture_run(fixture, &made.op), 0);
    int64_t row = made.batch.row;
    store_op_release(&made.op);
    return row;
}

static int64_t batch_in(struct fixture *fixture, unsigned number, const char *name, char ret[32])
{
    for (unsigned i = 0; i < 100; i++) {
        snprintf(ret, 32, "%s-%u", name, i);
        int64_t row = make_batch(fixture, ret);
        if (store_shard_of(row) == number)
            return row;
    }
    fail();
    return 0;
}

static int try_add(struct fixture *fixture, int64_t batch, const char *id, const struct wanted *wanted,
                   int64_t *ret_row, char ret_reason[256])
{
    struct job_new job = job_of(wanted);
    struct store_create made = create_of(id, &job);
    struct store_batch_add add = {.op.kind = STORE_BATCH_ADD, .row = batch, .jobs = &made, .count = 1, .append = true};
    int err = fixture_run(fixture, &add.op);
    snprintf(ret_reason, 256, "%s", made.ret_reason ? made.ret_reason : "");
    *ret_row = made.execution.row;
    assert_true(add.jobs == &made && made.job == &job);
    assert_true(err < 0 || (made.execution.job.batch == batch && add.ret_batch.row == batch));
    store_op_release(&add.op);
    return err;
}

static int64_t add(struct fixture *fixture, int64_t batch, const char *id, const struct wanted *wanted)
{
    int64_t row;
    char reason[256];
    assert_int_equal(try_add(fixture, batch, id, wanted, &row, reason), 0);
    return row;
}

static void close_batch(struct fixture *fixture, int64_t batch)
{
    struct store_batch_change change = {.op.kind = STORE_BATCH_CHANGE, .row = batch, .close = true};
    assert_int_equal(fixture_run(fixture, &change.op), 0);
    assert_int_equal(change.ret_batch.row, batch);
    store_op_release(&change.op);
}

static void a_batch_lies_whole_in_one_store_and_waits_for_another(void **state)
{
    struct fixture *fixture = *state;
    char first[32], second[32];
    int64_t one = batch_in(fixture, 1, "x", first), two = batch_in(fixture, 2, "y", second);
    int64_t rows[2] = {add(fixture, one, "x1", &plain), add(fixture, one, "x2", &plain)};
    struct wanted wanted = after(DEPENDENCY_OK, 1, (const char *const[]){first});
    int64_t waits = add(fixture, two, "y1", &wanted);
    assert_true(store_shard_of(rows[0]) == 1 && store_shard_of(rows[1]) == 1 && store_shard_of(waits) == 2);
    close_batch(fixture, one);
    run(fixture, rows[0], STATUS_COMPLETED);
    settle(fixture, false);
    assert_state(fixture, "y1", JOB_HELD);
    run(fixture, rows[1], STATUS_FAILED);
    settle(fixture, false);
    CLEANUP(execution_release) struct execution got = get(fixture, "y1");
    assert_int_equal(got.status, STATUS_SKIPPED);
    struct store_batch_failures failures = {.op.kind = STORE_BATCH_FAILURES, .row = one};
    assert_int_equal(fixture_run(fixture, &failures.op), 0);
    assert_int_equal(failures.ret_count, 1);
    assert_true(failures.ret_executions[0].row == rows[1] && failures.ret_executions[0].job.batch == one);
    store_op_release(&failures.op);
    struct store_batch_list list = {.op.kind = STORE_BATCH_LIST, .account = ACCOUNT, .limit = 1};
    size_t listed = 0;
    bool both[2] = {false, false};
    do {
        assert_int_equal(fixture_run(fixture, &list.op), 0);
        assert_int_equal(list.ret_count, 1);
        both[0] |= list.ret_batches[0].row == one;
        both[1] |= list.ret_batches[0].row == two;
        list.before = list.ret_next;
        store_op_release(&list.op);
        assert_true(++listed < 100);
    } while (list.before.rows[0] != 0);
    assert_true(both[0] && both[1]);
}

static void a_circle_through_other_stores_is_refused(void **state)
{
    struct fixture *fixture = *state;
    char batch[32], other[32], waits[32], reason[256];
    int64_t row, one = batch_in(fixture, 1, "x", batch), two = batch_in(fixture, 0, "y", other);
    struct wanted wanted = after(DEPENDENCY_OK, 1, (const char *const[]){batch});
    create_in(fixture, 2, "c", waits, &wanted);
    wanted = after(DEPENDENCY_ANY, 1, (const char *const[]){waits});
    add(fixture, two, "y1", &wanted);
    wanted = after(DEPENDENCY_ANY, 1, (const char *const[]){other});
    assert_int_equal(try_add(fixture, one, "x1", &wanted, &row, reason), ERR_INVALID);
    assert_non_null(strstr(reason, "which waits for its batch"));
    assert_non_null(strstr(reason, other));
    wanted = after(DEPENDENCY_ANY, 1, (const char *const[]){"free"});
    create(fixture, "free", &plain);
    add(fixture, one, "x2", &wanted);
}

static void a_batch_is_made_once_for_its_name_and_its_key(void **state)
{
    struct fixture *fixture = *state;
    for (int i = 0; i < 8; i++) {
        CLEANUP(free_ptr) char *key = xasprintf("key %d", i);
        int64_t rows[2];
        for (int k = 0; k < 2; k++) {
            struct store_batch_create made = {.op.kind = STORE_BATCH_CREATE,
                                              .batch = {.account = ACCOUNT, .open = true},
                                              .idempotency_key = str_of(key)};
            assert_int_equal(fixture_run(fixture, &made.op), 0);
            assert_int_equal(made.ret_existed, k == 1);
            rows[k] = made.batch.row;
            store_op_release(&made.op);
        }
        assert_int_equal(rows[0], rows[1]);
    }
}

// --- What only the home has

static void secrets_are_the_homes_wherever_a_job_lies(void **state)
{
    struct fixture *fixture = *state;
    struct store_secret_set set = {
        .op.kind = STORE_SECRET_SET, .account = ACCOUNT, .name = STR("TOKEN"), .sealed = STR("sealed")};
    assert_int_equal(fixture_run(fixture, &set.op), 0);
    for (int i = 0; i < 8; i++) {
        CLEANUP(free_ptr) char *good = xasprintf("good%d", i), *bad = xasprintf("bad%d", i);
        create(fixture, good, &(struct wanted){.secrets = "TOKEN=MINE @run"});
        const struct wanted wanted = {.secrets = "TOKEN NONE"};
        const struct job_new job = job_of(&wanted);
        struct store_create made = create_of(bad, &job);
        assert_int_equal(fixture_run(fixture, &made.op), ERR_NOT_FOUND);
        assert_non_null(strstr(made.ret_reason, "\"NONE\""));
        assert_string_equal(made.ret_field, "secrets");
        store_op_release(&made.op);
    }
}

static void inputs_are_uploaded_to_the_home_and_given_anywhere(void **state)
{
    struct fixture *fixture = *state;
    struct store_blob_new blob = {.size = 5, .key = STR("the key"), .hash = {7}};
    struct store_blob_add uploaded = {
        .op.kind = STORE_BLOB_ADD, .account = ACCOUNT, .blobs = &blob, .count = 1, .bytes_max = 100};
    assert_int_equal(fixture_run(fixture, &uploaded.op), 0);
    const struct store_input there = {.name = STR("in"), .size = 5, .mode = 0644, .hash = {7}};
    const struct store_input missing = {.name = STR("in"), .size = 5, .mode = 0644, .hash = {8}};
    const struct job_new job = job_of(&plain);
    for (int i = 0; i < 8; i++) {
        CLEANUP(free_ptr) char *id = xasprintf("j%d", i);
        struct store_create made = create_of(id, &job);
        made.input_count = 1;
        made.inputs = &missing;
        assert_int_equal(fixture_run(fixture, &made.op), ERR_INVALID);
        made.inputs = &there;
        assert_int_equal(fixture_run(fixture, &made.op), 0);
        struct store_file_list files = {
            .op.kind = STORE_FILE_LIST, .row = made.execution.row, .file_kind = STORE_FILE_INPUT};
        assert_int_equal(fixture_run(fixture, &files.op), 0);
        assert_int_equal(files.ret_count, 1);
        assert_string_equal(files.ret_files[0].key, "the key");
        store_op_release(&files.op);
        store_op_release(&made.op);
    }
}

#define ON_THREE(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_tear_down)
int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_THREE(jobs_lie_in_all_stores_and_are_one_queue),
        ON_THREE(the_limit_of_queued_jobs_is_of_all_stores),
        ON_THREE(a_job_waits_for_parents_in_every_store),
        ON_THREE(what_can_never_run_is_skipped_and_says_why),
        ON_THREE(what_is_over_already_is_not_waited_for),
        ON_THREE(an_execution_of_a_runners_own_is_waited_for),
        ON_THREE(another_attempt_is_waited_for_though_the_first_is_purged),
        ON_THREE(what_was_not_told_is_found_when_all_is_looked_through),
        ON_THREE(in_any_order_each_job_runs_or_is_skipped_as_its_parents_say),
        ON_THREE(a_batch_lies_whole_in_one_store_and_waits_for_another),
        ON_THREE(a_circle_through_other_stores_is_refused),
        ON_THREE(a_batch_is_made_once_for_its_name_and_its_key),
        ON_THREE(secrets_are_the_homes_wherever_a_job_lies),
        ON_THREE(inputs_are_uploaded_to_the_home_and_given_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
