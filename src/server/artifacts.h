// Where files of runs are kept: the settings artifacts and s3_…, of the start.
#pragma once

#include "blob/objects.h"
#include "metrics/metrics.h"
#include "server/config.h"
#include "util/log.h"

// Logger and metrics must outlive it. Nobody is asked: S3 may be away. Returns an error with what is wrong in
// *ret_error.
int artifacts_open(const struct config *config, const struct logger *logger, struct metrics *metrics,
                   struct blob_store **ret, struct buf *ret_error);
// Objects of the cold tier, by the setting `cold` and the same s3_….
int artifacts_open_objects(const struct config *config, const struct logger *logger, struct metrics *metrics,
                           struct object_store **ret, struct buf *ret_error);
