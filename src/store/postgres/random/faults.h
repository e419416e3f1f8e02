// What befalls the servers of a world, and its database: all of them are steps (world.h).
#pragma once

#include "store/postgres/random/world.h"

void world_cut_connections(struct world *world);
void world_lose_commit(struct world *world); // or its answer
void world_cut_off(struct world *world);     // until it is let in again
void world_let_in(struct world *world);
void world_replace(struct world *world);        // a server goes, without goodbye or with it, and another one comes
void world_take_for_dead(struct world *world);  // each server's journal is taken for left, whether it is or not
void world_forget_writers(struct world *world); // as a server does that starts, of those that say nothing for a day
// The database ends in the middle of everything, and recovers; sometimes, as that takes a while.
void world_crash_database(struct world *world);
// A server cannot learn what has become of its commit, while others work with what it has left.
void world_doubt(struct world *world);
