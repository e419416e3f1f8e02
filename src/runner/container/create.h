// What a container is made of, in the words of the engine's API. Pure.
#pragma once

#include "runner/container/container.h"
#include "util/buf.h"

void container_describe(const struct container_options *options, struct buf *out); // the body of /containers/create
// The target of a pull: /images/create?fromImage=…&tag=…
void container_pull_target(const char *image, struct buf *out);
