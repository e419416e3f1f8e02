#include "net/address.h"

#include "util/error.h"

#include <arpa/inet.h>
#include <netinet/in.h>

struct net_range {
    struct net_address address;
    unsigned bits;
};

struct net_ranges {
    size_t count;
    struct net_range items[];
};

static size_t width(const struct net_address *address)
{
    return address->family == NET_V4 ? 4 : address->family == NET_V6 ? 16 : 0;
}

static void set_v6(struct net_address *ret, const uint8_t bytes[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool v4 = memcmp(bytes, mapped, sizeof(mapped)) == 0;
    ret->family = v4 ? NET_V4 : NET_V6;
    memcpy(ret->bytes, v4 ? bytes + sizeof(mapped) : bytes, v4 ? 4 : 16);
}

static bool parse_host(struct str host, struct net_address *ret)
{
    char text[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    if (host.len == 0 || host.len >= sizeof(text))
        return false;
    memcpy(text, host.data, host.len);
    text[host.len] = 0;
    *ret = (struct net_address){0};
    if (inet_pton(AF_INET, text, ret->bytes) == 1) {
        ret->family = NET_V4;
        return true;
    }
    if (inet_pton(AF_INET6, text, bytes) != 1)
        return false;
    set_v6(ret, bytes);
    return true;
}

static bool parse_port(struct str text, uint16_t *ret)
{
    uint64_t port;
    if (!str_to_u64(text, &port) || port > UINT16_MAX)
        return false;
    *ret = (uint16_t)port;
    return true;
}

bool net_address_parse(struct str text, struct net_address *ret)
{
    struct net_address address;
    uint16_t port = 0;
    struct str host = text, rest = text;
    const char *colon = str_find(text, ':');
    if (text.len > 0 && text.data[0] == '[') {
        host = str_split(&rest, ']');
        host = str_n(host.data + 1, host.len - 1);
        if (host.len + 1 == text.len || !str_find(host, ':'))
            return false;
        if (rest.len > 0 && (rest.data[0] != ':' || !parse_port(str_n(rest.data + 1, rest.len - 1), &port)))
            return false;
    } else if (colon && memchr(colon + 1, ':', text.len - (size_t)(colon + 1 - text.data)) == NULL) {
        host = str_split(&rest, ':');
        if (!parse_port(rest, &port))
            return false;
    }
    if (!parse_host(host, &address))
        return false;
    address.port = port;
    *ret = address;
    return true;
}

void net_address_of(const struct sockaddr *address, struct net_address *ret)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    *ret = (struct net_address){0};
    if (address->sa_family == AF_INET) {
        memcpy(&v4, address, sizeof(v4));
        ret->family = NET_V4;
        ret->port = ntohs(v4.sin_port);
        memcpy(ret->bytes, &v4.sin_addr, 4);
    } else if (address->sa_family == AF_UNIX) {
        ret->family = NET_LOCAL;
    } else if (address->sa_family == AF_INET6) {
        memcpy(&v6, address, sizeof(v6));
        set_v6(ret, v6.sin6_addr.s6_addr);
        ret->port = ntohs(v6.sin6_port);
    }
}

void net_address_format(const struct net_address *address, char out[NET_ADDRESS_TEXT])
{
    char text[INET6_ADDRSTRLEN] = "";
    if (address->family == NET_LOCAL || address->family == NET_UNKNOWN) {
        snprintf(out, NET_ADDRESS_TEXT, address->family == NET_LOCAL ? "local:0" : "unknown:0");
        return;
    }
    bool v4 = address->family == NET_V4;
    inet_ntop(v4 ? AF_INET : AF_INET6, address->bytes, text, sizeof(text));
    snprintf(out, NET_ADDRESS_TEXT, v4 ? "%s:%u" : "[%s]:%u", text, address->port);
}

bool net_address_is_loopback(const struct net_address *address)
{
    static const uint8_t v6[16] = {[15] = 1};
    if (address->family == NET_V4)
        return address->bytes[0] == 127;
    if (address->family != NET_V6)
        return address->family == NET_LOCAL;
    return memcmp(address->bytes, v6, sizeof(v6)) == 0;
}

bool net_address_same_host(const struct net_address *a, const struct net_address *b)
{
    return a->family == b->family && memcmp(a->bytes, b->bytes, width(a)) == 0;
}

static bool parse_range(struct str text, struct net_range *ret)
{
    struct str rest = text;
    struct str host = str_split(&rest, '/');
    uint64_t bits;
    *ret = (struct net_range){0};
    if (str_eq(text, STR("unix"))) {
        ret->address.family = NET_LOCAL;
        return true;
    }
    if (!parse_host(host, &ret->address))
        return false;
    bits = width(&ret->address) * 8;
    if (host.len < text.len && (!str_to_u64(rest, &bits) || bits > width(&ret->address) * 8))
        return false;
    ret->bits = (unsigned)bits;
    return true;
}

int net_ranges_new(char *const *items, size_t count, size_t *ret_bad, struct net_ranges **ret)
{
    struct net_ranges *ranges = xcalloc(1, sizeof(*ranges) + count * sizeof(ranges->items[0]));
    ranges->count = count;
    for (size_t i = 0; i < count; i++) {
        if (parse_range(str_of(items[i]), &ranges->items[i]))
            continue;
        *ret_bad = i;
        free(ranges);
        return ERR_INVALID;
    }
    *ret = ranges;
    return 0;
}

void net_ranges_free(struct net_ranges **ranges)
{
    free(*ranges);
    *ranges = NULL;
}

static bool range_has(const struct net_range *range, const struct net_address *address)
{
    unsigned bytes = range->bits / 8, bits = range->bits % 8;
    if (range->address.family != address->family || memcmp(range->address.bytes, address->bytes, bytes) != 0)
        return false;
    return bits == 0 || ((range->address.bytes[bytes] ^ address->bytes[bytes]) >> (8 - bits)) == 0;
}

bool net_ranges_has(const struct net_ranges *ranges, const struct net_address *address)
{
    for (size_t i = 0; ranges && i < ranges->count; i++)
        if (range_has(&ranges->items[i], address))
            return true;
    return false;
}
