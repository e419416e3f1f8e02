// The log of one execution of a batch that is watched, in place of its display: on the terminal's other screen.
#pragma once

#include "cli/link.h"

struct batch_log;

struct batch_log *batch_log_open(struct cli *cli, struct link *link, const char *id); // NULL after having said why
void batch_log_close(struct batch_log **log);                                         // the display is back
void batch_log_subscribe(struct batch_log *log);                                      // the connection is open (again)
void batch_log_take(struct batch_log *log, const char *execution_id, struct str json);
void batch_log_step(struct batch_log *log); // now and then: without a stream it asks for what is new
