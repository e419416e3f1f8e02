#include "metrics/process.h"

#include <dirent.h>
#include <sys/resource.h>
#include <unistd.h>

static bool cpu_seconds(double *ret)
{
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) < 0)
        return false;
    *ret = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    return true;
}

// The second number of /proc/self/statm counts pages.
static bool resident_bytes(double *ret)
{
    unsigned long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return false;
    bool found = fscanf(file, "%*u %lu", &pages) == 1;
    fclose(file);
    *ret = (double)pages * (double)sysconf(_SC_PAGESIZE);
    return found;
}

static bool open_files(double *ret)
{
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return false;
    for (const struct dirent *entry; (entry = readdir(dir));)
        *ret += entry->d_name[0] != '.';
    closedir(dir);
    *ret -= 1; // the folder's own
    return true;
}

static bool files_max(double *ret)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    *ret = (double)limit.rlim_cur;
    return true;
}

static const struct figure {
    const char *name, *kind, *help;
    bool (*find)(double *ret);
} figures[] = {
    {"process_cpu_seconds_total", "counter", "user and system time of the server's process", cpu_seconds},
    {"process_resident_memory_bytes", "gauge", "resident memory of the server's process", resident_bytes},
    {"process_open_fds", "gauge", "files that the server's process has open", open_files},
    {"process_max_fds", "gauge", "files that it may have open", files_max},
};

void process_metrics_export(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(figures); i++) {
        const struct figure *figure = &figures[i];
        double value = 0;
        if (figure->find(&value))
            buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.15g\n", figure->name, figure->help, figure->name,
                       figure->kind, figure->name, value);
    }
}

void process_metrics_document(struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(figures); i++)
        buf_printf(out, "| `%s` | %s | %s |\n", figures[i].name, figures[i].kind, figures[i].help);
}
