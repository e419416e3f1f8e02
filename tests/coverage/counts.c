/* Of the builds that count lines, linked into `runnel`: all its processes add what they counted to one file,
COUNTS_FILE-<stamp of the build>.

libgcov has a file for each source instead, and each process reads, adds to and writes all of them when it ends or runs
another program: 640 files, which takes a process longer than all else that most tests ask of it.

With RUNNEL_COUNTS_OUT in the environment a process takes over what the file has, and libgcov writes its own files of
it. */
#include <fcntl.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

// As gcc lays them out, which gcc's gcov-io.h and Linux' kernel/gcov/gcc_4_7.c say; KINDS is GCOV_COUNTERS.
enum { KINDS = __GNUC__ >= 14 ? 9 : 8 };

struct counters {
    unsigned count;
    int64_t *values;
};

struct gcov_info;

struct function {
    const struct gcov_info *key; // differs where the linker took another file's copy
    unsigned identity, lines_checksum, graph_checksum;
    struct counters counters[]; // of the kinds that have a way to merge
};

struct gcov_info {
    unsigned version;
    struct gcov_info *next;
    unsigned stamp, checksum;
    const char *name;
    void (*merge[KINDS])(int64_t *values, unsigned count);
    unsigned functions_count;
    const struct function *const *functions;
};

// The linker's option --wrap leads calls of libgcov here, and gives these the names of what they take the place of.
void __real___gcov_init(struct gcov_info *info);
void __real___gcov_exit(void);
void __real___gcov_dump(void);
void __real___gcov_reset(void);
void __real___gcov_reset_int(void);
void __wrap___gcov_init(struct gcov_info *info);
void __wrap___gcov_exit(void);
void __wrap___gcov_dump(void);
void __wrap___gcov_reset(void);
void __wrap___gcov_reset_int(void);

static struct gcov_info *infos[4096];
static size_t infos_count;
static uint64_t *shared;
static bool written;

typedef void apply(int64_t *own, uint64_t *all);

static void add(int64_t *own, uint64_t *all)
{
    if (*own)
        __atomic_fetch_add(all, (uint64_t)*own, __ATOMIC_RELAXED);
}

static void take(int64_t *own, uint64_t *all)
{
    *own = (int64_t)*all;
}

static void zero(int64_t *own, uint64_t *all)
{
    (void)all;
    *own = 0;
}

static void count(int64_t *own, uint64_t *all)
{
    (void)own;
    (void)all;
}

static size_t of_function(const struct gcov_info *info, const struct function *function, apply *does, uint64_t *all)
{
    const struct counters *counters = function->counters;
    size_t at = 0;
    for (size_t kind = 0; kind < KINDS; kind++) {
        if (!info->merge[kind])
            continue;
        for (size_t i = 0; i < counters->count; i++)
            does(&counters->values[i], all ? &all[at + i] : NULL);
        at += counters->count;
        counters++;
    }
    return at;
}

// Each counter has its place in the file. Returns how many there are.
static size_t for_all(apply *does, uint64_t *all)
{
    size_t at = 0;
    for (size_t i = 0; i < infos_count; i++)
        for (size_t j = 0; j < infos[i]->functions_count; j++) {
            const struct function *function = infos[i]->functions[j];
            if (function && function->key == infos[i])
                at += of_function(infos[i], function, does, all ? all + at : NULL);
        }
    return at;
}

// As libgcov does it.
static void go_alone(void)
{
    for (size_t i = 0; i < infos_count; i++)
        __real___gcov_init(infos[i]);
}

static uint64_t *map_file(const char *name)
{
    int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (fd < 0)
        return NULL;
    struct stat file = {0};
    size_t size =
        fstat(fd, &file) == 0 && file.st_size > 0 ? (size_t)file.st_size : for_all(count, NULL) * sizeof(*shared);
    void *mapped = MAP_FAILED;
    if (file.st_size > 0 || ftruncate(fd, (off_t)size) == 0)
        mapped = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return mapped == MAP_FAILED ? NULL : mapped;
}

// Early, as a process may be kept from files later; after all sources' constructors, which are of a higher priority.
__attribute__((constructor)) static void map_counts(void)
{
    uint64_t stamp = 1;
    for (size_t i = 0; i < infos_count; i++)
        stamp = (stamp * 31 + infos[i]->stamp) * 31 + infos[i]->checksum;
    char name[sizeof(COUNTS_FILE) + 20];
    snprintf(name, sizeof(name), COUNTS_FILE "-%016" PRIx64, stamp);
    shared = map_file(name);
    if (!shared)
        go_alone();
}

void __wrap___gcov_init(struct gcov_info *info)
{
    if (infos_count == sizeof(infos) / sizeof(infos[0]))
        abort();
    infos[infos_count++] = info;
}

// Before another program takes this one's place; and after it, if none does.
void __wrap___gcov_dump(void)
{
    if (shared)
        for_all(add, shared);
    else
        __real___gcov_dump();
}

void __wrap___gcov_reset(void)
{
    if (shared)
        for_all(zero, NULL);
    else
        __real___gcov_reset();
}

// In a child.
void __wrap___gcov_reset_int(void)
{
    if (shared)
        for_all(zero, NULL);
    else
        __real___gcov_reset_int();
}

// Each source's destructor calls it.
void __wrap___gcov_exit(void)
{
    if (shared && getenv("RUNNEL_COUNTS_OUT")) {
        for_all(take, shared);
        shared = NULL;
        go_alone();
    }
    if (!shared)
        __real___gcov_exit();
    else if (!written)
        for_all(add, shared);
    written = true;
}
