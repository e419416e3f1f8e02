// Keys and signals of a command that draws on a terminal: single keys are read without Enter, and not shown.
#pragma once

#include "util/buf.h"

#include <termios.h>

enum key {
    KEY_NONE,
    KEY_UP,
    KEY_DOWN,
    KEY_ENTER,
    KEY_BACK,      // q, Escape, left
    KEY_INTERRUPT, // Ctrl-C
    KEY_RESIZED,   // the terminal has another size, or we are back in the foreground
    KEY_END,       // SIGTERM or SIGHUP
    KEY_OTHER,     // see `letter`
};

struct keys {
    int tty;     // keys are read from here; -1: there are none
    int signals; // a signalfd; -1: none
    bool raw;
    struct termios saved;
    char letter; // of KEY_OTHER, in lower case
    char bytes[64];
    size_t count, at; // of `bytes`
};

// `wanted`: keys are read, if there is a terminal to read them from. Signals are taken in any case.
void keys_init(struct keys *keys, bool wanted);
void keys_release(struct keys *keys); // the terminal and the signals are as before
// The next key or signal that has come; KEY_NONE: none. A stop (Ctrl-Z) is obeyed within.
enum key keys_next(struct keys *keys);
