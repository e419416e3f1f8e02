#include "runner/process/confine_private.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static int allow_entry(void *arg, int folder, const char *name, const char *path)
{
    (void)path;
    return confine_allow_at(arg, folder, name, confine_rights_read());
}

static int allow_beside(struct confine_ruleset *ruleset, const struct confine_hidden *hidden)
{
    return confine_walk(hidden, &(struct confine_beside){.entry = allow_entry, .arg = ruleset});
}

// Where what is open lies; found without going through all of its path where there is /proc.
static bool path_of(int fd, const char *name, char path[PATH_MAX])
{
    char link[32];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_MAX - 1);
    path[MAX(len, 0)] = 0;
    return path[0] == '/' || realpath(name, path);
}

static int allow_path(const struct confine_ruleset *ruleset, const struct confine_hidden *hidden, const char *name,
                      uint64_t access)
{
    struct stat info;
    char path[PATH_MAX];
    CLEANUP(close_fd) int fd = open(name, O_PATH | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) < 0 || !path_of(fd, name, path) || confine_hides_beneath(hidden, path))
        return 0;
    return confine_allow(ruleset, fd, info.st_mode, access);
}

static int allow_listed(const struct confine_ruleset *ruleset, const struct confine_hidden *hidden,
                        const char *const paths[CONFINE_PATHS_MAX], uint64_t access)
{
    int err = 0;
    for (size_t i = 0; i < CONFINE_PATHS_MAX && paths[i] && err == 0; i++)
        err = allow_path(ruleset, hidden, paths[i], access);
    return err;
}

static int allow_all(struct confine_ruleset *ruleset, const struct confine_options *options,
                     const struct confine_hidden *hidden)
{
    int err = options->base ? confine_base_allow(options->base, ruleset) : allow_beside(ruleset, hidden);
    if (err == 0)
        err = allow_listed(ruleset, hidden, options->readable, confine_rights_read());
    return err < 0 ? err : allow_listed(ruleset, hidden, options->writable, ruleset->handled);
}

int confine_prepare(const struct confine_options *options, int *ret_fd)
{
    struct confine_ruleset ruleset = {.handled = confine_rights_handled()};
    CLEANUP(confine_hidden_release) struct confine_hidden own = {0};
    if (ruleset.handled == 0)
        return ERR_UNSUPPORTED;
    CLEANUP(close_fd) int fd = confine_ruleset_new(ruleset.handled);
    if (fd < 0)
        return fd;
    ruleset.fd = fd;
    if (!options->base)
        confine_hidden_resolve(options->hidden, &own);
    int err = allow_all(&ruleset, options, options->base ? confine_base_hidden(options->base) : &own);
    if (err == 0)
        *ret_fd = TAKE_FD(fd);
    return err;
}
