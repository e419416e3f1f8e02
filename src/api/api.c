#include "api/origin.h"
#include "api/request.h"
#include "api/streams.h"
#include "api/system/readiness.h"

#define EXECUTIONS_MAX 4096 // executions that a loop remembers

void api_hub_news(void *owner, const void *message)
{
    struct api *api = owner;
    const struct hub_news *news = message;
    switch (news->kind) {
    case HUB_LIVE:
        fanout_live_changed(api->options.fanout, news->row);
        break;
    case HUB_REPLACED:
        holder_replaced(api, news->holder);
        break;
    case HUB_CANCEL:
        holder_cancel(api, news->holder, news->reason);
        break;
    }
}

// --- Life

struct api *api_new(const struct api_options *options, const struct api_limits *limits)
{
    struct api *api = xcalloc(1, sizeof(*api));
    api->options = *options;
    api->tree = route_tree_new(options->routes);
    api->parser = record_parser_new(0);
    api->executions = execution_cache_new(options->store, EXECUTIONS_MAX);
    api->readiness = readiness_new(options->loop, options->store,
                                   options->patience_ms > 0 ? options->patience_ms : STORE_PATIENCE_MS);
    intake_gate_init(&api->gate, options->loop, options->budget);
    streams_init(api);
    map_init(&api->feeds);
    api_set_limits(api, limits);
    return api;
}

void api_set_limits(struct api *api, const struct api_limits *limits)
{
    api->limits = limits;
    if (api->strict_parser && api->strict_max == limits->message_max)
        return;
    record_parser_free(&api->strict_parser);
    api->strict_parser = record_parser_new(limits->message_max);
    api->strict_max = limits->message_max;
}

void api_free(struct api **api)
{
    if (!*api)
        return;
    streams_release(*api);
    readiness_free(&(*api)->readiness);
    map_release(&(*api)->feeds);
    route_tree_free(&(*api)->tree);
    intake_gate_release(&(*api)->gate);
    execution_cache_free(&(*api)->executions);
    record_parser_free(&(*api)->parser);
    record_parser_free(&(*api)->strict_parser);
    free(*api);
    *api = NULL;
}

// Counts every refusal, also those that no handler saw: requests that cannot be parsed, hosts, origins, routes.
static void api_failed(void *arg, int err)
{
    struct api *api = arg;
    metrics_refused(api->options.metrics, api->options.shard, err);
}

// The first class is that of 1xx: of upgrades.
static void api_answered(void *arg, unsigned tag, int status, uint64_t ns)
{
    struct api *api = arg;
    metrics_observe_in(api->options.metrics, api->options.shard, METRIC_http_request_seconds, tag, ns);
    metrics_add_to(api->options.metrics, api->options.shard, METRIC_http_answers_total,
                   (size_t)tag * ROUTE_CLASSES + (size_t)status / 100 - 1, 1);
}

struct http_app api_http_app(struct api *api)
{
    return (struct http_app){.head = request_head,
                             .request = request_whole,
                             .refused = origin_refused,
                             .answered = api_answered,
                             .failed = api_failed,
                             .app = api,
                             .logger = api->options.logger};
}

void api_drain(struct api *api, void (*fewer)(void *arg), void *arg)
{
    streams_drain(api, fewer, arg);
}

void api_close(struct api *api)
{
    streams_close(api);
}

unsigned api_streams(const struct api *api)
{
    return api->stream_count;
}
