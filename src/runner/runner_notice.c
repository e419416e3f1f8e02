// Messages of a run for people, on stderr.
#include "runner/runner_private.h"

#include <stdarg.h>
#include <unistd.h>

PRINTF_LIKE(2, 0) static void say(const struct runner *runner, const char *fmt, va_list args)
{
    CLEANUP(free_ptr) char *text = NULL;
    if (vasprintf(&text, fmt, args) < 0)
        abort();
    dprintf(STDERR_FILENO, "runnel: %s%s", text, runner->terminal.raw ? "\r\n" : "\n");
}

void runner_notice(const struct runner *runner, const char *fmt, ...)
{
    if (runner->options.quiet)
        return;
    va_list args;
    va_start(args, fmt);
    say(runner, fmt, args);
    va_end(args);
}

void runner_warn(const struct runner *runner, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    say(runner, fmt, args);
    va_end(args);
}
