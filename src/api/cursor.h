// The place behind a row in a list of the account, for its next page.
#pragma once

#include "api/call.h"

void cursor_append(struct buf *out, const struct api *api, int64_t account, int64_t row);
// False: it was not given out to this account.
bool cursor_parse(const struct api *api, int64_t account, struct str cursor, int64_t *ret_row);
// The parameter `cursor`; 0 without it. False after having answered 400.
bool cursor_take(struct call *call, struct str cursor, int64_t *ret_row);
// Adds `next_cursor`: that of the row, or null if it is 0.
void add_next_cursor(struct json_writer *json, const struct call *call, int64_t row);
