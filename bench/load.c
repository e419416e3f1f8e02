#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_MAX_BYTES 8192

void fail(const char *fmt, ...)
{
    va_list list;
    va_start(list, fmt);
    fprintf(stderr, "bench-load: ");
    vfprintf(stderr, fmt, list);
    fprintf(stderr, "\n");
    va_end(list);
    exit(1);
}

uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t cpu_ns(uint64_t pid)
{
    clockid_t clock;
    struct timespec used;
    if (clock_getcpuclockid((pid_t)pid, &clock) != 0 || clock_gettime(clock, &used) != 0)
        fail("no CPU time of process %llu", (unsigned long long)pid);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

void sleep_until(uint64_t at_ns)
{
    struct timespec at = {.tv_sec = (time_t)(at_ns / 1000000000u), .tv_nsec = (long)(at_ns % 1000000000u)};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) == EINTR) {
    }
}

void samples_add(struct samples *samples, uint64_t ns)
{
    if (samples->count == samples->cap) {
        samples->cap = samples->cap ? samples->cap * 2 : 4096;
        samples->ns = xrealloc(samples->ns, samples->cap * sizeof(*samples->ns));
    }
    samples->ns[samples->count++] = ns;
}

static int samples_compare(const void *a, const void *b)
{
    const uint64_t *left = a, *right = b;
    return *left < *right ? -1 : *left > *right;
}

static double samples_at(const struct samples *samples, double share)
{
    if (samples->count == 0)
        return 0;
    size_t at = (size_t)(share * (double)samples->count);
    return (double)samples->ns[MIN(at, samples->count - 1)] / 1e6;
}

void samples_print(struct samples *samples, const char *name)
{
    if (samples->count > 0)
        qsort(samples->ns, samples->count, sizeof(*samples->ns), samples_compare);
    printf("\"%s_p50_ms\":%.4f,\"%s_p99_ms\":%.4f,\"%s_p999_ms\":%.4f,\"%s_max_ms\":%.4f,\"%s_count\":%zu", name,
           samples_at(samples, 0.5), name, samples_at(samples, 0.99), name, samples_at(samples, 0.999), name,
           samples_at(samples, 1), name, samples->count);
}

void samples_release(struct samples *samples)
{
    free(samples->ns);
    *samples = (struct samples){0};
}

static size_t file_read(const char *path, char **ret)
{
    struct stat info;
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0)
        fail("%s: %s", path, strerror(errno));
    size_t size = (size_t)info.st_size, len = 0;
    *ret = xmalloc(size + 1);
    while (len < size) {
        ssize_t got = read(fd, *ret + len, size - len);
        if (got <= 0)
            fail("%s: cannot be read", path);
        len += (size_t)got;
    }
    return size;
}

void corpus_load(struct corpus *corpus, const char *path, size_t lines_max)
{
    size_t cap = 0;
    corpus->len = file_read(path, &corpus->data);
    for (const char *at = corpus->data, *end = at + corpus->len; at < end && corpus->count < lines_max;) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        size_t len = (size_t)((newline ? newline : end) - at);
        if (corpus->count == cap) {
            cap = cap ? cap * 2 : 65536;
            corpus->lines = xrealloc(corpus->lines, cap * sizeof(*corpus->lines));
        }
        corpus->lines[corpus->count++] = str_n(at, MIN(len, LINE_MAX_BYTES));
        at += MIN(len + (newline ? 1 : 0), len < LINE_MAX_BYTES ? len + 1 : LINE_MAX_BYTES);
    }
    if (corpus->count == 0)
        fail("%s: holds no line", path);
}
