// Arbitrary bytes as a header of the PROXY protocol: read as the gate reads it, and all at once, both must find the
// same header, and no step may ask for a byte behind it.
#include "net/proxy_header.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static size_t next_len(const uint8_t *data, size_t len, size_t have, int wanted)
{
    if (wanted != PROXY_HEADER_TO_LINE_END)
        return MIN(len, have + (size_t)wanted);
    const uint8_t *newline = memchr(data + have, '\n', len - have);
    return newline ? (size_t)(newline - data) + 1 : len;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct proxy_header header = {0}, again = {0};
    size_t have = 0;
    int wanted = proxy_header_parse(data, 0, &header);
    while (wanted > 0 && have < len) {
        have = next_len(data, len, have, wanted);
        wanted = proxy_header_parse(data, have, &header);
    }
    if (wanted > 0 && wanted != PROXY_HEADER_TO_LINE_END && have + (size_t)wanted > PROXY_HEADER_MAX)
        abort();
    if (wanted != 0)
        return 0;
    for (size_t part = 0; part < have; part++)
        if (proxy_header_parse(data, part, &again) <= 0)
            abort(); // a header that begins another would be read in two ways
    char text[NET_ADDRESS_TEXT];
    struct net_address back;
    net_address_format(&header.source, text);
    if (header.has_source && (!net_address_parse(str_of(text), &back) || !net_address_same_host(&back, &header.source)))
        abort();
    return 0;
}
