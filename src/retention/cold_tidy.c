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

// What of several packs becomes one.
struct gathering {
    struct cold_pack pack;
    struct cold_found *found; // with their places in it
    size_t count;
    uint64_t packs;
    char object[COLD_OBJECT_MAX + 1]; // the first one
};

static void gathering_release(struct gathering *it)
{
    cold_pack_release(&it->pack);
    free(TAKE_PTR(it->found));
}

static int check(const struct store_cold_sparse *sparse, uint64_t begin, const struct buf *range)
{
    for (size_t i = 0; i < sparse->ret_count; i++) {
        const struct cold_place *place = &sparse->ret_found[i].place;
        bool there = place->at - begin + place->len <= range->len;
        if (!there || cold_checksum(str_n(range->data + (place->at - begin), place->len)) != place->checksum)
            return ERR_CORRUPT;
    }
    return 0;
}

// Adds what is wanted of an old pack. ERR_CORRUPT: it is not what was stored, and nothing of it was added.
static int gather(struct cold_mover *it, const struct store_cold_sparse *sparse, struct gathering *ret)
{
    CLEANUP(buf_release) struct buf range = {0};
    struct object_store *objects = it->options.objects;
    const struct cold_place *last = &sparse->ret_found[sparse->ret_count - 1].place;
    uint64_t begin = sparse->ret_found[0].place.at, end = last->at + last->len;
    int err = objects->vtable->get(objects, sparse->ret_object, begin, (size_t)(end - begin), &range, it->reason);
    if (err == 0)
        err = check(sparse, begin, &range);
    if (err < 0)
        return err;
    if (ret->packs++ == 0)
        snprintf(ret->object, sizeof(ret->object), "%s", sparse->ret_object);
    ret->found = xrealloc(ret->found, (ret->count + sparse->ret_count) * sizeof(*ret->found));
    for (size_t i = 0; i < sparse->ret_count; i++) {
        struct cold_found *found = &ret->found[ret->count++];
        *found = sparse->ret_found[i];
        found->place = cold_pack_add(&ret->pack, str_of(found->execution_id), found->first, found->count,
                                     str_n(range.data + (found->place.at - begin), found->place.len));
    }
    return 0;
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

static int send_gathered(struct cold_mover *it, struct gathering *gathered)
{
    int64_t now_ms = clock_real_ms();
    char object[COLD_OBJECT_MAX + 1];
    name_anew(gathered->object, now_ms, object);
    struct store_cold_swap swap = {
        .object = object, .made_ms = now_ms, .found = gathered->found, .count = gathered->count};
    int err = cold_send(it, &gathered->pack, &swap);
    if (err == 0 && swap.ret_chunks > 0)
        cold_count(it, METRIC_cold_packs_rewritten_total, gathered->packs);
    return err;
}

static bool same_folder(const char *a, const char *b)
{
    const char *slash = strrchr(a, '/');
    return slash && strncmp(a, b, (size_t)(slash + 1 - a)) == 0 && !strchr(b + (slash + 1 - a), '/');
}

// Whether it becomes part of the same pack: days stay whole, and of several stores each has its own.
static bool joins(const struct gathering *gathered, const struct store_cold_sparse *sparse)
{
    return gathered->packs == 0 || (same_folder(gathered->object, sparse->ret_object) &&
                                    store_shard_of(gathered->found[0].row) == store_shard_of(sparse->ret_pack) &&
                                    gathered->count + sparse->ret_count <= COLD_CHUNKS_MAX);
}

// Whoever reads what is wrong is told; others are not kept waiting.
static int pass_over(struct cold_mover *it, const struct store_cold_sparse *sparse, int err)
{
    if (err != ERR_CORRUPT && err != ERR_NOT_FOUND)
        return err;
    log_error(it->options.logger, "a pack of cold chunks is not what was stored", LOG_S("object", sparse->ret_object),
              LOG_S("error", error_word(err)));
    leave_alone(it, sparse->ret_pack);
    return 0;
}

// The next sparse pack. Returns 1 if there may be more to do, 0 behind the last one, or an error. *ret_ends: what was
// gathered goes before it.
static int take_sparse(struct cold_mover *it, struct gathering *gathered, bool *ret_ends)
{
    struct store_cold_sparse sparse = {.after = it->sparse_after};
    int rc = cold_run(it, &sparse.op, STORE_COLD_SPARSE);
    *ret_ends = rc == 0 && sparse.ret_pack != 0 && sparse.ret_count > 0 && !joins(gathered, &sparse);
    bool taken = rc == 0 && !*ret_ends;
    if (taken)
        it->sparse_after = sparse.ret_pack;
    if (taken && sparse.ret_pack != 0 && sparse.ret_count == 0)
        rc = MIN(drop(it, sparse.ret_pack, sparse.ret_object), 0);
    else if (taken && sparse.ret_pack != 0 && !is_left_alone(it, sparse.ret_pack))
        rc = pass_over(it, &sparse, gather(it, &sparse, gathered));
    if (rc == 0)
        rc = sparse.ret_pack != 0;
    store_op_release(&sparse.op);
    return rc;
}

int cold_tidy(struct cold_mover *it)
{
    CLEANUP(gathering_release) struct gathering gathered = {0};
    int64_t from = it->sparse_after;
    bool ends = false;
    int rc = 1;
    while (rc == 1 && !ends && gathered.pack.bytes.len < COLD_PACK_BYTES && !atomic_load(&it->ends))
        rc = take_sparse(it, &gathered, &ends);
    int err = rc >= 0 && gathered.packs > 0 ? send_gathered(it, &gathered) : 0;
    if (err == 0 && gathered.packs > 0)
        it->sparse_after = from; // they are empty now, and go next
    return rc < 0 ? rc : err < 0 ? err : rc == 1 || gathered.packs > 0;
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
