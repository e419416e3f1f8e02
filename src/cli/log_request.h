// Which part of a log is asked for: the options of `logs`.
#pragma once

#include "cli/cli_private.h"
#include "cli/log_printer.h"
#include "model/filter.h"

struct log_request {
    enum log_form form;
    // Parameters, each with '&' before it: all of them; those that do not ask for texts; those that do.
    struct buf all_filters, filters, texts;
    struct buf position; // "from=0", "tail=5&since=…"
    bool events;         // events are asked for
    bool follow, exit_status;
    bool tells_waits; // why the job waits is said on stderr
    bool has_until;
    int64_t until_ms; // nothing later is shown
    bool context;     // lines around matches are shown
    unsigned before, after;
};

// Returns 0, or the exit code after having said what is wrong.
int log_request_read(struct cli *cli, struct log_request *ret);
void log_request_release(struct log_request *request);
// Makes the filter of texts, to be used here.
int log_request_filter(struct cli *cli, struct filter **ret);
