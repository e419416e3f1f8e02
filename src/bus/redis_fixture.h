// A Redis of its own for tests: on a unix socket in a temporary folder, without persistence.
#pragma once

#include "util/str.h"

struct redis_fixture;

// NULL if there is none here; *ret_missing says what is missing. It ends with this process.
struct redis_fixture *redis_fixture_new(const char **ret_missing);
void redis_fixture_free(struct redis_fixture **fixture);
const char *redis_fixture_address(const struct redis_fixture *fixture); // for a bus; the fixture's
void redis_fixture_kill(struct redis_fixture *fixture);                 // as by kill -9; another start may follow
void redis_fixture_start(struct redis_fixture *fixture);
void redis_fixture_signal(struct redis_fixture *fixture, int number);
// Runs a command of words, and requires that it is not refused.
void redis_fixture_command(struct redis_fixture *fixture, const char *command);
