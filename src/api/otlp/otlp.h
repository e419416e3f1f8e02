// OTLP/HTTP: what OpenTelemetry's exporters and collectors send.
#pragma once

#include "api/call.h"

#define OTLP_BODY_MAX ((size_t)20 * 1024 * 1024) // decoded

void otlp_logs(struct call *call); // POST /v1/logs
