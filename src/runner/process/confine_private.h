// What the files of confinement share: confine_rules.c, and confine_base.c and confine.c above it.
#pragma once

#include "runner/process/confine.h"

#include <sys/types.h>

struct confine_ruleset {
    int fd;           // of the kernel's, or -1
    uint64_t handled; // the rights that it is about
};

struct confine_hidden { // resolved; owned
    char *paths[CONFINE_PATHS_MAX];
    size_t count;
};

// What is told of the folders above what is hidden.
struct confine_beside {
    int (*folder)(void *arg, int fd);                                        // this one is listed now; may be NULL
    int (*entry)(void *arg, int folder, const char *name, const char *path); // to be seen; may be a link
    void *arg;
};

uint64_t confine_rights_read(void);
uint64_t confine_rights_handled(void);     // 0: there is no Landlock
int confine_ruleset_new(uint64_t handled); // a descriptor, or -errno
void confine_hidden_resolve(const char *const paths[CONFINE_PATHS_MAX], struct confine_hidden *ret);
void confine_hidden_release(struct confine_hidden *hidden);
bool confine_hides_beneath(const struct confine_hidden *hidden, const char *path);
// All beside what is hidden. Ends with the first error of a callback, which it returns.
int confine_walk(const struct confine_hidden *hidden, const struct confine_beside *beside);
// A rule for what `fd` (O_PATH) is; `type` is its st_mode. Links are passed over.
int confine_allow(const struct confine_ruleset *ruleset, int fd, mode_t type, uint64_t access);
// The same for what has this name. What cannot be opened cannot be used by the job either: that is no error.
int confine_allow_at(const struct confine_ruleset *ruleset, int parent, const char *name, uint64_t access);

// --- confine_base.c
const struct confine_hidden *confine_base_hidden(const struct confine_base *base);
int confine_base_allow(const struct confine_base *base, const struct confine_ruleset *ruleset);
