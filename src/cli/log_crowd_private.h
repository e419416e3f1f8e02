// What the files of log_crowd share.
#pragma once

#include "cli/batch_follow.h"
#include "cli/log_task.h"
#include "util/list.h"
#include "util/map.h"

#define CROWD_WINDOW 200  // logs that are open at a time; an account may have 1,000 followers by default
#define QUIET_MS     1000 // one that has said nothing for so long may be left for another one

enum member_state {
    MEMBER_WAITING, // for its turn
    MEMBER_OPEN,    // subscribed
    MEMBER_CLOSING, // left; what still comes of it is not taken
    MEMBER_DONE,    // its log is at its end
};

struct member {
    struct map_node node;
    struct list_node turn; // in `waiting` or `open`
    char *id;
    size_t number; // in the order of their making
    enum member_state state;
    bool queued, urgent;   // as it was listed last: not begun; it runs, and goes before others
    uint64_t heard_ms;     // when it was opened, or a record came
    struct log_task *task; // from its first turn until it is done; has its position
};

struct crowd {
    struct cli *cli;
    const char *batch; // NULL: those with the metadata of -m
    struct log_request *request;
    struct client *client;
    struct batch_follow follow; // of a batch that is followed
    struct link link;           // of others
    struct buf query;           // "/api/v1/executions?…" that finds them
    struct map members;
    struct list_node waiting, open;
    size_t open_count, closing, left, window, width; // `open_count` with those that are closing; `left`: not done
    struct member *printing;                         // whose lines may be in its buffer
    bool listed, whole;                              // all of them are known; all that there will ever be
    bool closed;                                     // nobody reads the output any more
    int code, err;
    uint64_t list_ms, ask_ms, pause_until_ms;
};

// --- log_crowd_list.c
int crowd_begin(struct crowd *crowd); // finds all that there are. 0, or an exit code after having said what is wrong
bool crowd_list(struct crowd *crowd); // finds new ones, and which run; false if the server does not say now
void crowd_append_query(json_t *frame, const struct log_reader *reader); // position and filters of a subscription
