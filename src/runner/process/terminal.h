// Our own terminal while the child has a pseudo-terminal. It is raw, so that each key reaches the child, and is
// restored afterwards.
#pragma once

#include "util/attrs.h"

#include <sys/ioctl.h>
#include <termios.h>

struct terminal {
    int fd; // -1: no terminal
    bool raw;
    struct termios saved;
};

// Uses standard input, or else standard output, if it is a terminal. *ret_window is its size, or 0.
void terminal_init(struct terminal *terminal, struct winsize *ret_window);
// Acts only if standard input is the terminal. Call it again when somebody has changed the modes.
void terminal_raw(struct terminal *terminal);
void terminal_restore(struct terminal *terminal);
// Whether our group may use it: no shell has put us into the background.
bool terminal_in_foreground(const struct terminal *terminal);
bool terminal_window(const struct terminal *terminal, struct winsize *ret_window);
