#include "http/http_private.h"

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool percent_decode(struct arena *arena, struct str s, bool plus_is_space, struct str *ret)
{
    char *out = arena_alloc(arena, s.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < s.len; i++) {
        char c = s.data[i];
        if (c == '+' && plus_is_space) {
            c = ' ';
        } else if (c == '%') {
            int high = i + 2 < s.len ? hex_value(s.data[i + 1]) : -1;
            int low = i + 2 < s.len ? hex_value(s.data[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[len++] = c;
    }
    *ret = str_n(out, len);
    return true;
}

bool http_params_each(struct http_request *request, bool (*visit)(struct str name, struct str value, void *arg),
                      void *arg)
{
    struct str rest = request->query;
    while (rest.len > 0) {
        struct str value = str_split(&rest, '&');
        struct str name = str_split(&value, '=');
        if (name.len == 0 && value.len == 0)
            continue;
        struct str decoded_name, decoded_value;
        if (!percent_decode(&request->arena, name, true, &decoded_name) ||
            !percent_decode(&request->arena, value, true, &decoded_value))
            return false;
        if (!visit(decoded_name, decoded_value, arg))
            return false;
    }
    return true;
}

struct wanted_param {
    struct str name, value;
};

static bool not_wanted(struct str name, struct str value, void *arg)
{
    struct wanted_param *wanted = arg;
    if (!str_eq(name, wanted->name))
        return true;
    wanted->value = value;
    return false;
}

bool http_param(struct http_request *request, struct str name, struct str *ret)
{
    struct wanted_param wanted = {.name = name};
    http_params_each(request, not_wanted, &wanted);
    if (!wanted.value.data)
        return false;
    *ret = wanted.value;
    return true;
}

// Returns the opaque part of an entity tag. Here a weak tag compares like a strong one.
static struct str without_weakness(struct str tag)
{
    return str_starts(tag, STR("W/")) ? str_n(tag.data + 2, tag.len - 2) : tag;
}

// Takes the first tag of a list, with its quotes; commas within the quotes are part of it. Moves *rest behind it. .data
// == NULL at the end of the list.
static struct str take_tag(struct str *rest)
{
    size_t start = 0, end;
    if (rest->len == 0) // a missing header has no text at all
        return (struct str){0};
    while (start < rest->len && (rest->data[start] == ',' || rest->data[start] == ' ' || rest->data[start] == '\t'))
        start++;
    bool quoted = false;
    for (end = start; end < rest->len && (quoted || rest->data[end] != ','); end++)
        quoted ^= rest->data[end] == '"';
    struct str tag = str_trim(str_n(rest->data + start, end - start));
    *rest = str_n(rest->data + end, rest->len - end);
    return tag.len > 0 ? tag : (struct str){0};
}

bool http_none_match(struct str if_none_match, struct str etag)
{
    struct str rest = if_none_match, tag;
    if (str_eq(str_trim(if_none_match), STR("*")))
        return true;
    while ((tag = take_tag(&rest)).data) {
        if (str_eq(without_weakness(tag), without_weakness(etag)))
            return true;
    }
    return false;
}
