// What a batch is made of: one job for each file, line, number or object that the options name.
#pragma once

#include "cli/cli_private.h"

// True if the options ask for a batch at all.
bool batch_wanted(const struct cli *cli);
// The members that each job has beside `order`, as an array. "{}" in its command and arguments stands for the item;
// without any, the item is the last argument. Returns 0, or the exit code after having said what is wrong.
int batch_items_read(struct cli *cli, const json_t *order, json_t **ret);
