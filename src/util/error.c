#include "util/error.h"

#include <string.h>

#define ERRNO_MAX 4096

struct error_entry {
    const char *word;
    const char *text;
    int http_status;
    int exit_code;
};

static const struct error_entry entries[] = {
#define ERROR_ENTRY(name, word, http, exit_code, text) {word, text, http, exit_code},
    RUNNEL_ERRORS(ERROR_ENTRY)
#undef ERROR_ENTRY
};

static const struct error_entry *entry_of(int err)
{
    if (err <= ERR_FIRST_ || err >= ERR_END_)
        err = ERR_INTERNAL;
    return &entries[err - ERR_FIRST_ - 1];
}

const char *error_word(int err)
{
    return entry_of(err)->word;
}

const char *error_text(int err)
{
    const char *of_system = err < 0 && err > -ERRNO_MAX ? strerrordesc_np(-err) : NULL;
    return of_system ? of_system : entry_of(err)->text;
}

int error_http_status(int err)
{
    return entry_of(err)->http_status;
}

int error_exit_code(int err)
{
    return entry_of(err)->exit_code;
}

int error_from_word(const char *word, size_t len)
{
    for (size_t i = 0; i < ARRAY_LEN(entries); i++) {
        if (strlen(entries[i].word) == len && memcmp(entries[i].word, word, len) == 0)
            return ERR_FIRST_ + 1 + (int)i;
    }
    return ERR_INTERNAL;
}
