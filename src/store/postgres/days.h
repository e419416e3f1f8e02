// The table `chunks` is kept in parts, one for each day on which executions were made, so that what has expired goes
// with a whole part. An execution's number says where its chunks are: log_part(). Numbers come from a sequence, and it
// goes over to the next day only when that day's part is there already; so no append waits for a part, whoever looks
// after them or not. A day that the database's clock has not seen to end is longer, and nothing else.
//
// Days are counted, and not named by their date: whatever a clock has said once, the next day has the next number.
#pragma once

#include "store/sql/sql.h"
#include "util/log.h"

// Makes the part of this day, in the caller's transaction, if there is none.
int days_make(struct sql *sql, int64_t number);
// The same for those of an array (its text form) that are missing, in a transaction of its own.
int days_make_missing(struct sql *sql, struct str numbers);
// Looks after all of them: makes the next one ahead, goes over to it if the day has changed, and drops those of which
// nothing is left. Of several that do so at once, one does. now_ms: 0: by the database's clock. Returns 0 or an error
// of sql.h: what could not be done is done the next time.
int days_tend(struct sql *sql, int64_t now_ms, const struct logger *logger);
