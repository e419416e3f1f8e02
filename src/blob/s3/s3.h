// Content in storage that speaks S3: AWS, Ceph, MinIO and others; signed by libcurl. See docs/internals/artifacts.md.
//
//   PREFIX/content/ACCOUNT/AB/HASH.ID   whole; the key is what follows content/
//   PREFIX/content/ACCOUNT/pk/ID        a pack (blob/pack.h); it never changes
//   PREFIX/gone/ACCOUNT/pk/ID           which contents of that pack were removed: a bit for each
//   PREFIX/parts/ACCOUNT/HASH.SIZE      what is known of an interrupted upload, and its last bytes
//
// Content larger than a part (8 MiB, more if it would be more than 10,000 parts) is a multipart upload, whose key is
// made when it begins. Its parts are listed when it goes on. Each upload holds one part in memory, at most.
//
// An operation blocks its thread until S3 has answered, with retries, or its time is over. When S3 could not be asked,
// others fail at once for a second, until one has found it again.
#pragma once

#include "blob/objects.h"
#include "metrics/metrics.h"
#include "util/log.h"

#define BLOB_S3_PART ((size_t)8 * 1024 * 1024)

struct blob_s3_options {
    const char *url;      // s3://BUCKET/PREFIX; the prefix may be missing
    const char *endpoint; // URL of the service; "": AWS's own of the region
    const char *region;
    bool path_style;                        // the bucket is in the path, not in the host's name
    const char *ca_file;                    // PEM; "": the system's authorities
    const char *credentials_file, *profile; // see client/aws_credentials.h; read for each request, since they run out
    unsigned connections;                   // at once; as many threads
    uint64_t timeout_ms;                    // of a request with its retries
    uint64_t memory_max;                    // bytes that uploads hold together
    const struct logger *logger;
    struct metrics *metrics; // NULL: none
    size_t part_size;        // for tests; 0: BLOB_S3_PART
};
// The same for objects beneath PREFIX/ whose names the caller makes; with words and metrics of the cold tier. Nothing
// of `memory_max` and `part_size` is looked at.
int object_s3_open(const struct blob_s3_options *options, struct object_store **ret, struct buf *ret_error);
// Asks nobody. Returns 0; ERR_INVALID with what is wrong in *ret_error, or another error of the system.
int blob_s3_open(const struct blob_s3_options *options, struct blob_store **ret, struct buf *ret_error);
