// The status of a batch as it changes: by the stream, or where none is let through by asking every two seconds.
#pragma once

#include "cli/link.h"

struct batch_follow {
    struct cli *cli;
    struct client *client; // the caller's
    const char *id;
    struct link link;
    json_t *status; // the object of …/status; NULL: not known yet
    bool changed;   // since the owner has looked; the owner resets it
    bool over;      // nothing more comes
    int code;       // not 0: it cannot go on, and has said why
    // Private:
    uint64_t version, got_ms, ask_ms;
    bool asks, reached, loss_told;
    // Each may be NULL. For other frames on the same connection, and before something is said on stderr.
    void *owner;
    void (*speaks)(void *owner);
    void (*opened)(void *owner);
    void (*message)(void *owner, const char *execution_id, struct str json);
};

// `exists`: the server has just said so. Then it is not given up when the server cannot be reached.
int batch_follow_init(struct batch_follow *follow, struct cli *cli, struct client *client, const char *id, bool exists);
void batch_follow_release(struct batch_follow *follow);
// Polls these descriptors and the stream's own, at most so long, and takes what has come.
void batch_follow_wait(struct batch_follow *follow, struct pollfd *fds, size_t count, int most_ms);
int64_t batch_follow_age_ms(const struct batch_follow *follow); // of the status
// The execution that a frame is about, from its text: `execution_id`, or `id` of what is unsubscribed, is its second
// member. Empty: none.
struct str frame_execution(struct str json);
