#include "server/loki.h"

static struct loki_access access_of(const struct config *config)
{
    return (struct loki_access){
        .url = config->loki_url,
        .tenant = config->loki_tenant,
        .ca_file = config->loki_ca,
        .credentials_file = config->loki_credentials,
        .plain = config->loki_insecure,
    };
}

int loki_settings_check(const struct config *config, struct buf *ret_error)
{
    const struct loki_access access = access_of(config);
    return config->loki_url[0] ? loki_access_check(&access, ret_error) : 0;
}

void loki_settings_apply(const struct config *config, struct mirror_options *options)
{
    options->access = access_of(config);
    loki_labels_parse(str_of(config->loki_labels), &options->labels); // it was checked when it was set
    options->line_max = (size_t)config->loki_line_max;
    options->window_ms = (uint64_t)config->loki_window_seconds * 1000;
    options->pause_ms = (uint64_t)config->loki_pause_ms;
}
