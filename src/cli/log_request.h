// What of a log is asked for, from the options of `logs`.
#pragma once

#include "cli/cli_private.h"

struct log_request {
    struct buf filters;  // each parameter with '&' before it
    struct buf position; // "from=0", "tail=5&since=…"
    bool events;         // events are asked for
    bool has_until;
    int64_t until_ms; // nothing later is shown
};

// 0, or the exit code after having said what is wrong. `output_only`: events will not be shown unless they are asked for, so that they
// are not counted either.
int log_request_read(struct cli *cli, bool output_only, struct log_request *ret);
void log_request_release(struct log_request *query);
