// One connection to /ws/streams for everything that a command follows. It is opened again after a loss: at once the
// first time, then later and later, at most 5 s apart, for ever. The owner polls its descriptor and calls link_step.
#pragma once

#include "cli/cli_private.h"

#include <poll.h>

enum link_state {
    LINK_DOWN,    // not yet open, or lost; it is opened when its time has come
    LINK_UP,      // open
    LINK_BLOCKED, // something on the way lets no WebSocket through; for good
    LINK_REFUSED, // for good; `refusal` says why
};

struct link {
    struct cli *cli;
    void *owner;
    void (*opened)(void *owner); // subscribe again
    void (*message)(void *owner, struct str json);
    enum link_state state;
    struct client_options options;
    struct client_ws *ws;
    bool reached, heard; // the server has answered ever; something came on this connection
    bool loss_told;
    unsigned failures;
    uint64_t due_ms, opened_ms; // when to open it again; when it was opened (clock_mono_ms)
    int err;                    // with LINK_REFUSED
    struct buf refusal;
    char incarnation[32]; // of the store that answers
};

int link_init(struct link *link, struct cli *cli); // 0, or an exit code
void link_release(struct link *link);
struct pollfd link_poll(const struct link *link);
int link_wait_ms(const struct link *link, int most_ms); // how long one may poll
void link_step(struct link *link);                      // may block for the time of a handshake
void link_send(struct link *link, json_t *frame);       // takes the frame; nothing if it is not open
// {"type":"subscribe","kind","id"}, to which members may be added.
json_t *link_frame(const char *type, const char *kind, const char *id);
