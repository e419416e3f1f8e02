#include "server/former_node.h"

#include "util/file.h"
#include "util/log.h"

static char *file_in(const char *data)
{
    return xasprintf("%s/node", data);
}

int64_t former_node(const struct store *store, const char *data)
{
    CLEANUP(free_ptr) char *path = file_in(data);
    CLEANUP(buf_release) struct buf text = {0};
    int64_t node = 0;
    if (store_alone(store) || file_read_all(path, 256, &text) < 0)
        return 0;
    struct str rest = str_trim(buf_str(&text));
    bool same = str_eq(str_split(&rest, ' '), str_of(store_incarnation(store)));
    return same && str_to_i64(rest, &node) && node > 0 ? node : 0;
}

void former_node_keep(const struct store *store, const char *data, int64_t node, const struct logger *logger)
{
    if (store_alone(store))
        return;
    CLEANUP(free_ptr) char *path = file_in(data);
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text, "%s %lld\n", store_incarnation(store), (long long)node);
    int err = file_write_atomic(path, text.data, text.len, 0600);
    if (err < 0)
        log_warn(logger, "the file of the node cannot be written", LOG_S("path", path));
}
