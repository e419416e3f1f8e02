#include "store/store_fixture.h"

#include "util/id.h"

#include <ftw.h>
#include <unistd.h>

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *at)
{
    (void)status;
    (void)kind;
    (void)at;
    return remove(path);
}

static void open_store(struct fixture *fixture)
{
    assert_int_equal(fixture->adapter->open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
}

struct fixture *fixture_new(const struct fixture_adapter *adapter)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->adapter = adapter;
    fixture->now_ms = 1763200000000;
    snprintf(fixture->folder, sizeof(fixture->folder), "/tmp/runnel-store-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    assert_int_equal(loop_new(&fixture->loop), 0);
    open_store(fixture);
    return fixture;
}

void fixture_reopen(struct fixture *fixture)
{
    store_free(&fixture->store);
    open_store(fixture);
}

void fixture_free(struct fixture **fixture)
{
    store_free(&(*fixture)->store);
    loop_free(&(*fixture)->loop);
    nftw((*fixture)->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(TAKE_PTR(*fixture));
}

// `done` gets only the operation. Tests run one batch at a time.
static struct {
    struct loop *loop;
    size_t left;
} running;

static void count_done(struct store_op *op)
{
    (void)op;
    if (--running.left == 0)
        loop_stop(running.loop);
}

void fixture_run_all(struct fixture *fixture, struct store_op **ops, size_t count)
{
    running.loop = fixture->loop;
    running.left = count;
    for (size_t i = 0; i < count; i++) {
        ops[i]->reply_to = fixture->loop;
        ops[i]->done = count_done;
        store_submit(fixture->store, ops[i]);
    }
    assert_int_equal(loop_run(fixture->loop), 0);
    assert_int_equal(running.left, 0);
}

int fixture_run(struct fixture *fixture, struct store_op *op)
{
    fixture_run_all(fixture, &op, 1);
    return op->err;
}

int64_t fixture_account(struct fixture *fixture, const char *name)
{
    struct store_account_ensure ensure = {.op.kind = STORE_ACCOUNT_ENSURE, .name = str_of(name)};
    assert_int_equal(fixture_run(fixture, &ensure.op), 0);
    return ensure.ret_account;
}

int64_t fixture_create(struct fixture *fixture, int64_t account, const char *execution_id, enum execution_status status)
{
    struct store_create create = {
        .op.kind = STORE_CREATE,
        .execution = {.account = account, .execution_id = xstrdup(execution_id), .status = status}};
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    int64_t row = create.execution.row;
    store_op_release(&create.op);
    return row;
}

struct execution fixture_get(struct fixture *fixture, int64_t account, const char *execution_id)
{
    struct store_get get = {.op.kind = STORE_GET, .account = account, .execution_id = str_of(execution_id)};
    assert_int_equal(fixture_run(fixture, &get.op), 0);
    return get.ret_execution;
}

// Three words of four hexadecimal digits.
static void append_noise(struct buf *out, uint64_t *random)
{
    uint64_t bits = test_random(random);
    char words[15];
    for (size_t i = 0; i < sizeof(words); i++, bits >>= 4)
        words[i] = i % 5 == 4 ? ' ' : "0123456789abcdef"[bits & 15];
    buf_append(out, words, sizeof(words));
}

struct chunk *fixture_chunk(uint64_t first, uint32_t count, size_t size, int64_t time_ms)
{
    struct chunk_builder *builder = chunk_builder_new();
    CLEANUP(buf_release) struct buf message = {0};
    for (uint32_t i = 0; i < count; i++) {
        uint64_t random = first + i;
        buf_reset(&message);
        buf_printf(&message, "line %llu ", (unsigned long long)(first + i));
        while (message.len < size)
            append_noise(&message, &random);
        const struct record record = {.time_ms = time_ms + i,
                                      .stream = (first + i) % 7 == 0 ? STREAM_STDERR : STREAM_STDOUT,
                                      .message = buf_str(&message)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    struct chunk *chunk = chunk_builder_finish(builder, 1);
    chunk_builder_free(&builder);
    return chunk;
}

struct store_append fixture_append(struct fixture *fixture, int64_t row, const char *producer, uint64_t first,
                                   struct chunk *chunk)
{
    struct store_append append = {
        .op.kind = STORE_APPEND, .row = row, .producer = str_of(producer), .first = first, .chunk = chunk};
    fixture_run(fixture, &append.op);
    return append;
}

static void each_record(const struct store_segment *segment, uint64_t from,
                        void (*each)(void *arg, uint64_t sequence, const struct record *record), void *arg)
{
    for (uint64_t end = segment->first + chunk_count(segment->chunk); from < end; from++) {
        struct record record;
        chunk_record(segment->chunk, (uint32_t)(from - segment->first), &record);
        each(arg, from, &record);
    }
}

uint64_t fixture_read(struct fixture *fixture, int64_t row, uint64_t from, size_t max_bytes,
                      void (*each)(void *arg, uint64_t sequence, const struct record *record), void *arg)
{
    for (;;) {
        struct store_read read = {.op.kind = STORE_READ, .row = row, .from = from, .max_bytes = max_bytes};
        assert_int_equal(fixture_run(fixture, &read.op), 0);
        for (size_t i = 0; i < read.ret_count; i++) {
            const struct store_segment *segment = &read.ret_segments[i];
            uint64_t end = segment->first + chunk_count(segment->chunk);
            assert_true(i == 0 ? segment->first <= from : segment->first == from);
            assert_true(end > from);
            if (each)
                each_record(segment, from, each, arg);
            from = end;
        }
        bool end = read.ret_count == 0;
        if (end)
            assert_true(from >= read.ret_next);
        store_op_release(&read.op);
        if (end)
            return from;
    }
}

struct store_append fixture_append_lines(struct fixture *fixture, int64_t row, const char *producer, uint64_t first,
                                         uint32_t count)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(first, count, 40, 1000 + (int64_t)first);
    return fixture_append(fixture, row, producer, first, chunk);
}

struct store_complete fixture_complete(struct fixture *fixture, int64_t row, const char *producer, int64_t final)
{
    struct store_complete end = {
        .op.kind = STORE_COMPLETE,
        .row = row,
        .producer = str_of(producer),
        .has_final = true,
        .final = final,
        .status = STATUS_COMPLETED,
        .has_exit_code = true,
    };
    fixture_run(fixture, &end.op);
    return end;
}

int fixture_complete_err(struct fixture *fixture, int64_t row, const char *producer, int64_t final)
{
    struct store_complete end = fixture_complete(fixture, row, producer, final);
    store_op_release(&end.op);
    return end.op.err;
}

size_t fixture_list_count(struct fixture *fixture, struct store_list list)
{
    list.op.kind = STORE_LIST;
    list.limit = 100;
    assert_int_equal(fixture_run(fixture, &list.op), 0);
    size_t count = list.ret_count;
    store_op_release(&list.op);
    return count;
}

int64_t fixture_clock(void *arg)
{
    return atomic_load((_Atomic int64_t *)arg);
}
