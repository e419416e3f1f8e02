// A queue that is fair by account. The items of one account come out in the order in which they came; accounts take
// turns, one item at a time. Not thread-safe.
#pragma once

#include "util/list.h"
#include "util/map.h"

struct lane;

struct fair_queue {
    struct map lanes;  // one for each account that was ever seen
    struct lane *last; // that was pushed to: mostly the next item is of the same account
    struct list_node turn;
    size_t count;
};

void fair_queue_init(struct fair_queue *queue);
void fair_queue_release(struct fair_queue *queue); // the caller keeps the items
void fair_queue_push(struct fair_queue *queue, int64_t account, struct list_node *node);
struct list_node *fair_queue_pop(struct fair_queue *queue); // NULL if the queue is empty
