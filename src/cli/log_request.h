// What of a log is asked for, from the options of `logs`.
#pragma once

#include "cli/cli_private.h"
#include "cli/log_printer.h"
#include "model/filter.h"

struct log_request {
    enum log_form form;
    // Parameters, each with '&' before it: all, and apart those that ask for texts and the others.
    struct buf all_filters, filters, texts;
    struct buf position; // "from=0", "tail=5&since=…"
    bool events;         // events are asked for
    bool has_until;
    int64_t until_ms; // nothing later is shown
    bool context;     // lines around those that match are shown
    unsigned before, after;
};

// 0, or the exit code after having said what is wrong.
int log_request_read(struct cli *cli, struct log_request *ret);
void log_request_release(struct log_request *request);
// The filter of texts, to be asked here.
int log_request_filter(struct cli *cli, struct filter **ret);
