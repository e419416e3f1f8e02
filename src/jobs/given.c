#include "jobs/given.h"

static struct str row_key(const int64_t *row)
{
    return str_n((const char *)row, sizeof(*row));
}

static void given_free(struct gifts *gifts, struct given *given)
{
    list_remove(&given->link);
    map_remove(&gifts->by_row, &given->node);
    free(given->execution_id);
    free(given);
}

void gifts_init(struct gifts *gifts)
{
    map_init(&gifts->by_row);
    list_init(&gifts->all);
}

void gifts_release(struct gifts *gifts)
{
    LIST_FOR_EACH_SAFE(it, next, &gifts->all)
        given_free(gifts, CONTAINER_OF(it, struct given, link));
    map_release(&gifts->by_row);
}

struct given *gifts_find(const struct gifts *gifts, int64_t row)
{
    struct map_node *node = map_find(&gifts->by_row, row_key(&row));
    return node ? CONTAINER_OF(node, struct given, node) : NULL;
}

struct given *gifts_add(struct gifts *gifts, int64_t row, uint64_t epoch, const char *execution_id,
                        const struct worker_session *session)
{
    gifts_remove(gifts, row);
    struct given *given = xcalloc(1, sizeof(*given));
    given->row = row;
    given->epoch = epoch;
    given->execution_id = xstrdup(execution_id);
    snprintf(given->worker, sizeof(given->worker), "%.*s", STR_ARGS(worker_session_key(session)));
    snprintf(given->instance, sizeof(given->instance), "%s", worker_session_offer(session)->instance);
    map_insert(&gifts->by_row, &given->node, row_key(&given->row));
    list_push_back(&gifts->all, &given->link);
    return given;
}

void gifts_remove(struct gifts *gifts, int64_t row)
{
    struct given *given = gifts_find(gifts, row);
    if (given)
        given_free(gifts, given);
}
