// What a request for a job says: the members of its body, once the table of routes has checked each by itself.
#pragma once

#include "api/api_private.h"
#include "store/ops/job.h"

struct json_t;

#define JOB_TIMEOUT_MAX_S 31536000

struct job_order {
    struct job_new job; // its texts and parents are those below; it is not to be moved
    struct buf demand, secrets;
    struct job_parent parents[DEPENDENCIES_MAX];
};

struct job_order_problem {
    const char *field;
    char reason[160];
};

// What the principal asks for by `body`, which outlives the order. False with what is wrong. What the batch sets is
// left as it is.
bool job_order_take(struct job_order *order, const struct json_t *body, const struct principal *principal,
                    const struct api_limits *limits, struct job_order_problem *ret_problem);
void job_order_release(struct job_order *order);
