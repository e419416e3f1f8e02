// Metadata of an execution, a JSON object, and how a patch is merged into it (RFC 7396). Pure.
#pragma once

#include "util/str.h"

// `current` empty: there is none yet. 0 with the text of what is there afterwards, owned by the caller; ERR_TOO_LARGE
// beyond `max` bytes (0: no limit); ERR_INVALID if the patch is no object, ERR_CORRUPT if `current` is none.
int metadata_merge(struct str current, struct str patch, size_t max, char **ret);

// The scalar members at the top, for lists filtered by them: calls `each` with a name and its value as text; views
// during the call. true and false are words; numbers are decimal, with a point if they are not whole. ERR_INVALID if it
// is no object.
int metadata_labels(struct str metadata, void (*each)(void *arg, struct str name, struct str value), void *arg);
