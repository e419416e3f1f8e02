// The runs that events are imported into: each is made when its first event comes, events go in batches, and what is
// there already is passed over. One thread.
//
// Bounds: TRACE_RUNS_MAX runs are known at a time, and TRACE_PENDING_MAX bytes of events wait to be sent.
#pragma once

#include "cli/cli_private.h"
#include "model/trace_import.h"

#define TRACE_RUNS_MAX    100000
#define TRACE_PENDING_MAX ((size_t)16 * 1024 * 1024)

struct trace_place { // of a line
    const char *file;
    uint64_t line;
};

struct trace_counts {
    uint64_t runs, stored, there, refused;
};

struct trace_runs;
struct trace_runs *trace_runs_new(struct cli *cli, struct client *client, const char *workflow_id);
void trace_runs_free(struct trace_runs **runs);
// Says on stderr what is wrong with a line, and counts it.
void trace_runs_refuse(struct trace_runs *runs, struct trace_place place, const char *reason);
// Take an event or a state; `place.file` must live as long as `runs`. They return 0, also for what they refuse; or the
// exit code when it cannot go on, after having said why.
int trace_runs_take(struct trace_runs *runs, struct trace_item *item, struct trace_place place);
// Sends what waits, and tells the states. `ended`: runs whose state was not told have ended, as their nodes say.
int trace_runs_finish(struct trace_runs *runs, bool ended);
const struct trace_counts *trace_runs_counts(const struct trace_runs *runs);
