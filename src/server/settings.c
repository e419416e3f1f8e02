#include "server/settings.h"

#include "model/cost.h"

#include <stdatomic.h>

static char **list_with_end(const struct text_list *list)
{
    char **items = xcalloc(list->count + 1, sizeof(*items));
    for (size_t i = 0; i < list->count; i++)
        items[i] = list->items[i];
    return items;
}

struct settings *settings_new(const struct config *config)
{
    struct settings *settings = xcalloc(1, sizeof(*settings));
    settings->refs = 1;
    settings->cache_bytes = (size_t)config->cache_bytes;
    settings->source_reorder_ms = (uint64_t)config->source_reorder_ms;
    settings->limits = (struct api_limits){
        .message_max = (size_t)config->message_max,
        .followers_max = (uint64_t)config->followers_max,
        .open_executions_max = (uint64_t)config->open_executions_max,
        .queued_jobs_max = (uint64_t)config->queued_jobs_max,
        .secrets_max = (uint64_t)config->secrets_max,
        .artifact_max = (uint64_t)config->artifact_max,
        .artifacts_max = (uint64_t)config->artifacts_max,
        .regex_steps = (uint64_t)config->regex_steps,
        .source_quiet_ms = (uint64_t)config->source_quiet_seconds * 1000,
        .push_quiet_ms = (uint64_t)config->push_quiet_seconds * 1000,
        .ping_ms = (uint64_t)config->ping_seconds * 1000,
        .pong_timeout_ms = (uint64_t)config->pong_timeout_seconds * 1000,
        .allowed_hosts = list_with_end(&config->allowed_hosts),
        .cors_origins = list_with_end(&config->cors_origins),
        .metrics_credential = config->metrics_credential,
        .drains = config->drain,
        .currency = config->currency,
    };
    cost_rate_parse(str_of(config->cost_rate), &settings->limits.cost_rate_micros); // it was checked when it was set
    retention_parse(str_of(config->retention), &settings->limits.retention);        // likewise
    retention_own_parse(str_of(config->source_retention), &settings->limits.source_retention); // likewise
    return settings;
}

struct settings *settings_new_owning(struct config **config)
{
    struct settings *settings = settings_new(*config);
    settings->owned = TAKE_PTR(*config);
    return settings;
}

struct settings *settings_ref(struct settings *settings)
{
    atomic_fetch_add_explicit(&settings->refs, 1, memory_order_relaxed);
    return settings;
}

void settings_unref(struct settings **settings_ptr)
{
    struct settings *settings = TAKE_PTR(*settings_ptr);
    if (!settings || atomic_fetch_sub_explicit(&settings->refs, 1, memory_order_acq_rel) > 1)
        return;
    free((void *)(uintptr_t)settings->limits.allowed_hosts);
    free((void *)(uintptr_t)settings->limits.cors_origins);
    if (settings->owned)
        config_release(settings->owned);
    free(settings->owned);
    free(settings);
}
