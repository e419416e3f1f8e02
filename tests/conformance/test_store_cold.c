// Chunks whose bodies lie elsewhere, as every adapter of the store's port moves and reads them. The objects are in
// memory.
#include "store/store_fixture.h"
#include "util/clock.h"

#include <pthread.h>

#define LINES   6000 // of 200 bytes: several chunks
#define OBJECTS 8
#define DAY_MS  ((int64_t)24 * 3600 * 1000)

struct object {
    char name[COLD_OBJECT_MAX + 1];
    struct buf bytes;
};

struct world {
    struct fixture *fixture;
    int64_t account;
    pthread_mutex_t lock; // all of the following: the store's threads read them
    struct object objects[OBJECTS];
    size_t count;
    int err;       // of every read; 0: none
    unsigned gets; // that were made
};

static struct object *object_of(struct world *world, const char *name)
{
    for (size_t i = 0; i < world->count; i++)
        if (strcmp(world->objects[i].name, name) == 0)
            return &world->objects[i];
    return NULL;
}

static int read_object(void *arg, const char *name, uint64_t at, size_t len, struct buf *ret)
{
    struct world *world = arg;
    pthread_mutex_lock(&world->lock);
    const struct object *object = object_of(world, name);
    int err = world->err ? world->err : object ? 0 : ERR_NOT_FOUND;
    world->gets++;
    buf_reset(ret);
    if (err == 0 && at < object->bytes.len)
        buf_append(ret, object->bytes.data + at, MIN(len, object->bytes.len - (size_t)at));
    pthread_mutex_unlock(&world->lock);
    return err;
}

static void set_error(struct world *world, int err)
{
    pthread_mutex_lock(&world->lock);
    world->err = err;
    pthread_mutex_unlock(&world->lock);
}

static int set_up_with(void **state, size_t cache_max)
{
    fixture_set_up(state);
    struct world *world = xcalloc(1, sizeof(*world));
    world->fixture = *state;
    pthread_mutex_init(&world->lock, NULL);
    const struct store_cold_source source = {.read = read_object,
                                             .arg = world,
                                             .threads = 2,
                                             .waiting_max = 16,
                                             .memory_max = 64 << 20,
                                             .cache_max = cache_max};
    assert_int_equal(store_cold_serve(world->fixture->store, &source), 0);
    world->account = fixture_account(world->fixture, "a");
    *state = world;
    return 0;
}

static int set_up(void **state)
{
    return set_up_with(state, 0);
}

static int set_up_cached(void **state)
{
    return set_up_with(state, 32 << 20);
}

static int tear_down(void **state)
{
    struct world *world = *state;
    void *fixture = world->fixture;
    fixture_tear_down(&fixture);
    for (size_t i = 0; i < world->count; i++)
        buf_release(&world->objects[i].bytes);
    pthread_mutex_destroy(&world->lock);
    free(world);
    return 0;
}

static int64_t make_sealed(struct world *world, const char *id, uint64_t lines)
{
    int64_t row = fixture_create(world->fixture, world->account, id, STATUS_RUNNING);
    for (uint64_t at = 0; at < lines; at += 1000) {
        CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(at, 1000, 200, 1000 + (int64_t)at);
        assert_int_equal(fixture_append(world->fixture, row, "p", at, chunk).op.err, 0);
    }
    assert_int_equal(fixture_complete_err(world->fixture, row, "p", (int64_t)lines - 1), 0);
    return row;
}

// --- Moving

static struct store_cold_look look(struct world *world)
{
    struct store_cold_look look = {.op.kind = STORE_COLD_LOOK, .sealed_by_ms = INT64_MAX};
    assert_int_equal(fixture_run(world->fixture, &look.op), 0);
    return look;
}

// What is merged by then is all of it: a look passes over what is not.
static struct store_cold_look look_at(struct world *world, size_t rows)
{
    struct store_cold_look found = look(world);
    while (found.ret_row_count < rows) { // bounded by the time of the test
        store_op_release(&found.op);
        found = look(world);
    }
    assert_int_equal(found.ret_row_count, rows);
    return found;
}

static void put(struct world *world, const char *name, struct cold_pack *pack)
{
    cold_pack_finish(pack);
    pthread_mutex_lock(&world->lock);
    assert_true(world->count < OBJECTS);
    struct object *object = &world->objects[world->count++];
    snprintf(object->name, sizeof(object->name), "%s", name);
    buf_append_str(&object->bytes, buf_str(&pack->bytes));
    pthread_mutex_unlock(&world->lock);
    cold_pack_release(pack);
}

static struct store_cold_swap swap_of(struct world *world, struct store_cold_look *found, const char *name)
{
    struct cold_pack pack = {0};
    for (size_t i = 0; i < found->ret_count; i++) {
        struct cold_found *it = &found->ret_found[i];
        it->place = cold_pack_add(&pack, str_of(it->execution_id), it->first, it->count,
                                  str_n(found->ret_bodies.data + it->place.at, it->place.len));
    }
    put(world, name, &pack);
    return (struct store_cold_swap){.op.kind = STORE_COLD_SWAP,
                                    .object = name,
                                    .made_ms = atomic_load(&world->fixture->now_ms),
                                    .found = found->ret_found,
                                    .count = found->ret_count,
                                    .rows = found->ret_rows,
                                    .row_count = found->ret_row_count};
}

// Moves all of so many executions. Returns how many chunks.
static uint64_t move_all(struct world *world, size_t rows, const char *name)
{
    struct store_cold_look found = look_at(world, rows);
    struct store_cold_swap swap = swap_of(world, &found, name);
    assert_int_equal(fixture_run(world->fixture, &swap.op), 0);
    assert_int_equal(swap.ret_chunks, found.ret_count);
    store_op_release(&found.op);
    return swap.ret_chunks;
}

static struct store_cold_sparse sparse_of(struct world *world)
{
    struct store_cold_sparse sparse = {.op.kind = STORE_COLD_SPARSE};
    assert_int_equal(fixture_run(world->fixture, &sparse.op), 0);
    return sparse;
}

static bool is_known(struct world *world, const char *name)
{
    char names[1][COLD_OBJECT_MAX + 1];
    bool known = false;
    snprintf(names[0], sizeof(names[0]), "%s", name);
    struct store_cold_known query = {.op.kind = STORE_COLD_KNOWN,
                                     .names = (const char(*)[COLD_OBJECT_MAX + 1]) names,
                                     .count = 1,
                                     .ret_known = &known};
    assert_int_equal(fixture_run(world->fixture, &query.op), 0);
    return known;
}

// --- Reading

static void add_record(void *arg, uint64_t sequence, const struct record *record)
{
    uint64_t *digest = arg;
    *digest = record_digest_next(*digest + sequence, record);
}

static uint64_t digest_from(struct world *world, int64_t row, uint64_t from, size_t max_bytes)
{
    uint64_t digest = 0;
    fixture_read(world->fixture, row, from, max_bytes, add_record, &digest);
    return digest;
}

static struct store_read read_of(struct world *world, struct store_read read)
{
    read.op.kind = STORE_READ;
    read.max_bytes = read.max_bytes ? read.max_bytes : 1 << 20;
    fixture_run(world->fixture, &read.op);
    return read;
}

static int read_err(struct world *world, int64_t row)
{
    struct store_read read = read_of(world, (struct store_read){.row = row});
    store_op_release(&read.op);
    return read.op.err;
}

#define SHAPES 5

// First number, count and the end of what was found, in all ways of reading.
static void shapes(struct world *world, int64_t row, uint64_t ret[SHAPES][3])
{
    const struct store_read ways[SHAPES] = {
        {.row = row, .from = 3456},
        {.row = row, .from = LINES, .backward = true, .max_bytes = 1},
        {.row = row, .from = 2500, .backward = true},
        {.row = row, .by_time = true, .since_ms = 1000 + 4321},
        {.row = row, .from = 10, .closed = true, .max_bytes = 8 << 20},
    };
    for (size_t i = 0; i < SHAPES; i++) {
        struct store_read read = read_of(world, ways[i]);
        assert_int_equal(read.op.err, 0);
        assert_true(read.ret_count > 0);
        ret[i][0] = read.ret_segments[0].first;
        ret[i][1] = read.ret_count;
        const struct store_segment *last = &read.ret_segments[read.ret_count - 1];
        ret[i][2] = last->first + chunk_count(last->chunk);
        store_op_release(&read.op);
    }
}

static void what_was_moved_is_read_as_before(void **state)
{
    struct world *world = *state;
    uint64_t before[SHAPES][3], after[SHAPES][3];
    int64_t row = make_sealed(world, "e", LINES), other = make_sealed(world, "other", 1000);
    struct store_cold_look found = look_at(world, 2); // nothing is merged any more
    store_op_release(&found.op);
    uint64_t digest = digest_from(world, row, 0, 1 << 20), part = digest_from(world, row, 1234, 1);
    shapes(world, row, before);
    assert_true(move_all(world, 2, "v1/one.pack") > 2);
    assert_true(is_known(world, "v1/one.pack"));
    assert_false(is_known(world, "v1/two.pack"));
    assert_int_equal(world->gets, 0);
    assert_int_equal(digest_from(world, row, 0, 1 << 20), digest);
    assert_int_equal(digest_from(world, row, 1234, 1), part);
    shapes(world, row, after);
    assert_memory_equal(after, before, sizeof(after));
    assert_int_equal(fixture_read(world->fixture, other, 0, 1 << 20, NULL, NULL), 1000);
    struct store_cold_look none = look(world);
    assert_int_equal(none.ret_count + none.ret_row_count, 0);
    assert_true(none.ret_over);
    store_op_release(&none.op);
}

static void what_lies_together_is_read_at_once(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "e", LINES);
    uint64_t chunks = move_all(world, 1, "v1/one.pack");
    assert_true(chunks > 2);
    struct store_read read = read_of(world, (struct store_read){.row = row, .closed = true, .max_bytes = 64 << 20});
    assert_int_equal(read.op.err, 0);
    assert_int_equal(read.ret_count, chunks);
    assert_int_equal(world->gets, 1);
    store_op_release(&read.op);
}

static void what_was_read_is_not_fetched_again(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "e", LINES);
    uint64_t digest = digest_from(world, row, 0, 1 << 20);
    move_all(world, 1, "v1/one.pack");
    assert_int_equal(digest_from(world, row, 0, 1 << 20), digest);
    unsigned gets = world->gets;
    set_error(world, ERR_UNAVAILABLE);
    assert_int_equal(digest_from(world, row, 0, 1 << 20), digest);
    assert_int_equal(world->gets, gets);
}

static void what_a_search_reads_is_not_kept(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "e", LINES);
    move_all(world, 1, "v1/one.pack");
    for (unsigned n = 1; n <= 2; n++) {
        struct store_read read = {.op = {.kind = STORE_READ, .scan = true}, .row = row, .max_bytes = 64 << 20};
        assert_int_equal(fixture_run(world->fixture, &read.op), 0);
        assert_int_equal(world->gets, n);
        store_op_release(&read.op);
    }
    assert_int_equal(read_err(world, row), 0);
    unsigned gets = world->gets;
    struct store_read read = {.op = {.kind = STORE_READ, .scan = true}, .row = row, .max_bytes = 64 << 20};
    assert_int_equal(fixture_run(world->fixture, &read.op), 0); // it may use what others have read
    assert_int_equal(world->gets, gets);
    store_op_release(&read.op);
}

static void a_summary_counts_what_lies_elsewhere(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "e", LINES);
    move_all(world, 1, "v1/one.pack");
    struct store_summary query = {.op.kind = STORE_SUMMARY, .row = row};
    do
        assert_int_equal(fixture_run(world->fixture, &query.op), 0);
    while (query.ret_more);
    assert_int_equal(query.ret_summary.next, LINES);
    store_op_release(&query.op);
}

static void while_it_is_away_warm_logs_are_read_and_cold_ones_later(void **state)
{
    struct world *world = *state;
    int64_t cold = make_sealed(world, "cold", LINES);
    move_all(world, 1, "v1/one.pack");
    int64_t warm = make_sealed(world, "warm", 1000);
    set_error(world, ERR_UNAVAILABLE);
    assert_int_equal(read_err(world, cold), ERR_COLD);
    assert_int_equal(read_err(world, warm), 0);
    struct store_append append = fixture_append_lines(
        world->fixture, fixture_create(world->fixture, world->account, "new", STATUS_RUNNING), "p", 0, 1);
    assert_int_equal(append.op.err, 0);
    set_error(world, 0);
    assert_int_equal(read_err(world, cold), 0);
}

static void what_is_not_what_was_stored_is_away_until_it_is_again(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "e", LINES);
    move_all(world, 1, "v1/one.pack");
    world->objects[0].bytes.data[100] ^= 1;
    assert_int_equal(read_err(world, row), ERR_COLD);
    struct store_read read = read_of(world, (struct store_read){.row = row, .from = LINES - 1});
    assert_int_equal(read.op.err, 0); // of another body
    store_op_release(&read.op);
    world->objects[0].bytes.data[100] ^= 1;
    assert_int_equal(read_err(world, row), 0);
    size_t len = world->objects[0].bytes.len;
    world->objects[0].bytes.len = 100;
    assert_int_equal(read_err(world, row), ERR_COLD);
    world->objects[0].bytes.len = len;
    world->objects[0].name[0] = 'x'; // it is not there
    assert_int_equal(read_err(world, row), ERR_COLD);
    world->objects[0].name[0] = 'v';
    assert_int_equal(read_err(world, row), 0);
}

static int purge(struct world *world, int64_t row)
{
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    return fixture_run(world->fixture, &purge.op);
}

static void what_is_purged_before_the_swap_stays_out(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "gone", 2000), other = make_sealed(world, "stays", 2000);
    struct store_cold_look found = look_at(world, 2);
    struct store_cold_swap swap = swap_of(world, &found, "v1/one.pack");
    assert_int_equal(purge(world, row), 0);
    assert_int_equal(fixture_run(world->fixture, &swap.op), 0);
    assert_true(swap.ret_chunks > 0 && swap.ret_chunks < found.ret_count);
    assert_int_equal(read_err(world, row), ERR_EXPIRED);
    assert_int_equal(read_err(world, other), 0);
    // The same once more changes nothing, and an object of which nothing is wanted is not known.
    swap.object = "v1/again.pack";
    assert_int_equal(fixture_run(world->fixture, &swap.op), 0);
    assert_int_equal(swap.ret_chunks, 0);
    assert_false(is_known(world, "v1/again.pack"));
    store_op_release(&found.op);
}

static void a_swap_that_comes_too_late_is_refused(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "e", 2000);
    struct store_cold_look found = look_at(world, 1);
    struct store_cold_swap swap = swap_of(world, &found, "v1/one.pack");
    atomic_fetch_add(&world->fixture->now_ms, STORE_COLD_SWAP_MS + 1);
    assert_int_equal(fixture_run(world->fixture, &swap.op), ERR_EXPIRED);
    assert_false(is_known(world, "v1/one.pack"));
    set_error(world, ERR_UNAVAILABLE);
    assert_int_equal(read_err(world, row), 0); // it is in the store
    store_op_release(&found.op);
}

static int64_t start_node(struct world *world, int64_t former)
{
    struct store_node_start start = {.op.kind = STORE_NODE_START, .node_kind = NODE_SERVER, .former = former};
    assert_int_equal(fixture_run(world->fixture, &start.op), 0);
    return start.ret_node;
}

static uint64_t claim(struct world *world, int64_t node)
{
    struct store_lease lease = {.op.kind = STORE_LEASE,
                                .lease_kind = LEASE_COLD,
                                .subject = STORE_COLD_SUBJECT,
                                .ask = {.cause = NODE_LEASE_CLAIM, .node = node}};
    assert_int_equal(fixture_run(world->fixture, &lease.op), 0);
    return lease.ret_lease.epoch;
}

// Else what another one has swept meanwhile would be wanted.
static void a_swap_of_who_does_not_move_any_more_is_refused(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "e", 2000), node = start_node(world, 0);
    struct store_cold_look found = look_at(world, 1);
    struct store_cold_swap swap = swap_of(world, &found, "v1/one.pack");
    swap.node = node;
    swap.epoch = claim(world, node);
    int64_t other = start_node(world, node); // which takes the first one for gone
    claim(world, other);
    assert_int_equal(fixture_run(world->fixture, &swap.op), ERR_FENCED);
    swap.node = other; // it has it, but had it not when the object was sent
    assert_int_equal(fixture_run(world->fixture, &swap.op), ERR_FENCED);
    assert_false(is_known(world, "v1/one.pack"));
    set_error(world, ERR_UNAVAILABLE);
    assert_int_equal(read_err(world, row), 0); // it is in the store
    swap.epoch = claim(world, other);
    assert_int_equal(fixture_run(world->fixture, &swap.op), 0);
    assert_int_equal(read_err(world, row), ERR_COLD);
    store_op_release(&found.op);
}

// The mark of the place: what is there, and what is written next.
static void a_store_knows_its_own_mark_and_no_other(void **state)
{
    struct world *world = *state;
    int64_t node = start_node(world, 0);
    static const struct {
        const char *found, *next;
        int err;
    } steps[] = {
        {"theirs", "a", ERR_CONFLICT}, // before it has one of its own
        {"", "a", 0},
        {"theirs", "b", ERR_CONFLICT},
        {"a", "b", 0}, // it arrived
        {"a", "c", 0}, // b did not
        {"b", "d", ERR_CONFLICT},
        {"c", "d", 0},
        {"a", "e", ERR_CONFLICT}, // of long ago: a copy of that time goes on
        {"", "f", 0},             // somebody has removed it
        {"d", "g", ERR_CONFLICT},
        {"f", "g", 0},
    };
    struct store_cold_own own = {.op.kind = STORE_COLD_OWN, .node = node, .epoch = claim(world, node)};
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        own.found = str_of(steps[i].found);
        own.next = str_of(steps[i].next);
        assert_int_equal(fixture_run(world->fixture, &own.op), steps[i].err);
    }
    claim(world, start_node(world, node));
    own.found = STR("g");
    assert_int_equal(fixture_run(world->fixture, &own.op), ERR_FENCED);
}

// One query may ask for what lies elsewhere only so often, however long the log is.
static void a_query_fetches_all_that_it_reads_at_once(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "e", 40000);
    assert_true(move_all(world, 1, "v1/one.pack") > 30);
    struct store_summary query = {.op.kind = STORE_SUMMARY, .row = row};
    do {
        unsigned gets = world->gets;
        assert_int_equal(fixture_run(world->fixture, &query.op), 0);
        assert_true(world->gets <= gets + 1);
    } while (query.ret_more);
    assert_int_equal(query.ret_summary.next, 40000);
    store_op_release(&query.op);
    unsigned gets = world->gets;
    struct store_read read = read_of(world, (struct store_read){.row = row, .closed = true, .max_bytes = 1 << 20});
    assert_int_equal(read.op.err, 0);
    assert_int_equal(world->gets, gets + 1);
    store_op_release(&read.op);
}

static void pack_is_forgotten(struct world *world, int64_t pack)
{
    struct store_cold_drop drop = {.op.kind = STORE_COLD_DROP, .pack = pack};
    assert_int_equal(fixture_run(world->fixture, &drop.op), 0);
}

// Purges go on in the background. Waits until the pack has only what is wanted of `row`; 0: nothing.
static struct store_cold_sparse wait_sparse(struct world *world, int64_t row)
{
    struct store_cold_sparse sparse = sparse_of(world);
    while (sparse.ret_pack == 0 || (sparse.ret_count > 0 ? sparse.ret_found[0].row : 0) != row) {
        store_op_release(&sparse.op);
        sparse = sparse_of(world);
    }
    return sparse;
}

static void a_pack_of_which_nothing_is_wanted_goes(void **state)
{
    struct world *world = *state;
    int64_t row = make_sealed(world, "e", 2000);
    move_all(world, 1, "v1/one.pack");
    struct store_cold_sparse sparse = sparse_of(world);
    assert_int_equal(sparse.ret_pack, 0);
    assert_int_equal(purge(world, row), 0);
    sparse = wait_sparse(world, 0);
    assert_string_equal(sparse.ret_object, "v1/one.pack");
    assert_true(is_known(world, "v1/one.pack"));
    pack_is_forgotten(world, sparse.ret_pack);
    assert_false(is_known(world, "v1/one.pack"));
    struct store_cold_drop again = {.op.kind = STORE_COLD_DROP, .pack = sparse.ret_pack};
    assert_int_equal(fixture_run(world->fixture, &again.op), ERR_CONFLICT);
}

static void what_is_left_of_a_pack_is_written_anew(void **state)
{
    struct world *world = *state;
    int64_t gone = make_sealed(world, "gone", LINES), row = make_sealed(world, "stays", 2000);
    uint64_t digest = digest_from(world, row, 0, 1 << 20);
    move_all(world, 2, "v1/one.pack");
    assert_int_equal(purge(world, gone), 0);
    struct store_cold_sparse sparse = wait_sparse(world, row);
    struct cold_pack pack = {0};
    const struct object *old = &world->objects[0];
    struct store_cold_drop too_soon = {.op.kind = STORE_COLD_DROP, .pack = sparse.ret_pack};
    assert_int_equal(fixture_run(world->fixture, &too_soon.op), ERR_CONFLICT);
    for (size_t i = 0; i < sparse.ret_count; i++) {
        struct cold_found *it = &sparse.ret_found[i];
        uint64_t checksum = it->place.checksum;
        it->place = cold_pack_add(&pack, str_of(it->execution_id), it->first, it->count,
                                  str_n(old->bytes.data + it->place.at, it->place.len));
        assert_int_equal(it->place.checksum, checksum);
    }
    put(world, "v1/two.pack", &pack);
    struct store_cold_swap swap = {.op.kind = STORE_COLD_SWAP,
                                   .object = "v1/two.pack",
                                   .made_ms = atomic_load(&world->fixture->now_ms),
                                   .found = sparse.ret_found,
                                   .count = sparse.ret_count};
    assert_int_equal(fixture_run(world->fixture, &swap.op), 0);
    assert_int_equal(swap.ret_chunks, sparse.ret_count);
    pack_is_forgotten(world, sparse.ret_pack);
    store_op_release(&sparse.op);
    world->objects[0].name[0] = 'x';
    assert_int_equal(digest_from(world, row, 0, 1 << 20), digest);
}

static void a_front_of_what_lies_elsewhere_is_cut(void **state)
{
    struct world *world = *state;
    static const struct retention rules = {.log.records_max = 1500};
    int64_t row = make_sealed(world, "e", LINES);
    move_all(world, 1, "v1/one.pack");
    struct store_front front = {.op.kind = STORE_FRONT, .row = row, .rules = &rules};
    set_error(world, ERR_UNAVAILABLE);
    assert_int_equal(fixture_run(world->fixture, &front.op), ERR_COLD);
    set_error(world, 0);
    front = (struct store_front){.op.kind = STORE_FRONT, .row = row, .rules = &rules};
    assert_int_equal(fixture_run(world->fixture, &front.op), 0);
    assert_true(front.ret_after.first > 0 && front.ret_after.first <= LINES - 1500 && front.ret_after.has_digest);
    struct store_cut cut = {
        .op.kind = STORE_CUT, .row = row, .rules = &rules, .before = front.ret_before, .after = front.ret_after};
    assert_int_equal(fixture_run(world->fixture, &cut.op), 0);
    assert_int_equal(fixture_read(world->fixture, row, front.ret_after.first, 1 << 20, NULL, NULL), LINES);
    struct store_cold_sparse sparse = sparse_of(world); // three quarters have gone
    assert_true(sparse.ret_pack > 0 && sparse.ret_count > 0);
    assert_true(sparse.ret_found[0].first >= front.ret_after.first);
    store_op_release(&sparse.op);
}

static void packs_hold_one_day(void **state)
{
    struct world *world = *state;
    make_sealed(world, "one", 1000);
    struct store_cold_look found = look_at(world, 1);
    int64_t sealed_ms = found.ret_sealed_ms;
    store_op_release(&found.op);
    atomic_fetch_add(&world->fixture->now_ms, DAY_MS);
    make_sealed(world, "two", 1000);
    struct store_cold_backlog backlog = {.op.kind = STORE_COLD_BACKLOG, .sealed_by_ms = INT64_MAX};
    assert_int_equal(fixture_run(world->fixture, &backlog.op), 0);
    assert_int_equal(backlog.ret_waiting, 2);
    assert_int_equal(backlog.ret_oldest_ms, sealed_ms);
    found = look_at(world, 1);
    assert_false(found.ret_over);
    struct store_cold_look next = {.op.kind = STORE_COLD_LOOK, .sealed_by_ms = INT64_MAX, .cursor = found.cursor};
    store_op_release(&found.op);
    while (next.ret_row_count == 0) { // it is being merged
        struct cold_cursor from = next.cursor;
        store_op_release(&next.op);
        next = (struct store_cold_look){.op.kind = STORE_COLD_LOOK, .sealed_by_ms = INT64_MAX, .cursor = from};
        assert_int_equal(fixture_run(world->fixture, &next.op), 0);
        if (next.ret_row_count == 0)
            next.cursor = from;
    }
    assert_true(next.ret_over);
    assert_int_equal(next.ret_sealed_ms / DAY_MS, sealed_ms / DAY_MS + 1);
    store_op_release(&next.op);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(what_was_moved_is_read_as_before),
        TEST(what_lies_together_is_read_at_once),
        cmocka_unit_test_setup_teardown(what_was_read_is_not_fetched_again, set_up_cached, tear_down),
        cmocka_unit_test_setup_teardown(what_a_search_reads_is_not_kept, set_up_cached, tear_down),
        TEST(a_summary_counts_what_lies_elsewhere),
        TEST(while_it_is_away_warm_logs_are_read_and_cold_ones_later),
        TEST(what_is_not_what_was_stored_is_away_until_it_is_again),
        TEST(what_is_purged_before_the_swap_stays_out),
        TEST(a_swap_that_comes_too_late_is_refused),
        TEST(a_swap_of_who_does_not_move_any_more_is_refused),
        TEST(a_store_knows_its_own_mark_and_no_other),
        TEST(a_query_fetches_all_that_it_reads_at_once),
        TEST(a_pack_of_which_nothing_is_wanted_goes),
        TEST(what_is_left_of_a_pack_is_written_anew),
        TEST(a_front_of_what_lies_elsewhere_is_cut),
        TEST(packs_hold_one_day),
    };
    return fixture_each_merging(tests, ARRAY_LEN(tests));
}
