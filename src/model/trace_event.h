// A record in the shapes of workflow runs: as a trace event, or as a line of a log. Values in, values out. See
// docs/runs.md.
#pragma once

#include "model/record.h"

// The event types of ours that are trace events, with commas between them, as a filter takes them.
#define TRACE_EVENT_TYPES                                                                     \
    "node_started,node_progress,node_completed,node_failed,node_awaiting_input,node_skipped," \
    "step_started,step_completed,step_error"

// Whether a record is a trace event; what is not is a line of the log.
bool trace_event_is(const struct record *record);
// Appends {"id","runId","nodeId","nodeRef","type","level","timestamp"[,"message"][,"error"][,"outputSummary"][,"data"]
// [,"metadata"]}. error, outputSummary and metadata are those members of `technical_details`; a failed node without an
// error there has the message and the stack trace of the record as one.
void trace_event_append(struct buf *out, const struct record *record, struct str run_id, uint64_t sequence_number);
// Appends {"id","runId","nodeId","nodeRef","stream","level","timestamp","message"}.
void trace_line_append(struct buf *out, const struct record *record, struct str run_id, uint64_t sequence_number);
