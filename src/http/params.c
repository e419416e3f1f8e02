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
