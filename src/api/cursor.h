// The place after a row in a list of the account, for the next page.
#pragma once

#include "api/call.h"

void cursor_append(struct buf *out, const struct api *api, int64_t account, int64_t row);
// Returns false if it was not given out to this account.
bool cursor_parse(const struct api *api, int64_t account, struct str cursor, int64_t *ret_row);
// Reads the parameter `cursor`; 0 without it. Returns false after it has answered 400.
bool cursor_take(struct call *call, struct str cursor, int64_t *ret_row);
// Adds `next_cursor`: the cursor of the row, or null if the row is 0.
void add_next_cursor(struct json_writer *json, const struct call *call, int64_t row);

// The same of a list of executions, which may lie in several stores.
void cursor_append_place(struct buf *out, const struct api *api, int64_t account, const struct list_place *place);
bool cursor_parse_place(const struct api *api, int64_t account, struct str cursor, struct list_place *ret);
bool cursor_take_place(struct call *call, struct str cursor, struct list_place *ret);
void add_next_place(struct json_writer *json, const struct call *call, const struct list_place *next);
