// The mirror of logs in Loki (mirror/mirror.h), by the settings loki_…, of the start.
#pragma once

#include "mirror/mirror.h"
#include "server/config.h"

// Whether the settings can be used; no loki_url: yes. ERR_INVALID, with what is wrong in *ret_error.
int loki_settings_check(const struct config *config, struct buf *ret_error);
// Fills in what the settings say; they must outlive the mirror.
void loki_settings_apply(const struct config *config, struct mirror_options *options);
