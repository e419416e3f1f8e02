// Interpreters for scripts: those that were found on PATH, each asked once for its version; and which of them a script
// needs.
#pragma once

#include "util/buf.h"
#include "util/error.h"

#define RUNTIMES_MAX 64

struct runtime {
    char *name; // "python:3.11.7"; without a version: "sh"
    char *path;
};

struct runtimes {
    struct runtime all[RUNTIMES_MAX]; // of each kind the usual one first
    size_t count;
};

// Looks along `path` ("/usr/bin:/bin"). Blocks, for at most a few seconds if a program does not answer.
void runtimes_find(const char *path, struct runtimes *ret);
void runtimes_release(struct runtimes *runtimes);

struct script {
    const char *wanted; // what its submitter wants: "python:3.11"; may be NULL
    const char *name;   // of its file
    struct str text;
};
// What it is run with where programs are found by their names, as in a container: "python3"; "" if it begins with "#!"
// and is run as it is; NULL if that is not known.
const char *runtime_program(const struct script *script);

struct runtime_choice {
    const struct runtime *runtime; // NULL: it begins with "#!", or is a binary, and is run as it is
    const char *version;           // for people; NULL: not known
};
// Returns false if none fits; *ret_reason then says so, and which there are.
bool runtime_choose(const struct runtimes *runtimes, const struct script *script, struct runtime_choice *ret,
                    struct buf *ret_reason);
