#include "http/range.h"

// The last `len` bytes, or all of fewer.
static enum http_range last_bytes(struct str digits, uint64_t size, uint64_t *ret_first, uint64_t *ret_len)
{
    uint64_t len;
    if (!str_to_u64(digits, &len))
        return HTTP_RANGE_WHOLE;
    if (len == 0 || size == 0)
        return HTTP_RANGE_OUTSIDE;
    *ret_len = MIN(len, size);
    *ret_first = size - *ret_len;
    return HTTP_RANGE_PART;
}

enum http_range http_range_parse(struct str header, uint64_t size, uint64_t *ret_first, uint64_t *ret_len)
{
    uint64_t first, last = UINT64_MAX;
    if (!str_starts(header, STR("bytes=")) || str_find(header, ','))
        return HTTP_RANGE_WHOLE;
    struct str rest = str_trim(str_n(header.data + 6, header.len - 6));
    if (!str_find(rest, '-'))
        return HTTP_RANGE_WHOLE;
    struct str from = str_split(&rest, '-');
    if (from.len == 0)
        return last_bytes(rest, size, ret_first, ret_len);
    if (!str_to_u64(from, &first) || (rest.len > 0 && !str_to_u64(rest, &last)) || last < first)
        return HTTP_RANGE_WHOLE;
    if (first >= size)
        return HTTP_RANGE_OUTSIDE;
    *ret_first = first;
    *ret_len = MIN(last, size - 1) - first + 1;
    return HTTP_RANGE_PART;
}

bool http_content_range_parse(struct str header, uint64_t *ret_first, uint64_t *ret_last, uint64_t *ret_size)
{
    if (!str_starts(header, STR("bytes ")))
        return false;
    struct str rest = str_trim(str_n(header.data + 6, header.len - 6));
    struct str range = str_split(&rest, '/'), first = str_split(&range, '-');
    return str_to_u64(first, ret_first) && str_to_u64(range, ret_last) && str_to_u64(rest, ret_size) &&
           *ret_first <= *ret_last && *ret_last < *ret_size;
}
