#include "store/engine/hints.h"

#include "bus/bus.h"
#include "util/map.h"

#include <pthread.h>

#define FORM     "1" // of messages; others are not read
#define LINE_MAX 160

enum message_flag { MESSAGE_NEWS = 1, MESSAGE_MISSED = 2 };
enum change_flag { CHANGE_SEALED = 1, CHANGE_PURGED = 2, CHANGE_READY = 4, CHANGE_UNSETTLED = 8 };

struct hint {
    struct map_node node;
    int64_t key; // the execution's row; of a batch alone, its row below 0
    int64_t row, account, batch;
    uint64_t next, front;
    enum execution_status status;
    unsigned flags;
};

struct hints {
    pthread_mutex_t mutex;
    uint64_t sender;
    struct hint *items;  // HINTS_MAX
    size_t count, taken; // those before `taken` are in messages of this round
    struct map by_key;   // those that gather
    bool news, missed;
};

struct hints *hints_new(uint64_t sender)
{
    struct hints *hints = xcalloc(1, sizeof(*hints));
    pthread_mutex_init(&hints->mutex, NULL);
    hints->sender = sender;
    hints->items = xcalloc(HINTS_MAX, sizeof(*hints->items));
    map_init(&hints->by_key);
    return hints;
}

void hints_free(struct hints **hints)
{
    struct hints *it = *hints;
    if (!it)
        return;
    *hints = NULL;
    map_release(&it->by_key);
    pthread_mutex_destroy(&it->mutex);
    free(it->items);
    free(it);
}

// --- Gathering

static struct hint *hint_of(struct hints *hints, int64_t key)
{
    struct map_node *node = map_find(&hints->by_key, str_n((const char *)&key, sizeof(key)));
    if (node)
        return CONTAINER_OF(node, struct hint, node);
    if (hints->count == HINTS_MAX)
        return NULL;
    struct hint *hint = &hints->items[hints->count++];
    *hint = (struct hint){.key = key};
    map_insert(&hints->by_key, &hint->node, str_n((const char *)&hint->key, sizeof(hint->key)));
    return hint;
}

static unsigned flags_of(const struct store_change *change)
{
    return (change->sealed ? CHANGE_SEALED : 0u) | (change->purged ? CHANGE_PURGED : 0u) |
           (change->ready ? CHANGE_READY : 0u) | (change->unsettled ? CHANGE_UNSETTLED : 0u);
}

static void add(struct hints *hints, const struct store_change *change)
{
    if (change->row == 0 && change->batch == 0)
        return; // what this server alone has to do with it
    struct hint *hint = hint_of(hints, change->row ? change->row : -change->batch);
    if (!hint) {
        hints->missed = true;
        return;
    }
    hint->row = change->row;
    hint->account = change->account;
    hint->batch = change->batch ? change->batch : hint->batch;
    hint->next = change->next;
    hint->front = change->front;
    hint->status = change->status;
    hint->flags |= flags_of(change); // none of them is ever taken back but `ready`, and that is a reason to look
}

void hints_add(struct hints *hints, const struct store_change *changes, size_t count)
{
    pthread_mutex_lock(&hints->mutex);
    for (size_t i = 0; i < count; i++)
        add(hints, &changes[i]);
    pthread_mutex_unlock(&hints->mutex);
}

void hints_add_news(struct hints *hints)
{
    pthread_mutex_lock(&hints->mutex);
    hints->news = true;
    pthread_mutex_unlock(&hints->mutex);
}

// --- Messages

static void write_hint(const struct hint *hint, struct buf *out)
{
    buf_printf(out, "%lld %lld %lld %llu %llu %d %u\n", (long long)hint->row, (long long)hint->account,
               (long long)hint->batch, (unsigned long long)hint->next, (unsigned long long)hint->front,
               (int)hint->status, hint->flags);
}

// What is in a message does not gather any more: what is told of it later is told anew.
static void write_hints(struct hints *hints, struct buf *out)
{
    for (; hints->taken < hints->count && out->len + LINE_MAX <= BUS_MESSAGE_MAX; hints->taken++) {
        struct hint *hint = &hints->items[hints->taken];
        map_remove(&hints->by_key, &hint->node);
        write_hint(hint, out);
    }
    if (hints->taken == hints->count)
        hints->taken = hints->count = 0;
}

bool hints_take(struct hints *hints, struct buf *out)
{
    pthread_mutex_lock(&hints->mutex);
    bool any = hints->count > 0 || hints->news || hints->missed;
    if (any) {
        unsigned flags = (hints->news ? MESSAGE_NEWS : 0u) | (hints->missed ? MESSAGE_MISSED : 0u);
        buf_printf(out, FORM " %llu %u\n", (unsigned long long)hints->sender, flags);
        hints->news = hints->missed = false;
        write_hints(hints, out);
    }
    pthread_mutex_unlock(&hints->mutex);
    return any;
}

static bool read_numbers(struct str line, int64_t *ret, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!str_to_i64(str_split(&line, ' '), &ret[i]))
            return false;
    return line.len == 0;
}

static bool read_change(struct str line, struct store_change *ret)
{
    int64_t numbers[7];
    if (!read_numbers(line, numbers, ARRAY_LEN(numbers)))
        return false;
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        if (numbers[i] < 0)
            return false;
    if (numbers[5] >= STATUS_COUNT)
        return false;
    uint64_t flags = (uint64_t)numbers[6];
    *ret = (struct store_change){
        .elsewhere = true,
        .row = numbers[0],
        .account = numbers[1],
        .batch = numbers[2],
        .first = (uint64_t)numbers[3],
        .next = (uint64_t)numbers[3],
        .front = (uint64_t)numbers[4],
        .status = (enum execution_status)numbers[5],
        .sealed = flags & CHANGE_SEALED,
        .purged = flags & CHANGE_PURGED,
        .ready = flags & CHANGE_READY,
        .unsettled = flags & CHANGE_UNSETTLED,
    };
    return true;
}

static bool read_head(struct str line, struct hints_heard *ret)
{
    uint64_t flags;
    if (!str_eq(str_split(&line, ' '), STR(FORM)) || !str_to_u64(str_split(&line, ' '), &ret->sender) ||
        !str_to_u64(line, &flags))
        return false;
    ret->news = flags & MESSAGE_NEWS;
    ret->missed = flags & MESSAGE_MISSED;
    return true;
}

bool hints_read(struct str message, struct hints_heard *ret)
{
    *ret = (struct hints_heard){0};
    size_t lines = 0;
    for (size_t i = 0; i < message.len; i++)
        lines += message.data[i] == '\n';
    if (message.len > BUS_MESSAGE_MAX || !read_head(str_split(&message, '\n'), ret))
        return false;
    ret->changes = xcalloc(lines + 1, sizeof(*ret->changes));
    while (message.len > 0) {
        if (!read_change(str_split(&message, '\n'), &ret->changes[ret->count++])) {
            free(ret->changes);
            return false;
        }
    }
    return true;
}
