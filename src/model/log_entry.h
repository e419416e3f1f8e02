// A record in the shape of the workflow log API (LogEntry, and the data of its server-sent events). Values in, values
// out. Which members there are is one table in log_entry.c.
#pragma once

#include "model/record.h"

// Appends {"id":"EXECUTION:SEQUENCE","timestamp","node_name","event_type","message","level","data"[,node_id …]}. The
// message is the user-friendly one if there is one; output has the event type `log`. `live`: adds "is_realtime":true.
void log_entry_append(struct buf *out, const struct record *record, struct str execution_id, uint64_t sequence_number,
                      bool live);
// The same within {"event_type":"LOG","session_id","is_final":false,"data":…,"timestamp"}.
void log_entry_append_event(struct buf *out, const struct record *record, struct str execution_id,
                            uint64_t sequence_number, bool live);
