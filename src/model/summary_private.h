// The inside of a summary. Only for the files summary*.c.
#pragma once

#include "model/summary.h"

// Returns the node of this id (not empty), made if there is room for it; otherwise NULL.
struct summary_node *summary_node_take(struct summary *summary, struct str id);
// Keeps an earlier attempt of a node; the oldest one goes if there are too many.
void summary_earlier_add(struct summary_node *node, const struct summary_attempt *attempt);
// Returns the listed event type, made if there is room for it; otherwise NULL.
struct summary_event_type *summary_event_type_take(struct summary *summary, struct str name);
// Returns a new one, zeroed; NULL if there is no room.
struct summary_milestone *summary_milestone_add(struct summary *summary);
