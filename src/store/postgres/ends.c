#include "store/postgres/ends.h"

#include "store/postgres/arrays.h"

void ends_init(struct ends *ends)
{
    map_init(&ends->logs);
    map_init(&ends->producers);
    list_init(&ends->order);
}

static void forget_producers(struct ends *ends, struct ends_log *log)
{
    for (struct ends_producer *it = log->producers, *next; it; it = next) {
        next = it->next;
        map_remove(&ends->producers, &it->node);
        buf_release(&it->key);
        free(it);
    }
}

static void forget_log(struct map_node *node, void *arg)
{
    struct ends *ends = arg;
    struct ends_log *log = CONTAINER_OF(node, struct ends_log, node);
    forget_producers(ends, log);
    list_remove(&log->order);
    map_remove(&ends->logs, node);
    free(log);
}

void ends_clear(struct ends *ends)
{
    map_each(&ends->logs, forget_log, ends);
}

void ends_release(struct ends *ends)
{
    ends_clear(ends);
    map_release(&ends->logs);
    map_release(&ends->producers);
}

static struct str row_key(const int64_t *row)
{
    return str_n((const char *)row, sizeof(*row));
}

void ends_drop(struct ends *ends, int64_t row)
{
    struct map_node *node = map_find(&ends->logs, row_key(&row));
    if (node)
        forget_log(node, ends);
}

struct ends_log *ends_find(const struct ends *ends, int64_t row)
{
    struct map_node *node = map_find(&ends->logs, row_key(&row));
    return node ? CONTAINER_OF(node, struct ends_log, node) : NULL;
}

struct ends_log *ends_set(struct ends *ends, int64_t row, const struct log_state *state)
{
    struct ends_log *log = ends_find(ends, row);
    if (!log) {
        log = xcalloc(1, sizeof(*log));
        log->row = row;
        map_insert(&ends->logs, &log->node, row_key(&log->row));
        list_push_back(&ends->order, &log->order);
    }
    if (state->next >= log->state.next)
        log->state = *state;
    return log;
}

// --- Producers

static void producer_key(struct buf *out, int64_t row, struct str name)
{
    buf_append_str(out, row_key(&row));
    buf_append_str(out, name);
}

static struct ends_producer *find_producer(const struct ends *ends, int64_t row, struct str name)
{
    CLEANUP(buf_release) struct buf key = {0};
    producer_key(&key, row, name);
    struct map_node *node = map_find(&ends->producers, buf_str(&key));
    return node ? CONTAINER_OF(node, struct ends_producer, node) : NULL;
}

const struct producer_state *ends_find_producer(const struct ends *ends, int64_t row, struct str name)
{
    const struct ends_producer *producer = find_producer(ends, row, name);
    return producer ? &producer->state : NULL;
}

struct str ends_producer_name(const struct ends_producer *producer)
{
    return str_n(producer->key.data + sizeof(int64_t), producer->key.len - sizeof(int64_t));
}

void ends_set_producer(struct ends *ends, struct ends_log *log, struct str name, const struct producer_state *state)
{
    struct ends_producer *producer = find_producer(ends, log->row, name);
    if (!producer) {
        producer = xcalloc(1, sizeof(*producer));
        producer_key(&producer->key, log->row, name);
        map_insert(&ends->producers, &producer->node, buf_str(&producer->key));
        producer->next = log->producers;
        log->producers = producer;
    }
    if (state->last_sequence >= producer->state.last_sequence)
        producer->state = *state;
}

struct ends_log *ends_merge(struct ends *ends, const struct ends_log *log)
{
    struct ends_log *into = ends_set(ends, log->row, &log->state);
    for (const struct ends_producer *it = log->producers; it; it = it->next)
        ends_set_producer(ends, into, ends_producer_name(it), &it->state);
    return into;
}

// --- In order

static void put_in_order(struct map_node *node, void *arg)
{
    struct ends_log ***next = arg;
    *(*next)++ = CONTAINER_OF(node, struct ends_log, node);
}

static int compare_logs(const void *a, const void *b)
{
    const struct ends_log *const *left = a, *const *right = b;
    return ((*left)->row > (*right)->row) - ((*left)->row < (*right)->row);
}

struct ends_log **ends_in_order(const struct ends *ends)
{
    size_t count = ends->logs.count;
    struct ends_log **logs = xmalloc((count + 1) * sizeof(struct ends_log *)), **next = logs;
    map_each((struct map *)(uintptr_t)&ends->logs, put_in_order, &next); // which changes nothing there
    qsort(logs, count, sizeof(struct ends_log *), compare_logs);
    return logs;
}

void ends_list_heads(struct ends_log *const *logs, size_t count, struct buf *arrays)
{
    for (size_t i = 0; i < count; i++) {
        array_add_i64(&arrays[0], logs[i]->row);
        array_add_u64(&arrays[1], logs[i]->state.next);
        array_add_u64(&arrays[2], logs[i]->state.digest);
        array_add_u64(&arrays[3], logs[i]->state.message_bytes);
    }
}

static void list_state(int64_t row, const struct ends_producer *producer, struct buf *arrays)
{
    const struct sequence_producer *sequence = &producer->state.sequence;
    array_add_i64(&arrays[0], row);
    array_add_text(&arrays[1], ends_producer_name(producer));
    array_add_u64(&arrays[2], sequence->next);
    array_add_u64(&arrays[3], sequence->last_hash);
    array_add_u64(&arrays[4], producer->state.last_counter);
    array_add_u64(&arrays[5], producer->state.last_sequence);
    if (!sequence->digest_unknown) {
        array_add_u64(&arrays[6], sequence->digest);
        return;
    }
    array_add(&arrays[6]);
    buf_append_text(&arrays[6], "NULL");
}

void ends_list_states(struct ends_log *const *logs, size_t count, struct buf *arrays)
{
    for (size_t i = 0; i < count; i++)
        for (const struct ends_producer *it = logs[i]->producers; it; it = it->next)
            list_state(logs[i]->row, it, arrays);
}

// --- As bytes: for each log its numbers as varints and how many producers follow; for each of these the length of its
// name, the name, how its digest is known, and its numbers.

enum { DIGEST_OF_LOG, DIGEST_OWN, DIGEST_UNKNOWN }; // the producer's is most often that of the whole log

static void encode_numbers(struct buf *out, const uint64_t *numbers, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_append_varint(out, numbers[i]);
}

static void encode_producer(const struct ends_log *log, const struct ends_producer *producer, struct buf *out)
{
    const struct sequence_producer *sequence = &producer->state.sequence;
    int digest = sequence->digest_unknown                ? DIGEST_UNKNOWN
                 : sequence->digest == log->state.digest ? DIGEST_OF_LOG
                                                         : DIGEST_OWN;
    struct str name = ends_producer_name(producer);
    buf_append_varint(out, name.len);
    buf_append_str(out, name);
    buf_append_byte(out, (char)digest);
    encode_numbers(
        out,
        (uint64_t[]){sequence->next, sequence->last_hash, producer->state.last_counter, producer->state.last_sequence},
        4);
    if (digest == DIGEST_OWN)
        buf_append_varint(out, sequence->digest);
}

static void encode_log(struct map_node *node, void *arg)
{
    struct buf *out = arg;
    const struct ends_log *log = CONTAINER_OF(node, struct ends_log, node);
    uint64_t producers = 0;
    for (const struct ends_producer *it = log->producers; it; it = it->next)
        producers++;
    encode_numbers(
        out, (uint64_t[]){(uint64_t)log->row, log->state.next, log->state.digest, log->state.message_bytes, producers},
        5);
    for (const struct ends_producer *it = log->producers; it; it = it->next)
        encode_producer(log, it, out);
}

void ends_encode(const struct ends *ends, struct buf *out)
{
    map_each((struct map *)(uintptr_t)&ends->logs, encode_log, out);
}

struct bytes {
    const uint8_t *at, *end;
};

static bool decode_numbers(struct bytes *bytes, uint64_t *ret, size_t count)
{
    bool good = true;
    for (size_t i = 0; i < count && good; i++)
        good = varint_read(&bytes->at, bytes->end, &ret[i]);
    return good;
}

static bool decode_producer(struct ends *ends, struct ends_log *log, const struct log_state *led_to,
                            struct bytes *bytes)
{
    uint64_t len, numbers[4], digest = led_to->digest;
    if (!decode_numbers(bytes, &len, 1) || len >= (uint64_t)(bytes->end - bytes->at))
        return false;
    struct str name = str_n((const char *)bytes->at, len);
    bytes->at += len;
    uint8_t how = *bytes->at++;
    bool good = how <= DIGEST_UNKNOWN && decode_numbers(bytes, numbers, 4) &&
                (how != DIGEST_OWN || decode_numbers(bytes, &digest, 1));
    const struct producer_state state = {
        .sequence = {.next = numbers[0],
                     .last_hash = numbers[1],
                     .digest = how == DIGEST_UNKNOWN ? 0 : digest,
                     .digest_unknown = how == DIGEST_UNKNOWN},
        .last_counter = numbers[2],
        .last_sequence = numbers[3],
    };
    if (good)
        ends_set_producer(ends, log, name, &state);
    return good;
}

int ends_decode(struct ends *ends, struct str text)
{
    struct bytes bytes = {(const uint8_t *)text.data, (const uint8_t *)text.data + text.len};
    while (bytes.at < bytes.end) {
        uint64_t numbers[5];
        if (!decode_numbers(&bytes, numbers, 5))
            return ERR_CORRUPT;
        const struct log_state state = {numbers[1], numbers[2], numbers[3]};
        struct ends_log *log = ends_set(ends, (int64_t)numbers[0], &state);
        for (uint64_t i = 0; i < numbers[4]; i++)
            if (!decode_producer(ends, log, &state, &bytes))
                return ERR_CORRUPT;
    }
    return 0;
}
