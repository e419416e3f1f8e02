#include "util/fair_queue.h"

// A lane is kept once it was made, because an account that was busy will be busy again. There are at most as many lanes
// as accounts.
struct lane {
    struct map_node node;
    struct list_node turn; // in fair_queue.turn while the lane has items
    struct list_node items;
    int64_t account;
};

void fair_queue_init(struct fair_queue *queue)
{
    *queue = (struct fair_queue){0};
    map_init(&queue->lanes);
    list_init(&queue->turn);
}

static void lane_free(struct map_node *node, void *arg)
{
    (void)arg;
    free(CONTAINER_OF(node, struct lane, node));
}

void fair_queue_release(struct fair_queue *queue)
{
    map_each(&queue->lanes, lane_free, NULL);
    map_release(&queue->lanes);
}

static struct lane *lane_of(struct fair_queue *queue, int64_t account)
{
    if (queue->last && queue->last->account == account)
        return queue->last;
    struct map_node *node = map_find(&queue->lanes, str_n((const char *)&account, sizeof(account)));
    if (node)
        return queue->last = CONTAINER_OF(node, struct lane, node);
    struct lane *lane = xcalloc(1, sizeof(*lane));
    lane->account = account;
    list_init(&lane->turn);
    list_init(&lane->items);
    map_insert(&queue->lanes, &lane->node, str_n((const char *)&lane->account, sizeof(lane->account)));
    return queue->last = lane;
}

void fair_queue_push(struct fair_queue *queue, int64_t account, struct list_node *node)
{
    struct lane *lane = lane_of(queue, account);
    if (list_empty(&lane->items))
        list_push_back(&queue->turn, &lane->turn);
    list_push_back(&lane->items, node);
    queue->count++;
}

struct list_node *fair_queue_pop(struct fair_queue *queue)
{
    if (queue->count == 0)
        return NULL;
    struct lane *lane = CONTAINER_OF(queue->turn.next, struct lane, turn);
    struct list_node *node = lane->items.next;
    list_remove(node);
    list_remove(&lane->turn);
    if (!list_empty(&lane->items))
        list_push_back(&queue->turn, &lane->turn);
    queue->count--;
    return node;
}
