#include "runner/run_details.h"

#include "util/json_writer.h"

#include <sys/resource.h>
#include <sys/time.h>

#define PYTHON "python:"

static uint64_t micros(const struct timeval *time)
{
    return (uint64_t)time->tv_sec * 1000000 + (uint64_t)time->tv_usec;
}

void run_details_add(struct rusage *sum, const struct rusage *usage)
{
    timeradd(&sum->ru_utime, &usage->ru_utime, &sum->ru_utime);
    timeradd(&sum->ru_stime, &usage->ru_stime, &sum->ru_stime);
    sum->ru_maxrss = MAX(sum->ru_maxrss, usage->ru_maxrss);
}

void run_details_take(struct run_details *details, const struct rusage *usage)
{
    details->measured = true;
    details->peak_memory_bytes = (uint64_t)usage->ru_maxrss * 1024; // of the largest process
    details->cpu_us = micros(&usage->ru_utime) + micros(&usage->ru_stime);
}

void run_details_measure(struct run_details *details)
{
    struct rusage usage;
    if (getrusage(RUSAGE_CHILDREN, &usage) == 0)
        run_details_take(details, &usage);
}

void run_details_append(const struct run_details *details, struct buf *out)
{
    struct json_writer json = json_writer_to(out);
    struct str runtime = str_of(details->runtime_version);
    json_open_object(&json, NULL);
    if (details->reason.len > 0)
        json_add_str(&json, "reason", details->reason);
    if (details->runtime_version)
        json_add_str(&json, "runtime_version", runtime);
    if (str_starts(runtime, STR(PYTHON)))
        json_add_text(&json, "python_version", details->runtime_version + strlen(PYTHON));
    const char *const texts[][2] = {
        {"executor", details->executor}, {"image", details->image}, {"image_digest", details->image_digest}};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        if (texts[i][1])
            json_add_text(&json, texts[i][0], texts[i][1]);
    }
    json_add_u64(&json, "env_vars_count", details->env_vars_count);
    if (details->measured) {
        json_add_u64(&json, "peak_memory_bytes", details->peak_memory_bytes);
        json_add_u64(&json, "cpu_time_ms", details->cpu_us / 1000);
    }
    if (details->result.len > 0)
        json_add_str(&json, "result", details->result);
    json_close(&json);
}
