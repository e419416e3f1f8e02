#include "api/jobs/waits.h"

#include "model/roster_entry.h"

struct why {
    const char *reason;
    struct buf detail;
};

#define NO_WORKER "no worker that is connected "

// --- Of a job that is ready: the workers are the reason, wherever they are connected.

struct looking {
    const struct api *api;
    int64_t account;
    const struct demand *demand;
    struct demand_why *found;
};

static void add_other(void *arg, const struct roster_entry *entry)
{
    const struct looking *looking = arg;
    bool ours = entry->account == 0 || entry->account == looking->account;
    if (ours && !dispatch_has_worker(looking->api->options.dispatch, entry->account, entry->worker_id))
        demand_why_add(looking->found, looking->demand, &entry->offer, entry->drains);
}

// What keeps all of them from it. Returns false if nothing does.
static bool say_unfit(struct why *why, const struct demand *demand, const struct demand_why *found)
{
    if (found->fit == DEMAND_FITS || found->fit == DEMAND_BUSY)
        return false;
    if (found->drains) {
        buf_append_text(&why->detail,
                        "the workers that could run it take no more jobs; `runnel worker list` shows which drain");
        return true;
    }
    switch (found->fit) {
    case DEMAND_NO_EXECUTOR:
        buf_printf(&why->detail, NO_WORKER "runs %s jobs; start one with `runnel worker`",
                   str_eq(demand->executor, STR("container")) ? "container" : "process");
        break;
    case DEMAND_NO_RUNTIME:
        buf_printf(&why->detail, NO_WORKER "has the runtime %.*s", STR_ARGS(demand->runtime));
        break;
    case DEMAND_NO_LABEL:
        buf_printf(&why->detail, NO_WORKER "has the label %.*s", STR_ARGS(found->label));
        break;
    case DEMAND_TOO_LARGE:
        buf_append_text(&why->detail, NO_WORKER "has as many cpus or as much memory as it asks for");
        break;
    case DEMAND_NOT_TRUSTED:
        buf_append_text(&why->detail, "the workers that are connected cannot confine it, and take jobs of admins and "
                                      "operators only");
        break;
    case DEMAND_BUSY:
    case DEMAND_FITS:
        break;
    }
    return true;
}

static void say_turn(struct why *why, uint64_t before)
{
    if (before == 0)
        buf_append_text(&why->detail, "the next one; it starts as soon as a worker has room");
    else if (before == 1)
        buf_append_text(&why->detail, "behind one other; it starts as soon as a worker has room");
    else
        buf_printf(&why->detail, "behind %llu others; it starts as soon as a worker has room",
                   (unsigned long long)before);
}

static void why_ready(struct why *why, const struct api *api, int64_t account, const struct store_job_waits *waits,
                      const struct store_rosters *others)
{
    struct demand demand;
    struct demand_why found = DEMAND_WHY_NOBODY;
    struct dispatch_why here = {0};
    if (!demand_parse(str_of(waits->ret_job.demand), &demand))
        return;
    struct looking looking = {api, account, &demand, &found};
    if (api->options.dispatch) {
        dispatch_why(api->options.dispatch, account, waits->row, &demand, &found, &here);
        for (size_t i = 0; i < others->ret_count; i++)
            roster_read(str_of(others->ret_rosters[i]), add_other, &looking);
    }
    why->reason = "no_worker";
    if (say_unfit(why, &demand, &found))
        return;
    why->reason = here.account_full ? "account_limit" : here.rests ? "returned" : "behind";
    if (here.account_full)
        buf_append_text(&why->detail, "the account has as many jobs running as it may");
    else if (here.rests)
        buf_printf(&why->detail, "the worker %s gave it back: %s; it gets it again in %llu s, another one may before",
                   here.worker_id, here.reason[0] ? here.reason : "no reason was given",
                   (unsigned long long)(here.rests_ms + 999) / 1000);
    else
        say_turn(why, waits->ret_before);
}

// --- Of the others

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
                   const struct store_job_waits *waits, const struct store_rosters *others)
{
    struct why why = {0};
    char time[TIME_RFC3339_LEN + 1] = "";
    if (waits->ret_job.state == JOB_READY) {
        why_ready(&why, api, account, waits, others);
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
