#include "api/call.h"

const struct route routes[] = {
    {HTTP_M_GET, "/health", ACTION_PUBLIC, 0, system_health, "the process is alive"},
    {HTTP_M_GET, "/api/v1/public/health", ACTION_PUBLIC, 0, system_health, "the same"},
    {HTTP_M_GET, "/ready", ACTION_PUBLIC, 0, system_ready, "503 when ingest, store or disk cannot serve"},
    {HTTP_M_GET, "/metrics", ACTION_PUBLIC, 0, system_metrics, "Prometheus text format"},

    {HTTP_M_POST, "/api/v1/executions", ACTION_SUBMIT, 0, executions_create, "make an execution"},
    {HTTP_M_GET, "/api/v1/executions", ACTION_READ, 0, executions_list, "executions, newest first"},
    {HTTP_M_GET, "/api/v1/executions/{id}", ACTION_READ, ROUTE_EXECUTION, executions_status, "status of an execution"},
    {HTTP_M_GET, "/api/v1/executions/{id}/status", ACTION_READ, ROUTE_EXECUTION, executions_status, "the same"},
    {HTTP_M_PATCH, "/api/v1/executions/{id}", ACTION_WRITE, ROUTE_EXECUTION | ROUTE_OWN, executions_patch,
     "status, exit code, metadata, pin"},
    {HTTP_M_DELETE, "/api/v1/executions/{id}", ACTION_CANCEL, ROUTE_EXECUTION, executions_delete,
     "cancel; with purge=true remove its records"},
    {HTTP_M_GET, "/api/v1/executions/{id}/logs", ACTION_READ, ROUTE_EXECUTION, logs_read,
     "a page of records, or a stream of them"},
    {HTTP_M_POST, "/api/v1/executions/{id}/logs", ACTION_WRITE, ROUTE_EXECUTION | ROUTE_OWN, logs_append,
     "append records"},
    {HTTP_M_GET, "/api/v1/executions/{id}/logs/stream", ACTION_READ, ROUTE_EXECUTION | ROUTE_STREAM, follow_sse,
     "server-sent events"},
    {HTTP_M_GET, "/ws/executions/{id}/logs", ACTION_READ, ROUTE_EXECUTION | ROUTE_STREAM | ROUTE_UPGRADE | ROUTE_PURGED,
     follow_ws, "WebSocket for followers"},
    {HTTP_M_GET, "/ws/runner/executions/{id}/stream", ACTION_WRITE, ROUTE_EXECUTION | ROUTE_STREAM | ROUTE_OWN,
     runner_socket, "WebSocket for runners"},

    {HTTP_M_POST, "/api/v1/tickets", ACTION_READ, 0, tickets_create, "a single-use credential of 30 s for streams"},
    {HTTP_M_POST, "/api/v1/keys", ACTION_KEYS, 0, keys_create, "make an API key"},
    {HTTP_M_GET, "/api/v1/keys", ACTION_KEYS, 0, keys_list, "the account's API keys"},
    {HTTP_M_DELETE, "/api/v1/keys/{name}", ACTION_KEYS, 0, keys_revoke, "revoke an API key; its streams end"},
    {HTTP_M_POST, "/api/v1/backup", ACTION_OPERATE, 0, system_backup, "a consistent copy of the store"},
    {0},
};
