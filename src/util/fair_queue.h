// A queue that is fair by account: within an account first come, first served; between accounts in turn, one at a time.
// Not thread-safe.
#pragma once

#include "util/list.h"
#include "util/map.h"

struct fair_queue {
    struct map lanes; // one an account that was ever seen
    struct list_node turn;
    size_t count;
};

void fair_queue_init(struct fair_queue *queue);
void fair_queue_release(struct fair_queue *queue); // the items stay the caller's
void fair_queue_push(struct fair_queue *queue, int64_t account, struct list_node *node);
struct list_node *fair_queue_pop(struct fair_queue *queue); // NULL if it is empty
