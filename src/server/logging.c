#include "server/logging.h"

#include <unistd.h>

// Text for people on a terminal, JSON for programs anywhere else.
static enum log_form log_form_of(const char *name)
{
    bool terminal = isatty(STDERR_FILENO);
    if (strcmp(name, "json") == 0 || (strcmp(name, "auto") == 0 && !terminal))
        return LOG_JSON;
    const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
    bool plain = !terminal || (no_colour && *no_colour) || (term && strcmp(term, "dumb") == 0);
    return plain ? LOG_TEXT : LOG_COLOUR;
}

static enum log_level log_level_of(const char *name)
{
    static const char *const names[] = {"debug", "info", "warning", "error"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(names[i], name) == 0)
            return (enum log_level)i;
    return LOG_INFO;
}

struct logger logging_of(const struct config *config)
{
    return (struct logger){
        .fd = STDERR_FILENO,
        .min_level = log_level_of(config->log_level),
        .form = log_form_of(config->log_form),
    };
}
