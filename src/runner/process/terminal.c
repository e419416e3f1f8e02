#include "runner/process/terminal.h"

#include <unistd.h>

void terminal_init(struct terminal *terminal, struct winsize *ret_window)
{
    *terminal = (struct terminal){.fd = isatty(STDIN_FILENO)    ? STDIN_FILENO
                                        : isatty(STDOUT_FILENO) ? STDOUT_FILENO
                                                                : -1};
    if (!terminal_window(terminal, ret_window))
        *ret_window = (struct winsize){0};
}

void terminal_raw(struct terminal *terminal)
{
    if (terminal->fd != STDIN_FILENO || (!terminal->raw && tcgetattr(terminal->fd, &terminal->saved) < 0))
        return;
    struct termios raw = terminal->saved;
    cfmakeraw(&raw);
    terminal->raw = tcsetattr(terminal->fd, TCSADRAIN, &raw) == 0;
}

void terminal_restore(struct terminal *terminal)
{
    if (terminal->raw && terminal_in_foreground(terminal))
        tcsetattr(terminal->fd, TCSADRAIN, &terminal->saved);
    terminal->raw = false;
}

bool terminal_in_foreground(const struct terminal *terminal)
{
    pid_t group = tcgetpgrp(terminal->fd);
    return group < 0 || group == getpgrp(); // a terminal that does not control us has no background
}

bool terminal_window(const struct terminal *terminal, struct winsize *ret_window)
{
    return terminal->fd >= 0 && ioctl(terminal->fd, TIOCGWINSZ, ret_window) == 0;
}
