// Secrets in the names of what a run has left in RUNNEL_OUTPUTS. Only its runner knows them, and it may be killed
// before it has looked: so there is a mark in the run's folder from the beginning until the names are masked, and
// whoever finds the mark uploads nothing (outputs.h).
#pragma once

#include "model/mask.h"

// Both return 0 or -errno. `run_dir_fd` has OUTPUTS_FOLDER.
int outputs_names_begin(int run_dir_fd);
// Moves each entry whose path beneath the folder has a text of the mask to the masked path; one that is taken gets a
// number at its end. Then takes the mark away. Nothing that belongs to the run may still write there. After an error,
// or if there is more than an upload looks at, the mark stays.
int outputs_names_mask(int run_dir_fd, const struct mask *mask);
bool outputs_names_marked(int run_dir_fd);
