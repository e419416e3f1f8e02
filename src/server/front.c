#include "server/front.h"

// Removes slashes at the end. Returns false if the text cannot be a base path.
static bool base_path_parse(const char *text, char **ret)
{
    size_t len = strlen(text);
    while (len > 0 && text[len - 1] == '/')
        len--;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] <= ' ' || (unsigned char)text[i] > '~' || strchr("%?#\"\\", text[i]))
            return false;
    if (len > 0 && (text[0] != '/' || memmem(text, len, "//", 2)))
        return false;
    *ret = xstrndup(text, len);
    return true;
}

int front_take(const struct config *config, struct front *ret, struct buf *ret_error)
{
    const struct text_list *proxies = &config->trusted_proxies;
    size_t bad = 0;
    *ret = (struct front){0};
    if (net_ranges_new(proxies->items, proxies->count, &bad, &ret->trusted)) {
        buf_printf(ret_error, "trusted_proxies: \"%s\" is no address, no range such as 10.0.0.0/8, and not unix",
                   proxies->items[bad]);
        return ERR_INVALID;
    }
    if (config->proxy_protocol && proxies->count == 0) {
        buf_append_text(ret_error, "proxy_protocol: name in trusted_proxies whose headers are to be believed");
        return ERR_INVALID;
    }
    if (!base_path_parse(config->base_path, &ret->base_path)) {
        buf_printf(ret_error, "base_path: must be a path such as /runnel, not \"%s\"", config->base_path);
        return ERR_INVALID;
    }
    return 0;
}

void front_release(struct front *front)
{
    net_ranges_free(&front->trusted);
    free(TAKE_PTR(front->base_path));
}
