// Data Firehose's delivery to an HTTP endpoint, of what subscriptions of CloudWatch Logs send.
#pragma once

#include "api/call.h"

// As Firehose documents it: "The size of the request body is up to a maximum of 64 MiB".
#define FIREHOSE_BODY_MAX ((size_t)64 * 1024 * 1024)

void firehose_cloudwatch(struct call *call); // POST /api/v1/sources/cloudwatch/firehose
