// The files that travel with the jobs of `run`: by content, each of them sent once.
#pragma once

#include "cli/cli_private.h"

// Adds a file, or all files of a folder, to the array of inputs. Until inputs_send each has a `path` instead of what is
// known of its content. What it is called in the job's folder is the path as it was given, if that is a relative one
// that stays beneath; else the last part of it. Returns 0, or the exit code after having said what is wrong.
int inputs_add(struct cli *cli, json_t *inputs, const char *path);
// Adds a file under a name.
int inputs_add_as(struct cli *cli, json_t *inputs, const char *path, const char *name);
char *inputs_name(const char *path); // what it is called there

// Reads the files of the order and of its jobs (may be NULL), each of them once, and gives the server what it does not
// have: small ones together. Then each input has what is known of its content instead of its `path`. Returns 0, or the
// exit code after having said what is wrong.
int inputs_send(struct cli *cli, struct client *client, json_t *order, const json_t *jobs);
