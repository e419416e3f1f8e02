// Lists of executions and of batches: each store gives a page from its own place, and they are merged by the time when
// they were made.
#include "store/catalogue/catalogue.h"
#include "store/shards/shards_private.h"

struct listing { // offsets, of the operation and of an item of its page
    enum store_op_kind kind;
    size_t items, count, limit, before, next, began;
    size_t size, row, created, batch; // batch: 0: it has no such row
    unsigned limit_max;
};

#define LISTING(NAME, name, items, item)                                                                         \
    STORE_##NAME, offsetof(struct store_##name, items), offsetof(struct store_##name, ret_count),                \
        offsetof(struct store_##name, limit), offsetof(struct store_##name, before),                             \
        offsetof(struct store_##name, ret_next), offsetof(struct store_##name, ret_before), sizeof(struct item), \
        offsetof(struct item, row), offsetof(struct item, created_ms)
static const struct listing listings[] = {
    {LISTING(LIST, list, ret_executions, execution), offsetof(struct execution, job.batch), CATALOGUE_LIST_MAX},
    {LISTING(BATCH_LIST, batch_list, ret_batches, batch), 0, BATCH_LIST_MAX},
};

static const struct listing *listing_of(enum store_op_kind kind)
{
    return &listings[kind == STORE_BATCH_LIST];
}

static void *at(const struct store_op *op, size_t offset)
{
    return (char *)(uintptr_t)op + offset;
}

static char **items_of(const struct listing *listing, const struct store_op *op)
{
    return at(op, listing->items);
}

static size_t *count_of(const struct listing *listing, const struct store_op *op)
{
    return at(op, listing->count);
}

static struct list_place *place_of(const struct store_op *op, size_t offset)
{
    return at(op, offset);
}

static bool is_begun(const struct list_place *place)
{
    bool begun = false;
    for (size_t i = 0; i < STORE_SHARDS_MAX; i++)
        begun = begun || place->rows[i] != 0;
    return begun;
}

struct merging { // the lists of the parts
    const struct task *task;
    const struct listing *listing;
    size_t taken[STORE_SHARDS_MAX]; // by part
};

static int64_t number_of(const void *item, size_t offset)
{
    int64_t number;
    memcpy(&number, (const char *)item + offset, sizeof(number));
    return number;
}

// The item of a part's page; NULL: it has no more.
static char *item_of(const struct merging *it, unsigned i, size_t index)
{
    const struct store_op *op = part_op(it->task->parts[i]);
    return index < *count_of(it->listing, op) ? *items_of(it->listing, op) + index * it->listing->size : NULL;
}

static bool has_more(const struct merging *it, unsigned i)
{
    return place_of(part_op(it->task->parts[i]), it->listing->next)->rows[0] != 0;
}

// The newest that is left. False if there is none, or if another store may have a newer one behind what it gave.
static bool next_part(const struct merging *it, unsigned *ret)
{
    const char *newest = NULL;
    for (unsigned i = 0; i < it->task->count; i++) {
        const char *head = item_of(it, i, it->taken[i]);
        if (!head && has_more(it, i))
            return false;
        if (head && (!newest || number_of(head, it->listing->created) > number_of(newest, it->listing->created))) {
            newest = head;
            *ret = i;
        }
    }
    return newest != NULL;
}

static void row_outward(const struct member *member, char *item, size_t offset)
{
    int64_t outside = row_outside(member, number_of(item, offset));
    memcpy(item + offset, &outside, sizeof(outside));
}

static void take(struct merging *it, unsigned i)
{
    const struct listing *listing = it->listing;
    struct store_op *op = it->task->op;
    char *taken = item_of(it, i, it->taken[i]++);
    char *given = *items_of(listing, op) + (*count_of(listing, op))++ * listing->size;
    int64_t row = number_of(taken, listing->row);
    memcpy(given, taken, listing->size);
    row_outward(it->task->parts[i]->member, given, listing->row);
    if (listing->batch > 0)
        row_outward(it->task->parts[i]->member, given, listing->batch);
    memset(taken, 0, listing->size);                 // its strings are the caller's
    memcpy(taken + listing->row, &row, sizeof(row)); // set_places looks at it
}

// Each store goes on behind what was taken of it; one of which nothing was taken, where it began.
static void set_places(struct merging *it)
{
    const struct listing *listing = it->listing;
    struct list_place *next = place_of(it->task->op, listing->next), *began = place_of(it->task->op, listing->began);
    bool more = false;
    for (size_t i = 0; i < STORE_SHARDS_MAX; i++)
        next->rows[i] = began->rows[i] = i < it->task->shards->count ? LIST_PLACE_END : 0;
    for (unsigned i = 0; i < it->task->count; i++) {
        const struct list_place *from = place_of(part_op(it->task->parts[i]), listing->began);
        unsigned number = it->task->parts[i]->member->number;
        bool left = item_of(it, i, it->taken[i]) || has_more(it, i);
        began->rows[number] = from->rows[0];
        if (left)
            next->rows[number] =
                it->taken[i] > 0 ? number_of(item_of(it, i, it->taken[i] - 1), listing->row) : from->rows[0];
        more = more || left;
    }
    if (!more)
        *next = (struct list_place){0};
}

static void add_totals(const struct task *task)
{
    struct store_list *list = TASK(task, store_list);
    list->ret_total = 0;
    for (unsigned i = 0; i < task->count; i++)
        list->ret_total += PART(task->parts[i], store_list)->ret_total;
}

static void listed(struct task *task)
{
    struct store_op *op = task->op;
    struct merging it = {.task = task, .listing = listing_of(op->kind)};
    const struct listing *listing = it.listing;
    unsigned wanted = *(const unsigned *)at(op, listing->limit), from = 0;
    unsigned limit = wanted > 0 ? MIN(wanted, listing->limit_max) : listing->limit_max;
    size_t room = 0;
    int err = task_error(task);
    if (err < 0) {
        task_end(task, err);
        return;
    }
    if (op->kind == STORE_LIST)
        add_totals(task);
    for (unsigned i = 0; i < task->count; i++)
        room += *count_of(listing, part_op(task->parts[i]));
    *items_of(listing, op) = xcalloc(MIN(room, (size_t)limit) + 1, listing->size);
    while (*count_of(listing, op) < limit && next_part(&it, &from))
        take(&it, from);
    set_places(&it);
    task_end(task, 0);
}

// A store that is not in the place came after the list had begun: what it has is newer.
void go_list(struct shards *shards, struct store_op *op)
{
    const struct listing *listing = listing_of(op->kind);
    const struct list_place *before = place_of(op, listing->before);
    struct task *task = task_new(shards, op);
    bool begun = is_begun(before);
    bool counts = op->kind == STORE_LIST && CONTAINER_OF(op, struct store_list, op)->count_max > 0;
    *items_of(listing, op) = NULL;
    *count_of(listing, op) = 0;
    for (unsigned i = 0; i < shards->count; i++) {
        int64_t row = before->rows[i];
        bool over = begun && row <= 0;
        if (over && !counts)
            continue;
        struct store_op *asked = part_op(task_part(task, &shards->members[i], op->kind, op));
        *place_of(asked, listing->before) = (struct list_place){.rows = {over ? 1 : row}}; // 1: only the total
    }
    task_go(task, listed);
}
