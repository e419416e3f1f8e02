// `runnel worker list`, `drain` and `resume`. They return the exit code.
#pragma once

#include <stdbool.h>

struct cli;

int worker_list(struct cli *cli);
int worker_drain(struct cli *cli, const char *id, bool on); // false: it takes jobs again
