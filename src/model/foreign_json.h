// JSON of records that other programs have written, as a document. Their texts may have what JSON allows and a document
// usually does not: the character U+0000, and halves of a surrogate pair, as JavaScript writes a text that was cut
// within an emoji. A half becomes U+FFFD, as in records that are read by record_parse.
#pragma once

#include "util/buf.h"

#include <jansson.h>

// The same text with each half replaced: `text` itself, or what *mended holds then. Its length stays.
struct str foreign_json_mend(struct str text, struct buf *mended);
// Owned by the caller. NULL with *ret_error if it is no JSON, or has U+0000 in the name of a member. `flags` as of
// json_loadb.
json_t *foreign_json_load(struct str text, size_t flags, json_error_t *ret_error);
