// Lists content in the order of keys. The contents of a pack follow its name.
#include "blob/s3/s3_private.h"
#include "util/error.h"

struct listing {
    struct blob_s3 *s3;
    struct blob_list *it;
    unsigned limit;
};

static void add(struct listing *listing, const char *key, int64_t changed_ms)
{
    struct blob_list *it = listing->it;
    if (it->ret_count == listing->limit || strcmp(key, it->after) <= 0)
        return;
    struct blob_entry *entry = &it->ret_entries[it->ret_count++];
    snprintf(entry->key, sizeof(entry->key), "%s", key);
    entry->changed_ms = changed_ms;
}

static bool is_pack(const char *key)
{
    struct str rest = str_of(key);
    str_split(&rest, '/');
    return str_eq(str_split(&rest, '/'), STR(BLOB_PACK_FOLDER)) && !str_find(rest, '.');
}

static int add_contents(struct listing *listing, const struct s3_object *object)
{
    struct blob_pack_entry entry;
    struct s3_pack *pack;
    char key[BLOB_KEY_MAX + 1];
    bool any = false;
    int err = s3_pack_known(listing->s3, &listing->it->op, str_of(object->key), &pack);
    if (err)
        return err == ERR_NOT_FOUND ? 0 : err; // it was removed meanwhile
    for (unsigned i = 0; i < pack->count; i++) {
        if (!s3_pack_entry(pack, i, &entry))
            continue;
        any = true;
        blob_pack_key(object->key, &(struct blob_pack_place){.index = i, .offset = entry.offset, .len = entry.len},
                      key);
        add(listing, key, object->changed_ms);
    }
    if (!any)
        add(listing, object->key, object->changed_ms);
    return 0;
}

static int add_pack(struct listing *listing, const struct s3_object *object)
{
    pthread_mutex_lock(&listing->s3->packs);
    int err = add_contents(listing, object);
    pthread_mutex_unlock(&listing->s3->packs);
    return err;
}

// Where to begin in S3's order: within a pack, with the pack itself once more.
static void begin_after(const char *after, char ret[BLOB_KEY_MAX + 1])
{
    struct blob_pack_place place;
    snprintf(ret, BLOB_KEY_MAX + 1, "%s", after);
    if (blob_pack_place(str_of(after), &place) && place.pack.len > 0)
        ret[place.pack.len - 1] = 0; // what stands before it, and behind all others but those of its millisecond
}

int blob_s3_list(struct blob_store *store, struct blob_list *it)
{
    struct blob_s3 *s3 = blob_s3_of(store);
    struct listing listing = {s3, it, it->limit > 0 ? MIN(it->limit, (unsigned)BLOB_LIST_MAX) : BLOB_LIST_MAX};
    char after[BLOB_KEY_MAX + 1];
    begin_after(it->after, after);
    it->ret_count = 0;
    for (;;) {
        CLEANUP(s3_objects_release) struct s3_objects objects = {0};
        int err = s3_list_objects(s3, &it->op, "content/", after, listing.limit, &objects);
        for (size_t i = 0; i < objects.count && err == 0 && it->ret_count < listing.limit; i++) {
            const struct s3_object *object = &objects.items[i];
            if (is_pack(object->key))
                err = add_pack(&listing, object);
            else
                add(&listing, object->key, object->changed_ms);
        }
        if (err || it->ret_count > 0 || objects.count == 0)
            return err;
        snprintf(after, sizeof(after), "%s", objects.items[objects.count - 1].key); // the last pack of all was done
    }
}
