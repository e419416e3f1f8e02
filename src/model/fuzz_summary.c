// Stored summaries. The first byte picks: bytes of a summary; or the extras of records, one a line, which are folded
// whole and in two halves.
#include "model/summary.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_same(const struct summary *a, const struct summary *b)
{
    struct buf of_a = {0}, of_b = {0};
    summary_encode(a, &of_a);
    summary_encode(b, &of_b);
    check(str_eq(buf_str(&of_a), buf_str(&of_b)));
    buf_release(&of_a);
    buf_release(&of_b);
}

// What can be decoded comes out the same again, and can be gone on with.
static void read_bytes(struct str bytes)
{
    struct summary summary, again, copy;
    int err = summary_decode(bytes, &summary);
    check(err == 0 || err == ERR_CORRUPT || err == ERR_TOO_NEW);
    if (err < 0)
        return;
    struct buf encoded = {0};
    summary_encode(&summary, &encoded);
    check(summary_decode(buf_str(&encoded), &again) == 0);
    check_same(&summary, &again);
    summary_copy(&summary, &copy);
    check_same(&summary, &copy);
    for (size_t i = 0; i < summary.node_count; i++)
        check(summary_node_find(&copy, buf_str(&summary.nodes[i].id)) == &copy.nodes[i]);
    check(summary_memory(&copy) >= sizeof(copy) && summary_untyped(&copy) <= summary_records(&copy));
    buf_release(&encoded);
    summary_release(&summary);
    summary_release(&again);
    summary_release(&copy);
}

static struct chunk *chunk_of(struct str lines)
{
    struct chunk_builder *builder = chunk_builder_new();
    struct record record = {.stream = STREAM_EVENT, .message = STR("m")};
    do {
        record.extra = str_split(&lines, '\n');
        record.level = (enum record_level)(record.extra.len % LEVEL_COUNT);
        record.time_ms++;
    } while (chunk_builder_add(builder, &record) == 0 && lines.len > 0);
    struct chunk *chunk = chunk_builder_count(builder) > 0 ? chunk_builder_finish(builder, 0) : NULL;
    chunk_builder_free(&builder);
    return chunk;
}

static void fold_lines(struct str lines)
{
    struct chunk *chunk = chunk_of(lines);
    if (!chunk)
        return;
    struct summary whole, halves;
    uint32_t count = chunk_count(chunk), half = count / 2;
    summary_init(&whole, 0);
    summary_init(&halves, 0);
    check(summary_add(&whole, chunk, 0) == 0 && summary_records(&whole) == count);
    struct chunk *front = half > 0 ? chunk_slice(chunk, 0, half, 0) : NULL;
    check(!front || summary_add(&halves, front, 0) == 0);
    check(summary_add(&halves, chunk, 0) == 0);
    check_same(&whole, &halves);
    chunk_unref(&front);
    chunk_unref(&chunk);
    summary_release(&whole);
    summary_release(&halves);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str rest = str_n((const char *)data + 1, size - 1);
    if (data[0] & 1)
        read_bytes(rest);
    else
        fold_lines(rest);
    return 0;
}
