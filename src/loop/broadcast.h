// Tells all loops the same thing: what one of them hears of, or another thread, and the others have to know. Messages
// have one size and are copied, one for each loop. Like all mail, they have no limit of their own.
#pragma once

#include "loop/loop.h"

#include <stddef.h>

struct broadcast;
typedef void broadcast_fn(void *owner, const void *message); // on the loop's thread; `message` is valid during the call

struct broadcast *broadcast_new(size_t message_size);
void broadcast_free(struct broadcast **broadcast); // once all loops have delivered their mail
// Before the first message. At most 256, which is also as many loops as there may be.
void broadcast_join(struct broadcast *broadcast, struct loop *loop, broadcast_fn *heard, void *owner);
// May be called on any thread. What one thread tells arrives in its order.
void broadcast_tell(struct broadcast *broadcast, const void *message);
