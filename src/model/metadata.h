// Metadata of an execution is a JSON object. These functions merge a patch into it (RFC 7396). Pure.
#pragma once

#include "util/str.h"

// An empty `current` means that there is no metadata yet. Returns 0 and the merged text, owned by the caller. Errors:
// ERR_TOO_LARGE beyond `max` bytes (0: no limit); ERR_INVALID if the patch is not an object; ERR_CORRUPT if `current`
// is not one.
int metadata_merge(struct str current, struct str patch, size_t max, char **ret);

// Calls `each` with the name and the value, as text, of each scalar member at the top level. Lists are filtered by
// them. The views are valid during the call. true and false are written as words; numbers are decimal, with a point if
// they are not whole. Returns ERR_INVALID if `metadata` is not an object.
int metadata_labels(struct str metadata, void (*each)(void *arg, struct str name, struct str value), void *arg);
