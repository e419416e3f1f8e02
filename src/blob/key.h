// Keys, as all adapters make them: ACCOUNT/AB/HASH.ID of a content of its own, ACCOUNT/pk/ID.INDEX.OFFSET.LEN of one in
// a pack (pack.h). Pure, but for the ID.
#pragma once

#include "blob/blob.h"

// A key comes from the catalogue. One that is not ours must not lead elsewhere.
bool blob_key_valid(struct str key);
void blob_key_new(int64_t account, const uint8_t hash[BLOB_HASH_LEN], char ret_key[BLOB_KEY_MAX + 1]);
