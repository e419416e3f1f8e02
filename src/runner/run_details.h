// What a runner tells at the end of how its job ran, beside the outcome: `details` of run.json and of `complete`.
#pragma once

#include "util/buf.h"

struct run_details {
    struct str reason;                           // of its end, for people; empty: the outcome tells it
    struct str result;                           // JSON (model/result.h); empty: none
    const char *runtime_version;                 // "python:3.11.7"; NULL: not known
    const char *executor, *image, *image_digest; // of a container; NULL: not known
    uint64_t env_vars_count;
    bool measured;
    uint64_t peak_memory_bytes, cpu_us; // of all its processes, or of the largest one
};

// What the kernel counts of our children that were waited for.
void run_details_measure(struct run_details *details);
struct rusage;
void run_details_add(struct rusage *sum, const struct rusage *usage); // of one more
void run_details_take(struct run_details *details, const struct rusage *usage);
void run_details_append(const struct run_details *details, struct buf *out); // an object
