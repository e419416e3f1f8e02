// Looks through the text of a settings file for what libconfuse does not tell, or cannot bear. Private to
// settings_file.c.
#pragma once

#include "util/buf.h"

struct settings_unset {
    int section;         // number of the section in the file, from 0; -1 at the top level
    struct str name;     // of the setting; a view into the text
    struct str variable; // that its value names, and that is not set; a view into the text
};

struct settings_scan {
    // The line on which a quote or a comment begins that has no end; 0 if there is none. After such a text libconfuse
    // reads every later text as empty, as long as the process lives. So it must never get one.
    unsigned unclosed_line;
    // The first setting that gets a value a second time: its name and both lines. 0 if there is none. libconfuse would
    // take the last value.
    unsigned repeated_line, repeated_from;
    struct str repeated;
    // Of struct settings_unset: variables that are not set. libconfuse would take "" for them. ${NAME:-text} needs
    // none.
    struct buf unset;
};

// `text` has no NUL, and must live as long as the result. `ret` must be released.
void settings_scan(struct str text, struct settings_scan *ret);
void settings_scan_release(struct settings_scan *scan);
// Returns the variable that a value of this setting names and that is not set; .data == NULL if there is none.
struct str settings_scan_unset(const struct settings_scan *scan, int section, const char *name);
