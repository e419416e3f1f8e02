#include "api/routes.h"

#include "api/executions/executions.h"
#include "api/follow/follow.h"
#include "api/keys/keys.h"
#include "api/logs/logs.h"
#include "api/route.h"
#include "api/runner/runner.h"
#include "api/system/system.h"

const struct route api_routes[] = {
    {HTTP_M_GET, "/health", ACTION_PUBLIC, 0, system_health, "the process is alive"},
    {HTTP_M_GET, "/api/v1/public/health", ACTION_PUBLIC, 0, system_health, "the same"},
    {HTTP_M_GET, "/ready", ACTION_PUBLIC, 0, system_ready, "503 when ingest, store or disk cannot serve"},
    {HTTP_M_GET, "/metrics", ACTION_PUBLIC, ROUTE_METRICS, system_metrics, "Prometheus text format"},

    {HTTP_M_POST, "/api/v1/executions", ACTION_SUBMIT, ROUTE_BODY, executions_create, "make an execution"},
    {HTTP_M_GET, "/api/v1/executions", ACTION_READ, 0, executions_list, "executions, newest first"},
    {HTTP_M_GET, "/api/v1/executions/{id}", ACTION_READ, ROUTE_EXECUTION, executions_status, "status of an execution"},
    {HTTP_M_GET, "/api/v1/executions/{id}/status", ACTION_READ, ROUTE_EXECUTION, executions_status, "the same"},
    {HTTP_M_PATCH, "/api/v1/executions/{id}", ACTION_WRITE, ROUTE_EXECUTION | ROUTE_OWN | ROUTE_BODY, executions_patch,
     "status, exit code, metadata, pin"},
    {HTTP_M_DELETE, "/api/v1/executions/{id}", ACTION_CANCEL, ROUTE_EXECUTION, executions_delete,
     "cancel; with purge=true remove its records"},
    {HTTP_M_GET, "/api/v1/executions/{id}/logs", ACTION_READ, ROUTE_EXECUTION, logs_read,
     "a page of records, or a stream of them"},
    {HTTP_M_POST, "/api/v1/executions/{id}/logs", ACTION_WRITE, ROUTE_EXECUTION | ROUTE_OWN | ROUTE_BODY, logs_append,
     "append records"},
    {HTTP_M_GET, "/api/v1/executions/{id}/logs/stream", ACTION_READ, ROUTE_EXECUTION | ROUTE_STREAM, follow_sse,
     "server-sent events"},
    {HTTP_M_GET, "/ws/executions/{id}/logs", ACTION_READ, ROUTE_EXECUTION | ROUTE_STREAM | ROUTE_UPGRADE | ROUTE_PURGED,
     follow_ws, "WebSocket for followers"},
    {HTTP_M_GET, "/ws/runner/executions/{id}/stream", ACTION_WRITE, ROUTE_EXECUTION | ROUTE_STREAM | ROUTE_OWN,
     runner_socket, "WebSocket for runners"},

    {HTTP_M_POST, "/api/v1/tickets", ACTION_READ, 0, tickets_create,
     "a credential for one stream and its reconnections"},
    {HTTP_M_POST, "/api/v1/keys", ACTION_KEYS, ROUTE_BODY, keys_create, "make an API key"},
    {HTTP_M_GET, "/api/v1/keys", ACTION_KEYS, 0, keys_list, "the account's API keys"},
    {HTTP_M_DELETE, "/api/v1/keys/{name}", ACTION_KEYS, 0, keys_revoke, "revoke an API key; its streams end"},
    {HTTP_M_POST, "/api/v1/accounts", ACTION_OPERATE, ROUTE_BODY, accounts_create, "make an account"},
    {HTTP_M_GET, "/api/v1/accounts", ACTION_OPERATE, 0, accounts_list, "the accounts, as they were made"},
    {HTTP_M_GET, "/api/v1/accounts/{name}", ACTION_OPERATE, 0, accounts_get, "one account"},
    {HTTP_M_PATCH, "/api/v1/accounts/{name}", ACTION_OPERATE, ROUTE_BODY, accounts_patch, "suspend or resume it"},
    {HTTP_M_DELETE, "/api/v1/accounts/{name}", ACTION_OPERATE, 0, accounts_delete,
     "delete an empty account; with purge=true any, with all that it holds"},
    {HTTP_M_POST, "/api/v1/backup", ACTION_OPERATE, ROUTE_BODY, system_backup, "a consistent copy of the store"},
    {0},
};
