// Lists content in the order of keys: accounts, within them the folders of two digits, within them files.
#include "blob/dir/dir_private.h"

#include <dirent.h>
#include <errno.h>
#include <sys/stat.h>

#define LEVELS 3 // ACCOUNT / AB / FILE

struct names {
    char **items;
    size_t count, cap;
};

static void names_release(struct names *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void close_dir(DIR **open)
{
    if (*open)
        closedir(*open);
}

static int names_of(const char *path, struct names *ret)
{
    CLEANUP(close_dir) DIR *open = opendir(path);
    struct dirent *entry;
    if (!open)
        return -errno;
    while ((entry = readdir(open))) {
        if (entry->d_name[0] == '.')
            continue;
        if (ret->count == ret->cap) {
            ret->cap = MAX((size_t)64, ret->cap * 2);
            ret->items = xrealloc(ret->items, ret->cap * sizeof(*ret->items));
        }
        ret->items[ret->count++] = xstrdup(entry->d_name);
    }
    if (ret->count > 0)
        qsort(ret->items, ret->count, sizeof(*ret->items), by_text);
    return 0;
}

struct listing {
    struct blob_dir *dir;
    struct blob_list *it;
    size_t limit;
};

// Returns false when there are enough.
static bool add(struct listing *listing, const char *key, const char *path)
{
    struct stat about;
    if (listing->it->ret_count == listing->limit)
        return false;
    if (strcmp(key, listing->it->after) <= 0 || !path || lstat(path, &about) < 0 || !S_ISREG(about.st_mode))
        return true;
    struct blob_entry *entry = &listing->it->ret_entries[listing->it->ret_count++];
    snprintf(entry->key, sizeof(entry->key), "%s", key);
    entry->changed_ms = (int64_t)about.st_mtim.tv_sec * 1000 + about.st_mtim.tv_nsec / 1000000;
    return true;
}

struct pack_listing {
    struct listing *listing;
    const char *path;
};

static bool add_packed(void *arg, const char *key)
{
    struct pack_listing *pack = arg;
    return add(pack->listing, key, pack->path);
}

static void add_file(struct listing *listing, const char *key, bool packed)
{
    CLEANUP(free_ptr) char *path = blob_dir_content_path(listing->dir, str_of(key));
    struct pack_listing pack = {listing, path};
    if (packed)
        blob_dir_pack_list(listing->dir, key, add_packed, &pack);
    else
        add(listing, key, path);
}

// Whether there is nothing behind `after` in what is called so. A pack's contents follow its name.
static bool is_before(const char *name, const char *after, bool packed)
{
    size_t len = strlen(name);
    bool within = packed && strncmp(after, name, len) == 0 && after[len] == '.';
    return strcmp(name, after) < 0 && !within;
}

// Adds what lies beneath `prefix`, behind `after` (of which the part for this level comes first; "": everything).
static int list_beneath(struct listing *listing, const char *prefix, struct str after, int level)
{
    CLEANUP(names_release) struct names names = {0};
    CLEANUP(free_ptr) char *path = xasprintf("%s/content/%s", listing->dir->folder, prefix);
    CLEANUP(free_ptr) char *first = str_dup(str_split(&after, '/'));
    bool last = level == LEVELS - 1, packed = last && strcmp(strrchr(path, '/') + 1, BLOB_PACK_FOLDER) == 0;
    int err = names_of(path, &names);
    if (err == -ENOENT || err == -ENOTDIR)
        return 0;
    if (err < 0)
        return blob_dir_error(listing->dir, "content cannot be listed", path, -err);
    for (size_t i = 0; i < names.count && err == 0 && listing->it->ret_count < listing->limit; i++) {
        if (is_before(names.items[i], first, packed))
            continue;
        CLEANUP(free_ptr) char *key = xasprintf("%s%s%s", prefix, *prefix ? "/" : "", names.items[i]);
        if (last)
            add_file(listing, key, packed);
        else
            err = list_beneath(listing, key, strcmp(names.items[i], first) == 0 ? after : (struct str){0}, level + 1);
    }
    return err;
}

int blob_dir_list(struct blob_store *store, struct blob_list *it)
{
    size_t limit = it->limit > 0 ? MIN(it->limit, (unsigned)BLOB_LIST_MAX) : BLOB_LIST_MAX;
    struct listing listing = {blob_dir_of(store), it, limit};
    it->ret_count = 0;
    return list_beneath(&listing, "", str_of(it->after), 0);
}
