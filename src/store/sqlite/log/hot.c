#include "store/sqlite/log/hot.h"

void hot_init(struct hot *hot)
{
    *hot = (struct hot){0};
    pthread_mutex_init(&hot->mutex, NULL);
    map_init(&hot->entries);
}

static void known_free(struct map_node *node, void *arg)
{
    (void)arg;
    struct hot_known *known = CONTAINER_OF(node, struct hot_known, node);
    free(known->producer.name);
    free(known);
}

static void entry_free(struct hot_entry *entry)
{
    map_each(&entry->producers, known_free, NULL);
    map_release(&entry->producers);
    free(entry->pieces);
    free(entry);
}

static void entry_visit_free(struct map_node *node, void *arg)
{
    (void)arg;
    entry_free(CONTAINER_OF(node, struct hot_entry, node));
}

void hot_release(struct hot *hot)
{
    map_each(&hot->entries, entry_visit_free, NULL);
    map_release(&hot->entries);
    pthread_mutex_destroy(&hot->mutex);
}

static struct str row_key(const int64_t *row)
{
    return str_n((const char *)row, sizeof(*row));
}

static struct hot_entry *entry_find(const struct hot *hot, int64_t row)
{
    struct map_node *node = map_find(&hot->entries, row_key(&row));
    return node ? CONTAINER_OF(node, struct hot_entry, node) : NULL;
}

static struct hot_entry *entry_make(struct hot *hot, int64_t row)
{
    struct hot_entry *entry = entry_find(hot, row);
    if (entry)
        return entry;
    entry = xcalloc(1, sizeof(*entry));
    entry->row = row;
    // To draw a seed for each from the kernel would cost too much.
    memcpy(entry->producers.seed, hot->entries.seed, sizeof(entry->producers.seed));
    map_insert(&hot->entries, &entry->node, row_key(&entry->row));
    return entry;
}

static struct hot_piece *entry_pieces(const struct hot_entry *entry)
{
    return entry->pieces + entry->pieces_from;
}

static void entry_make_room(struct hot_entry *entry)
{
    size_t end = entry->pieces_from + entry->piece_count;
    if (end < entry->pieces_cap)
        return;
    if (entry->pieces_from > entry->piece_count) { // more than half of the array is free at its front
        memmove(entry->pieces, entry_pieces(entry), entry->piece_count * sizeof(*entry->pieces));
        entry->pieces_from = 0;
        return;
    }
    entry->pieces_cap = entry->pieces_cap ? entry->pieces_cap * 2 : 4;
    entry->pieces = xrealloc(entry->pieces, entry->pieces_cap * sizeof(*entry->pieces));
}

static void entry_drop_if_empty(struct hot *hot, struct hot_entry *entry)
{
    if (entry->piece_count > 0)
        return;
    map_remove(&hot->entries, &entry->node);
    entry_free(entry);
}

void hot_add(struct hot *hot, int64_t row, const struct hot_piece *piece)
{
    pthread_mutex_lock(&hot->mutex);
    struct hot_entry *entry = entry_make(hot, row);
    entry_make_room(entry);
    entry_pieces(entry)[entry->piece_count++] = *piece;
    hot->pieces++;
    hot->bytes += piece->stored;
    pthread_mutex_unlock(&hot->mutex);
}

static void forget_piece(struct hot *hot, const struct hot_piece *piece)
{
    hot->pieces--;
    hot->bytes -= piece->stored;
}

void hot_remove_last(struct hot *hot, int64_t row)
{
    pthread_mutex_lock(&hot->mutex);
    struct hot_entry *entry = entry_find(hot, row);
    if (entry) {
        forget_piece(hot, &entry_pieces(entry)[--entry->piece_count]);
        entry_drop_if_empty(hot, entry);
    }
    pthread_mutex_unlock(&hot->mutex);
}

struct forget {
    struct hot_entry *entry;
    uint64_t end;
};

static void forget_known(struct map_node *node, void *arg)
{
    const struct forget *forget = arg;
    if (CONTAINER_OF(node, struct hot_known, node)->producer.state.last_sequence >= forget->end)
        return;
    map_remove(&forget->entry->producers, node);
    known_free(node, NULL);
}

static void forget_producers(struct hot_entry *entry, uint64_t end)
{
    struct forget forget = {entry, end};
    map_each(&entry->producers, forget_known, &forget);
}

void hot_remove_to(struct hot *hot, int64_t row, uint64_t end)
{
    pthread_mutex_lock(&hot->mutex);
    struct hot_entry *entry = entry_find(hot, row);
    while (entry && entry->piece_count > 0 && entry_pieces(entry)->first < end) {
        forget_piece(hot, entry_pieces(entry));
        entry->pieces_from++;
        entry->piece_count--;
    }
    if (entry) {
        forget_producers(entry, end);
        entry_drop_if_empty(hot, entry);
    }
    pthread_mutex_unlock(&hot->mutex);
}

static struct hot_producer *entry_producer(const struct hot_entry *entry, struct str name)
{
    struct map_node *node = map_find(&entry->producers, name);
    return node ? &CONTAINER_OF(node, struct hot_known, node)->producer : NULL;
}

static struct hot_producer *entry_producer_make(struct hot_entry *entry, struct str name)
{
    struct hot_producer *producer = entry_producer(entry, name);
    if (producer)
        return producer;
    struct hot_known *known = xcalloc(1, sizeof(*known));
    known->producer.name = str_dup(name);
    map_insert(&entry->producers, &known->node, str_of(known->producer.name));
    return &known->producer;
}

void hot_confirm(struct hot *hot, int64_t row, const struct log_state *state, struct str producer,
                 const struct producer_state *producer_state)
{
    pthread_mutex_lock(&hot->mutex);
    struct hot_entry *entry = entry_make(hot, row);
    entry->state = *state;
    if (producer.len > 0)
        entry_producer_make(entry, producer)->state = *producer_state;
    pthread_mutex_unlock(&hot->mutex);
}

const struct hot_entry *hot_peek(const struct hot *hot, int64_t row)
{
    return entry_find(hot, row);
}

struct executions_visit {
    int64_t last;
    int64_t *rows;
    size_t count;
};

static void executions_visit(struct map_node *node, void *arg)
{
    const struct hot_entry *entry = CONTAINER_OF(node, struct hot_entry, node);
    struct executions_visit *visit = arg;
    if (entry->piece_count > 0 && entry_pieces(entry)->id <= visit->last)
        visit->rows[visit->count++] = entry->row;
}

static int row_compare(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

size_t hot_executions(const struct hot *hot, int64_t last, int64_t **ret)
{
    struct executions_visit visit = {.last = last};
    visit.rows = xcalloc(hot->entries.count + 1, sizeof(*visit.rows));
    // The visit changes nothing. map_each takes a map that is not const, for visits that do.
    map_each((struct map *)(uintptr_t)&hot->entries, executions_visit, &visit);
    qsort(visit.rows, visit.count, sizeof(*visit.rows), row_compare);
    *ret = visit.rows;
    return visit.count;
}

bool hot_state(struct hot *hot, int64_t row, struct log_state *ret)
{
    pthread_mutex_lock(&hot->mutex);
    const struct hot_entry *entry = entry_find(hot, row);
    if (entry)
        *ret = entry->state;
    pthread_mutex_unlock(&hot->mutex);
    return entry != NULL;
}

bool hot_producer_state(struct hot *hot, int64_t row, struct str producer, struct producer_state *ret)
{
    pthread_mutex_lock(&hot->mutex);
    const struct hot_entry *entry = entry_find(hot, row);
    const struct hot_producer *found = entry ? entry_producer(entry, producer) : NULL;
    if (found)
        *ret = found->state;
    pthread_mutex_unlock(&hot->mutex);
    return found != NULL;
}

// Returns the index of the first piece that ends after `from`.
static size_t piece_at(const struct hot_entry *entry, uint64_t from)
{
    const struct hot_piece *pieces = entry_pieces(entry);
    size_t low = 0, high = entry->piece_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (pieces[middle].first + pieces[middle].count > from)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

static size_t copy_forward(const struct hot_entry *entry, uint64_t from, struct hot_piece *ret, size_t max)
{
    size_t count = 0;
    for (size_t i = piece_at(entry, from); i < entry->piece_count && count < max; i++) {
        if (entry_pieces(entry)[i].stored > 0)
            ret[count++] = entry_pieces(entry)[i];
    }
    return count;
}

static size_t copy_backward(const struct hot_entry *entry, uint64_t from, struct hot_piece *ret, size_t max)
{
    size_t end = from > 0 ? piece_at(entry, from - 1) : 0, count = 0;
    if (from > 0 && end < entry->piece_count && entry_pieces(entry)[end].first < from)
        end++;
    for (size_t i = end; i > 0 && count < max; i--) {
        if (entry_pieces(entry)[i - 1].stored > 0)
            ret[max - ++count] = entry_pieces(entry)[i - 1];
    }
    memmove(ret, ret + max - count, count * sizeof(*ret));
    return count;
}

size_t hot_pieces(struct hot *hot, int64_t row, uint64_t from, bool backward, struct hot_piece *ret, size_t max)
{
    pthread_mutex_lock(&hot->mutex);
    const struct hot_entry *entry = entry_find(hot, row);
    size_t count = 0;
    if (entry)
        count = backward ? copy_backward(entry, from, ret, max) : copy_forward(entry, from, ret, max);
    pthread_mutex_unlock(&hot->mutex);
    return count;
}

bool hot_since(struct hot *hot, int64_t row, int64_t since_ms, uint64_t *ret_first)
{
    bool found = false;
    pthread_mutex_lock(&hot->mutex);
    const struct hot_entry *entry = entry_find(hot, row);
    for (size_t i = 0; entry && i < entry->piece_count && !found; i++) {
        const struct hot_piece *piece = &entry_pieces(entry)[i];
        found = piece->time_max >= since_ms;
        if (found)
            *ret_first = piece->first;
    }
    pthread_mutex_unlock(&hot->mutex);
    return found;
}

void hot_size(struct hot *hot, size_t *ret_pieces, uint64_t *ret_bytes)
{
    pthread_mutex_lock(&hot->mutex);
    *ret_pieces = hot->pieces;
    *ret_bytes = hot->bytes;
    pthread_mutex_unlock(&hot->mutex);
}
