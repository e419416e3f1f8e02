#include "api/search/query.h"

#define SEARCH_NS (UINT64_C(2) * 1000 * 1000 * 1000) // an answer that takes longer tells where to go on

struct offers {
    struct call *call;
    struct filter_builder *builder;
    bool regex;
    const char *reason;
};

static bool offer(struct str name, struct str value, void *arg)
{
    struct offers *offers = arg;
    bool taken, is_text = str_eq(name, STR("q"));
    if (is_text)
        name = offers->regex ? STR("regex") : STR("grep");
    else if (str_eq(name, STR("regex")))
        return true;
    if (filter_builder_offer(offers->builder, name, value, &taken, &offers->reason) == 0)
        return true;
    if (is_text)
        offers->reason = arena_printf(http_arena(offers->call->request), "parameter q: %s", offers->reason);
    return false;
}

bool search_query_take(struct call *call, struct search_query *ret)
{
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    struct offers offers = {.call = call, .builder = builder, .regex = call_param(call, "regex").number};
    bool taken, good = http_params_each(call->request, offer, &offers);
    *ret = (struct search_query){
        .limit = (unsigned)call_param(call, "limit").number,
        .limits = {.ns = SEARCH_NS, .bytes = (uint64_t)call_param(call, "max_bytes").number},
    };
    if (good && !call_param(call, "case").number)
        good = filter_builder_offer(builder, STR("ignore_case"), STR("true"), &taken, &offers.reason) == 0;
    if (good)
        good = filter_builder_finish(builder, &ret->filter, &offers.reason) == 0;
    if (!good)
        call_fail(call, ERR_MALFORMED,
                  str_starts(str_of(offers.reason), STR("parameter regex:"))
                      ? "parameter q: is not a regular expression of PCRE2"
                      : offers.reason);
    return good;
}

static void count(const struct call *call, enum metric metric, int64_t amount)
{
    metrics_add(call->api->options.metrics, call->api->options.shard, metric, amount);
}

void search_begins(const struct call *call)
{
    count(call, METRIC_searches, 1);
}

void search_ends(const struct call *call)
{
    count(call, METRIC_searches, -1);
}
