// A small server of S3 for tests: npm's s3rver, with node. Other servers by RUNNEL_TEST_S3 (a URL), with their keys in
// the environment and a bucket "runnel" (CONTRIBUTING.md).
#pragma once

#include "blob/s3/s3.h"

struct s3_fixture;
// NULL if there is none here; *ret_missing says what is missing.
struct s3_fixture *s3_fixture_new(const char **ret_missing);
void s3_fixture_free(struct s3_fixture **fixture);
// A store beneath a prefix of its own, for each `name`.
int s3_fixture_open(struct s3_fixture *fixture, const char *name, size_t part_size, struct blob_store **ret);
