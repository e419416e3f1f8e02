#include "model/contents.h"

#include "util/error.h"
#include "util/id.h"

#define HASH_LEN (2 * CONTENT_HASH_BYTES)
#define HEAD_MAX (HASH_LEN + 1 + 20 + 1) // no number of 64 bits is longer

bool content_hash_read(struct str text, uint8_t ret[CONTENT_HASH_BYTES])
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] >= 'A' && text.data[i] <= 'F')
            return false; // one content has one name
    return hex_decode(text, ret, CONTENT_HASH_BYTES);
}

static bool take_head(struct str *rest, struct contents_item *ret, uint64_t *ret_size)
{
    const char *end = memchr(rest->data, '\n', MIN(rest->len, (size_t)HEAD_MAX));
    if (!end)
        return false;
    struct str line = str_split(rest, '\n'), hash = str_split(&line, ' ');
    return content_hash_read(hash, ret->hash) && str_to_u64(line, ret_size);
}

int contents_next(struct str *rest, struct contents_item *ret, const char **ret_problem)
{
    uint64_t size;
    if (rest->len == 0)
        return 0;
    if (!take_head(rest, ret, &size)) {
        *ret_problem = "each content begins with a line \"HASH SIZE\": 64 hex digits in lower case, a space, and its "
                       "bytes as a decimal number";
        return ERR_MALFORMED;
    }
    if (size > CONTENTS_EACH_MAX) {
        *ret_problem = "what is larger than 1 MiB is uploaded by itself: PUT /api/v1/blobs/{sha256}";
        return ERR_TOO_LARGE;
    }
    if (size > rest->len) {
        *ret_problem = "it has fewer bytes than its line says";
        return ERR_MALFORMED;
    }
    ret->bytes = str_n(rest->data, (size_t)size);
    *rest = str_n(rest->data + size, rest->len - (size_t)size);
    return 1;
}
