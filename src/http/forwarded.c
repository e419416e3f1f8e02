#include "http/forwarded.h"

#include "util/error.h"

#define HOPS_MAX 32 // only so many of the right-most hops are read; no real chain of proxies is so long

struct hop {
    struct str client, proto, host;
};

struct hops {
    struct hop items[HOPS_MAX];
    size_t count;
};

static struct hop *push_hop(struct hops *hops)
{
    if (hops->count == HOPS_MAX)
        memmove(hops->items, hops->items + 1, (--hops->count) * sizeof(hops->items[0]));
    struct hop *hop = &hops->items[hops->count++];
    *hop = (struct hop){0};
    return hop;
}

// --- X-Forwarded-…

// Returns the item of a list that is `from_right` places from the right end. If the list is shorter, returns the
// left-most.
static struct str item_from_right(struct str list, size_t from_right)
{
    size_t count = list.data ? 1 : 0;
    for (size_t i = 0; i < list.len; i++)
        count += list.data[i] == ',';
    struct str item = {0};
    for (size_t left = count > from_right ? count - from_right : MIN(count, (size_t)1); left > 0; left--)
        item = str_trim(str_split(&list, ','));
    return item;
}

static void split_x(const struct forwarded_headers *headers, struct hops *ret)
{
    struct str rest = headers->x_for;
    ret->count = 0;
    while (rest.len > 0)
        push_hop(ret)->client = str_trim(str_split(&rest, ','));
    if (ret->count == 0)
        push_hop(ret);
    for (size_t i = 0; i < ret->count; i++) {
        struct hop *hop = &ret->items[ret->count - 1 - i];
        hop->proto = item_from_right(headers->x_proto, i);
        hop->host = item_from_right(headers->x_host, i);
    }
}

// --- Forwarded: for=192.0.2.1;proto=https, for="[2001:db8::1]:80"

// Takes the part up to ';' or ','; *rest begins with that byte. Within quotes these bytes are text. Returns
// ERR_MALFORMED if the closing quote is missing.
static int take_part(struct str *rest, struct str *ret)
{
    size_t len = 0;
    bool quoted = false;
    for (; len < rest->len; len++) {
        char c = rest->data[len];
        if (quoted && c == '\\')
            len++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == ';' || c == ','))
            break;
    }
    if (quoted || len > rest->len)
        return ERR_MALFORMED;
    *ret = str_trim(str_n(rest->data, len));
    *rest = str_n(rest->data + len, rest->len - len);
    return 0;
}

// Escapes within quotes stay as they are: no address, scheme or host name needs one.
static struct str without_quotes(struct str value)
{
    if (value.len >= 2 && value.data[0] == '"' && value.data[value.len - 1] == '"')
        return str_n(value.data + 1, value.len - 2);
    return value;
}

static void take_pair(struct hop *hop, struct str pair)
{
    struct str value = pair;
    struct str name = str_trim(str_split(&value, '='));
    value = without_quotes(str_trim(value));
    if (str_eq_nocase(name, STR("for")))
        hop->client = value;
    else if (str_eq_nocase(name, STR("proto")))
        hop->proto = value;
    else if (str_eq_nocase(name, STR("host")))
        hop->host = value;
}

static int split_forwarded(struct str rest, struct hops *ret)
{
    ret->count = 0;
    while (rest.len > 0) {
        struct hop *hop = push_hop(ret);
        while (rest.len > 0 && rest.data[0] != ',') {
            struct str pair;
            int err = take_part(&rest, &pair);
            if (err < 0)
                return err;
            take_pair(hop, pair);
            if (rest.len > 0 && rest.data[0] == ';')
                rest = str_n(rest.data + 1, rest.len - 1);
        }
        if (rest.len > 0)
            rest = str_n(rest.data + 1, rest.len - 1);
    }
    return 0;
}

// --- Both

static void pick(const struct hops *hops, const struct net_ranges *trusted, struct forwarded *ret)
{
    const struct hop *hop = hops->count ? &hops->items[hops->count - 1] : NULL;
    *ret = (struct forwarded){0};
    for (size_t i = 0; i < hops->count; i++) {
        const struct hop *next = &hops->items[hops->count - 1 - i];
        struct net_address address;
        if (!net_address_parse(next->client, &address))
            break; // "unknown", or nothing: stop at the last address that is known
        hop = next;
        ret->has_client = true;
        ret->client = address;
        if (!net_ranges_has(trusted, &address))
            break;
    }
    if (hop && hop->proto.len > 0)
        ret->proto = hop->proto;
    if (hop && hop->host.len > 0)
        ret->host = hop->host;
}

static bool differ(struct str a, struct str b)
{
    return a.data && b.data && !str_eq_nocase(a, b);
}

static bool contradict(const struct forwarded *a, const struct forwarded *b)
{
    bool clients = a->has_client && b->has_client && !net_address_same_host(&a->client, &b->client);
    return clients || differ(a->proto, b->proto) || differ(a->host, b->host);
}

int forwarded_read(const struct forwarded_headers *headers, const struct net_ranges *trusted, struct forwarded *ret)
{
    bool has_x = headers->x_for.data || headers->x_proto.data || headers->x_host.data;
    struct hops hops;
    struct forwarded by_x = {0}, by_forwarded = {0};
    if (has_x) {
        split_x(headers, &hops);
        pick(&hops, trusted, &by_x);
    }
    if (headers->forwarded.data) {
        int err = split_forwarded(headers->forwarded, &hops);
        if (err < 0)
            return err;
        pick(&hops, trusted, &by_forwarded);
        if (contradict(&by_x, &by_forwarded))
            return ERR_MALFORMED;
    }
    *ret = has_x ? by_x : by_forwarded;
    return 0;
}
