#include "api/jobs/waits.h"

struct why {
    const char *reason;
    struct buf detail;
};

#define NO_WORKER "no worker that is connected here "

// Of a job that is ready: the workers are the reason. Those of other servers of the store are not known here, and any
// of them may take it.
static void why_ready(struct why *why, const struct api *api, int64_t account, const struct store_job_waits *waits)
{
    struct demand demand;
    struct dispatch_why found = {.fit = DEMAND_NO_EXECUTOR};
    if (!demand_parse(str_of(waits->ret_job.demand), &demand))
        return;
    if (api->options.dispatch)
        dispatch_why(api->options.dispatch, account, waits->row, &demand, &found);
    why->reason = "no_worker";
    if (found.drains && found.fit != DEMAND_FITS && found.fit != DEMAND_BUSY) {
        buf_append_text(&why->detail,
                        "the workers that could run it take no more jobs; `runnel worker list` shows which drain");
        return;
    }
    switch (found.fit) {
    case DEMAND_NO_EXECUTOR:
        buf_printf(&why->detail, NO_WORKER "runs %s jobs; start one with `runnel worker`",
                   str_eq(demand.executor, STR("container")) ? "container" : "process");
        return;
    case DEMAND_NO_RUNTIME:
        buf_printf(&why->detail, NO_WORKER "has the runtime %.*s", STR_ARGS(demand.runtime));
        return;
    case DEMAND_NO_LABEL:
        buf_printf(&why->detail, NO_WORKER "has the label %s", found.label);
        return;
    case DEMAND_TOO_LARGE:
        buf_append_text(&why->detail, NO_WORKER "has as many cpus or as much memory as it asks for");
        return;
    case DEMAND_NOT_TRUSTED:
        buf_append_text(&why->detail, "the workers that are connected here cannot confine it, and take jobs of admins "
                                      "and operators only");
        return;
    case DEMAND_BUSY:
    case DEMAND_FITS:
        break;
    }
    why->reason = found.account_full ? "account_limit" : found.rests ? "returned" : "behind";
    if (found.account_full)
        buf_append_text(&why->detail, "the account has as many jobs running as it may");
    else if (found.rests)
        buf_printf(&why->detail, "the worker %s gave it back: %s; it gets it again in %llu s, another one may before",
                   found.worker_id, found.reason[0] ? found.reason : "no reason was given",
                   (unsigned long long)(found.rests_ms + 999) / 1000);
    else if (waits->ret_before == 0)
        buf_append_text(&why->detail, "the next one; it starts as soon as a worker has room");
    else if (waits->ret_before == 1)
        buf_append_text(&why->detail, "behind one other; it starts as soon as a worker has room");
    else
        buf_printf(&why->detail, "behind %llu others; it starts as soon as a worker has room",
                   (unsigned long long)waits->ret_before);
}

static void why_held(struct why *why, const struct store_job_waits *waits)
{
    if (waits->ret_parents > 0) {
        why->reason = "parents";
        buf_printf(&why->detail, "waits for %s", waits->ret_parent ? waits->ret_parent : "what it depends on");
        if (waits->ret_parents > 1)
            buf_printf(&why->detail, " and %u more", waits->ret_parents - 1);
        return;
    }
    why->reason = "batch_parallel";
    buf_printf(&why->detail, "its batch runs at most %u at once", waits->ret_batch_parallel);
}

void job_add_waits(struct json_writer *json, const struct api *api, int64_t account,
                   const struct store_job_waits *waits)
{
    struct why why = {0};
    char time[TIME_RFC3339_LEN + 1] = "";
    if (waits->ret_job.state == JOB_READY) {
        why_ready(&why, api, account, waits);
    } else if (waits->ret_job.state == JOB_DELAYED) {
        why.reason = "retry_delay";
        time_format_rfc3339(waits->ret_job.not_before_ms, time);
        buf_printf(&why.detail, "is tried again at %.*s", TIME_RFC3339_LEN, time);
    } else if (waits->ret_job.state == JOB_HELD) {
        why_held(&why, waits);
    }
    if (why.reason) {
        json_open_object(json, "waiting");
        json_add_text(json, "reason", why.reason);
        json_add_str(json, "detail", buf_str(&why.detail));
        json_close(json);
    }
    buf_release(&why.detail);
}
