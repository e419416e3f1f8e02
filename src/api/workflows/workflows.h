// Workflows: what executions may be runs of. Made, listed, changed, deleted, run. See docs/internals/workflows.md.
#pragma once

#include "api/call.h"

// Handlers.
void workflows_create(struct call *call);
void workflows_list(struct call *call);
void workflows_get(struct call *call);
void workflows_patch(struct call *call);
void workflows_delete(struct call *call);
void workflows_executions(struct call *call); // api/executions/list.c
void workflows_run(struct call *call);
void workflows_logs(struct call *call);
void workflows_run_statistics(struct call *call);
void runs_get(struct call *call);
void runs_graph(struct call *call);

// Checks the members of a body that several routes take: `graph`, and `job`, the template of what a worker runs. False
// after having answered 422.
bool workflow_check_graph(struct call *call);
bool workflow_check_job(struct call *call);
