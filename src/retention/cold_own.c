// The mark of the store to which the objects belong. One that finds another's moves and removes nothing: it would take
// the other's packs for orphans.
#include "retention/cold_private.h"
#include "util/clock.h"
#include "util/id.h"

#define MARK     "v1/owner"
#define MARK_MAX 512
#define FOR_PEOPLE                                                                                   \
    "\nA store of Runnel keeps logs here, and removes what it does not know. Its incarnation: %s.\n" \
    "Remove this object only if that store is gone; then the next one takes the place.\n"

// The first line of it; nothing if there is none.
static int find(struct cold_mover *it, struct buf *ret)
{
    struct object_store *objects = it->options.objects;
    int err = objects->vtable->get(objects, MARK, 0, MARK_MAX, ret, it->reason);
    if (err == ERR_NOT_FOUND) {
        it->reason[0] = 0;
        return 0;
    }
    return err < 0 || ret->len > 0 ? err : ERR_CONFLICT;
}

static int write_next(struct cold_mover *it, const char *next)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct object_store *objects = it->options.objects;
    buf_printf(&text, "%s" FOR_PEOPLE, next, store_incarnation(it->options.store));
    return objects->vtable->put(objects, MARK, buf_str(&text), it->reason);
}

int cold_own(struct cold_mover *it)
{
    CLEANUP(buf_release) struct buf there = {0};
    char next[ID_SORTABLE_LEN + 1];
    id_sortable(clock_real_ms(), next);
    int err = find(it, &there);
    struct str rest = buf_str(&there);
    struct store_cold_own own = {
        .node = it->node, .epoch = it->epoch, .found = str_split(&rest, '\n'), .next = str_of(next)};
    if (err == 0)
        err = cold_run(it, &own.op, STORE_COLD_OWN);
    if (err == 0)
        err = write_next(it, next);
    if (err == ERR_CONFLICT)
        snprintf(it->reason, sizeof(it->reason),
                 "cold is another store's place, says its object " MARK
                 ": name another prefix, or remove that object if no other store is there any more");
    return err;
}
