// `runnel worker list`.
#pragma once

struct cli;

int worker_list(struct cli *cli); // returns the exit code
