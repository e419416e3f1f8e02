// Our own terminal while the child has a pseudo-terminal: raw, so that each key reaches the child, and back to what it
// was.
#pragma once

#include "util/attrs.h"

#include <sys/ioctl.h>
#include <termios.h>

struct terminal {
    int fd; // -1: none
    bool raw;
    struct termios saved;
};

// Takes standard input, or output, if it is a terminal; *ret_window is its size, or 0.
void terminal_init(struct terminal *terminal, struct winsize *ret_window);
void terminal_raw(
    struct terminal *terminal); // if standard input is the terminal; again, if somebody has changed it meanwhile
void terminal_restore(struct terminal *terminal);
// Our group may use it: no shell has put us into its background.
bool terminal_in_foreground(const struct terminal *terminal);
bool terminal_window(const struct terminal *terminal, struct winsize *ret_window);
