#include "util/machine.h"

#include "util/file.h"

#define FILE_MAX ((size_t)64 * 1024)

static bool read_text(const char *path, struct buf *ret)
{
    buf_reset(ret);
    return file_read_all(path, FILE_MAX, ret) == 0;
}

static uint64_t machine_total(const char *root)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/proc/meminfo", root);
    CLEANUP(buf_release) struct buf text = {0};
    uint64_t kib = 0;
    if (!read_text(path, &text))
        return 0;
    struct str rest = buf_str(&text);
    while (rest.len > 0) {
        struct str line = str_split(&rest, '\n');
        struct str name = str_split(&line, ':');
        line = str_trim(line);
        if (str_eq(name, STR("MemTotal")) && str_to_u64(str_split(&line, ' '), &kib))
            return kib * 1024;
    }
    return 0;
}

// Returns the limit that one folder of a hierarchy states; UINT64_MAX if it states none ("max", or no such file).
static uint64_t stated(const char *folder, const char *file)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", folder, file);
    CLEANUP(buf_release) struct buf text = {0};
    uint64_t bytes;
    return read_text(path, &text) && str_to_u64(str_trim(buf_str(&text)), &bytes) ? bytes : UINT64_MAX;
}

// Returns the least limit of the group and of the groups above it. Within a container, the group's path is the host's
// and does not exist there; then the top of the mount shows the container's own group.
static uint64_t hierarchy(const char *mount, struct str group, const char *file)
{
    uint64_t least = stated(mount, file);
    CLEANUP(free_ptr) char *path = str_dup(group);
    for (char *slash; (slash = strrchr(path, '/')) && slash[1]; *slash = '\0') {
        CLEANUP(free_ptr) char *folder = xasprintf("%s%s", mount, path);
        uint64_t bytes = stated(folder, file);
        least = MIN(least, bytes);
    }
    return least;
}

static bool list_has(struct str list, struct str wanted)
{
    while (list.len > 0)
        if (str_eq(str_split(&list, ','), wanted))
            return true;
    return false;
}

// Reads a line of /proc/self/cgroup: "0::/group" is of version 2, "7:cpu,memory:/group" is of version 1.
static uint64_t group_limit(const char *root)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/proc/self/cgroup", root);
    CLEANUP(free_ptr) char *unified = xasprintf("%s/sys/fs/cgroup", root);
    CLEANUP(free_ptr) char *memory = xasprintf("%s/sys/fs/cgroup/memory", root);
    CLEANUP(buf_release) struct buf text = {0};
    uint64_t least = UINT64_MAX, bytes;
    if (!read_text(path, &text))
        return least;
    struct str rest = buf_str(&text);
    while (rest.len > 0) {
        struct str group = str_split(&rest, '\n');
        struct str number = str_split(&group, ':'), controllers = str_split(&group, ':');
        if (str_eq(number, STR("0")) && controllers.len == 0)
            bytes = hierarchy(unified, group, "memory.max");
        else if (list_has(controllers, STR("memory")))
            bytes = hierarchy(memory, group, "memory.limit_in_bytes");
        else
            continue;
        least = MIN(least, bytes);
    }
    return least;
}

uint64_t machine_memory(const char *root)
{
    uint64_t total = machine_total(root), group = group_limit(root);
    if (group == 0 || (total == 0 && group == UINT64_MAX))
        return total;
    return total ? MIN(total, group) : group;
}
