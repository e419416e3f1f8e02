// Trace data that another system has exported, one JSON object each, as records of ours. What trace_event.h shows of
// such a record is the event again. Values in, values out. See docs/runs.md.
#pragma once

#include "model/status.h"
#include "util/buf.h"

#include <jansson.h>

// An event of a node, or what became of a run. Texts live as long as the object.
struct trace_item {
    const char *run_id, *workflow_id; // workflow NULL: it does not say
    bool is_state;
    // Of an event. `record` is the body of POST …/logs, which the caller frees. Beside what the event has, its
    // technical_details have `import`: {"id", "n", "type"?, "more"?}, which are the event's own id, `n`, its type if
    // that is none of a trace, and the members that a trace event does not have.
    json_t *record;
    bool numbered; // its id is a whole number, by which a run's events are in order
    uint64_t number;
    int64_t time_ms;
    // Of a state. Times are 0 where it does not say.
    const char *state;
    enum execution_status status;
    int64_t started_ms, completed_ms;
};

// Reads one. Returns false with a reason. An object with a `status` and without a `type` is a state.
bool trace_item_read(json_t *object, struct trace_item *ret, struct buf *ret_reason);
void trace_item_release(struct trace_item *item);
// Sets `n` of the event's record: which one of its run's it is.
void trace_item_set_place(struct trace_item *item, uint64_t n);
// The number and the place of an event that was imported, from the record that it has become. False: it was not.
bool trace_item_of_record(const json_t *record, bool *ret_numbered, uint64_t *ret_number, uint64_t *ret_n);
