// Packs of which little or nothing is wanted any more, and objects of which the store knows nothing.
#include "retention/cold_private.h"
#include "util/clock.h"
#include "util/id.h"

#define DAMAGED_MS ((uint64_t)3600 * 1000)

// --- Packs

static int drop(struct cold_mover *it, int64_t pack, const char *object)
{
    struct object_store *objects = it->options.objects;
    struct store_cold_drop drop = {.pack = pack};
    int err = cold_run(it, &drop.op, STORE_COLD_DROP);
    if (err)
        return err == ERR_CONFLICT ? 0 : err;
    cold_count(it, METRIC_cold_packs_removed_total, 1);
    (void)objects->vtable->remove(objects, object, it->reason); // else the sweep finds it
    return 1;
}

// In the folder of the old one.
static void name_anew(const char *object, int64_t now_ms, char ret[COLD_OBJECT_MAX + 1])
{
    char id[ID_SORTABLE_LEN + 1];
    const char *slash = strrchr(object, '/');
    id_sortable(now_ms, id);
    snprintf(ret, COLD_OBJECT_MAX + 1, "%.*s%s.pack", slash ? (int)(slash + 1 - object) : 0, object, id);
}

// Puts what is wanted of the old pack into a new one. ERR_CORRUPT: it is not what was stored.
static int gather(struct cold_mover *it, struct store_cold_sparse *sparse, struct cold_pack *pack)
{
    CLEANUP(buf_release) struct buf range = {0};
    struct object_store *objects = it->options.objects;
    const struct cold_place *last = &sparse->ret_found[sparse->ret_count - 1].place;
    uint64_t begin = sparse->ret_found[0].place.at, end = last->at + last->len;
    int err = objects->vtable->get(objects, sparse->ret_object, begin, (size_t)(end - begin), &range, it->reason);
    for (size_t i = 0; i < sparse->ret_count && err == 0; i++) {
        struct cold_found *found = &sparse->ret_found[i];
        uint64_t at = found->place.at - begin, checksum = found->place.checksum;
        if (at + found->place.len > range.len)
            return ERR_CORRUPT;
        found->place = cold_pack_add(pack, str_of(found->execution_id), found->first, found->count,
                                     str_n(range.data + at, found->place.len));
        err = found->place.checksum == checksum ? 0 : ERR_CORRUPT;
    }
    return err;
}

static bool is_left_alone(const struct cold_mover *it, int64_t pack)
{
    uint64_t now_ms = clock_mono_ms();
    bool found = false;
    for (size_t i = 0; i < COLD_DAMAGED_MAX && !found; i++)
        found = it->damaged[i].pack == pack && now_ms < it->damaged[i].until_ms;
    return found;
}

static void leave_alone(struct cold_mover *it, int64_t pack)
{
    struct cold_damaged *first = &it->damaged[0];
    for (size_t i = 1; i < COLD_DAMAGED_MAX; i++)
        if (it->damaged[i].until_ms < first->until_ms)
            first = &it->damaged[i];
    *first = (struct cold_damaged){pack, clock_mono_ms() + DAMAGED_MS};
}

static int rewrite(struct cold_mover *it, struct store_cold_sparse *sparse)
{
    struct cold_pack pack = {0};
    int64_t now_ms = clock_real_ms();
    char object[COLD_OBJECT_MAX + 1];
    name_anew(sparse->ret_object, now_ms, object);
    struct store_cold_swap swap = {
        .object = object,
        .made_ms = now_ms,
        .from_pack = sparse->ret_pack,
        .found = sparse->ret_found,
        .count = sparse->ret_count,
    };
    int err = gather(it, sparse, &pack);
    if (err == 0)
        err = cold_send(it, &pack, &swap);
    cold_pack_release(&pack);
    if (err == 0 && swap.ret_chunks > 0)
        cold_count(it, METRIC_cold_packs_rewritten_total, 1);
    if (err == 0)
        it->sparse_after = sparse->ret_pack - 1; // it is empty now, and goes next
    if (err != ERR_CORRUPT && err != ERR_NOT_FOUND)
        return err ? err : 1;
    log_error(it->options.logger, "a pack of cold chunks is not what was stored", LOG_S("object", sparse->ret_object),
              LOG_S("error", error_word(err)));
    leave_alone(it, sparse->ret_pack);
    return 1; // whoever reads it is told; others are not kept waiting
}

int cold_tidy(struct cold_mover *it)
{
    struct store_cold_sparse sparse = {.after = it->sparse_after};
    int rc = cold_run(it, &sparse.op, STORE_COLD_SPARSE);
    if (rc == 0)
        it->sparse_after = sparse.ret_pack;
    if (rc == 0 && sparse.ret_pack != 0 && sparse.ret_count == 0)
        rc = drop(it, sparse.ret_pack, sparse.ret_object);
    else if (rc == 0 && sparse.ret_pack != 0)
        rc = is_left_alone(it, sparse.ret_pack) ? 1 : rewrite(it, &sparse);
    store_op_release(&sparse.op);
    return rc;
}

// --- Orphans

static bool is_pack(const char *name)
{
    size_t len = strlen(name);
    return strncmp(name, "v1/", 3) == 0 && len > 5 && len <= COLD_OBJECT_MAX && strcmp(name + len - 5, ".pack") == 0;
}

struct page {
    struct object_entry entries[BLOB_LIST_MAX];
    char names[BLOB_LIST_MAX][COLD_OBJECT_MAX + 1];
    bool known[BLOB_LIST_MAX];
    size_t count;
};

// What is listed and not known was sent by this mover, which waits for no swap now, or by one before it, whose swaps
// are refused from now on: so it is an orphan for good, whatever the clocks say. It must be asked after the list.
static int holds_still(struct cold_mover *it)
{
    struct store_lease lease = {.lease_kind = LEASE_COLD,
                                .subject = STORE_COLD_SUBJECT,
                                .ask = {.cause = NODE_LEASE_RENEW, .node = it->node, .epoch = it->epoch}};
    return cold_run(it, &lease.op, STORE_LEASE);
}

static int sweep_page(struct cold_mover *it, struct page *page)
{
    struct object_store *objects = it->options.objects;
    int64_t before_ms = clock_real_ms() - (int64_t)it->options.orphan_ms;
    size_t old = 0;
    for (size_t i = 0; i < page->count; i++)
        if (is_pack(page->entries[i].name) && page->entries[i].changed_ms <= before_ms)
            snprintf(page->names[old++], sizeof(page->names[0]), "%.*s", COLD_OBJECT_MAX, page->entries[i].name);
    struct store_cold_known known = {
        .names = (const char(*)[COLD_OBJECT_MAX + 1]) page->names, .count = old, .ret_known = page->known};
    int err = old > 0 ? cold_run(it, &known.op, STORE_COLD_KNOWN) : 0;
    bool held = false;
    for (size_t i = 0; i < old && err == 0; i++) {
        if (page->known[i])
            continue;
        err = held ? 0 : holds_still(it);
        held = true;
        if (err == 0)
            err = objects->vtable->remove(objects, page->names[i], it->reason);
        cold_count(it, METRIC_cold_orphans_swept_total, err == 0);
    }
    return err;
}

int cold_sweep(struct cold_mover *it)
{
    struct object_store *objects = it->options.objects;
    struct page *page = xcalloc(1, sizeof(*page));
    char after[BLOB_KEY_MAX + 1] = "";
    int err = 0;
    do {
        err = objects->vtable->list(objects, after, page->entries, &page->count, it->reason);
        if (err == 0 && page->count > 0) {
            memcpy(after, page->entries[page->count - 1].name, sizeof(after));
            err = sweep_page(it, page);
        }
    } while (err == 0 && page->count > 0 && !atomic_load(&it->ends));
    free(page);
    return err;
}
