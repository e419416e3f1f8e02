#include "net/proxy_header.h"

#include "util/error.h"

#define V1_MIN      15 // "PROXY UNKNOWN\r\n"
#define V1_MAX      107
#define V2_HEAD     16
#define V2_TLV_SSL  0x20
#define V2_SSL_USED 0x01

static const uint8_t v2_signature[12] = "\r\n\r\n\0\r\nQUIT\n";

// --- Version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n"

static int parse_v1_line(struct str line, struct proxy_header *ret)
{
    struct str rest = line;
    str_split(&rest, ' ');
    struct str family = str_split(&rest, ' ');
    if (str_eq(family, STR("UNKNOWN")))
        return 0;
    enum net_family wanted = str_eq(family, STR("TCP4")) ? NET_V4 : str_eq(family, STR("TCP6")) ? NET_V6 : NET_UNKNOWN;
    struct str source = str_split(&rest, ' '), target = str_split(&rest, ' ');
    struct str source_port = str_split(&rest, ' '), target_port = rest;
    struct net_address to;
    uint64_t port, to_port;
    bool fine = wanted != NET_UNKNOWN && source.len > 0 && source.data[0] != '[' &&
                net_address_parse(source, &ret->source) && net_address_parse(target, &to) && ret->source.port == 0 &&
                to.port == 0 && str_to_u64(source_port, &port) && port <= UINT16_MAX &&
                str_to_u64(target_port, &to_port) && to_port <= UINT16_MAX;
    // An IPv4 address within IPv6 has already become IPv4.
    if (!fine || (wanted == NET_V4 && ret->source.family != NET_V4))
        return ERR_MALFORMED;
    ret->source.port = (uint16_t)port;
    ret->has_source = true;
    return 0;
}

static int parse_v1(struct str data, struct proxy_header *ret)
{
    static const char start[] = "PROXY ";
    size_t start_len = sizeof(start) - 1;
    if (memcmp(data.data, start, MIN(data.len, start_len)) != 0)
        return ERR_MALFORMED;
    const char *newline = str_find(data, '\n');
    size_t len = newline ? (size_t)(newline - data.data) : data.len;
    if (!newline)
        return data.len >= V1_MAX  ? ERR_MALFORMED
               : data.len < V1_MIN ? (int)(V1_MIN - data.len)
                                   : PROXY_HEADER_TO_LINE_END;
    if (len + 1 > V1_MAX || len < start_len || data.data[len - 1] != '\r' || len + 1 != data.len)
        return ERR_MALFORMED;
    return parse_v1_line(str_n(data.data, len - 1), ret);
}

// --- Version 2

static bool tlvs_say_https(const uint8_t *data, size_t len)
{
    while (len >= 3) {
        size_t value_len = (size_t)data[1] << 8 | data[2];
        if (value_len > len - 3)
            return false;
        if (data[0] == V2_TLV_SSL && value_len >= 5)
            return data[3] & V2_SSL_USED;
        data += 3 + value_len;
        len -= 3 + value_len;
    }
    return false;
}

static void take_port(struct net_address *address, const uint8_t *port)
{
    address->port = (uint16_t)(port[0] << 8 | port[1]);
}

static int parse_v2_addresses(uint8_t family, const uint8_t *data, size_t len, struct proxy_header *ret)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    static const size_t lens[] = {0, 12, 36, 216}; // unspecified, IPv4, IPv6, unix
    if (family >= ARRAY_LEN(lens) || len < lens[family])
        return ERR_MALFORMED;
    ret->has_source = family == 1 || family == 2;
    if (family == 1) {
        ret->source.family = NET_V4;
        memcpy(ret->source.bytes, data, 4);
        take_port(&ret->source, data + 8);
    } else if (family == 2) {
        bool v4 = memcmp(data, mapped, sizeof(mapped)) == 0;
        ret->source.family = v4 ? NET_V4 : NET_V6;
        memcpy(ret->source.bytes, v4 ? data + sizeof(mapped) : data, v4 ? 4 : 16);
        take_port(&ret->source, data + 32);
    }
    ret->https = tlvs_say_https(data + lens[family], len - lens[family]);
    return 0;
}

static int parse_v2(const uint8_t *data, size_t len, struct proxy_header *ret)
{
    if (memcmp(data, v2_signature, MIN(len, sizeof(v2_signature))) != 0)
        return ERR_MALFORMED;
    if (len < V2_HEAD)
        return (int)(V2_HEAD - len);
    size_t whole = V2_HEAD + ((size_t)data[14] << 8 | data[15]);
    uint8_t version = data[12] >> 4, command = data[12] & 15, family = data[13] >> 4, protocol = data[13] & 15;
    if (version != 2 || command > 1 || whole > PROXY_HEADER_MAX || len > whole)
        return ERR_MALFORMED;
    if (len < whole)
        return (int)(whole - len);
    if (command == 0 || protocol != 1) // LOCAL, or not a stream: the proxy speaks for no client
        return 0;
    return parse_v2_addresses(family, data + V2_HEAD, whole - V2_HEAD, ret);
}

int proxy_header_parse(const uint8_t *data, size_t len, struct proxy_header *ret)
{
    struct proxy_header header = {0};
    if (len == 0)
        return V1_MIN;
    int result =
        data[0] == v2_signature[0] ? parse_v2(data, len, &header) : parse_v1(str_n((const char *)data, len), &header);
    if (result == 0)
        *ret = header;
    return result;
}
