// Why a queued job waits, for its status.
#pragma once

#include "api/api_private.h"
#include "store/ops/job.h"

// Adds `waiting`: {reason, detail}. `reason` is a word of the contract, `detail` says for people what would let the job
// run. Nothing if it does not wait any more. `others`: what other servers of the store say of their workers.
void job_add_waits(struct json_writer *json, const struct api *api, int64_t account,
                   const struct store_job_waits *waits, const struct store_rosters *others);
