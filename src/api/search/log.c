// A search in one log. It is cut into ranges of numbers, which several readers look at; what is found is put together
// in their order.
#include "api/search/hits.h"
#include "api/search/query.h"
#include "api/search/search.h"

#define RANGE_LEAST UINT64_C(4096) // records

struct searching {
    struct call *call;
    struct search_query query;
    struct search_ask ask; // of the whole
    struct search_found found;
    uint64_t from, to;   // what this answer has to look at; what is looked at moves one of them on
    uint64_t begin, end; // of the whole search; the buckets are of this range
    uint64_t given;      // the end of the ranges that were given out; backward, their beginning
    uint64_t range;      // records
    bool backward;
    struct buf hits;
    struct budget_account *account;
    struct budget_lease counted;
};

static void searching_free(struct searching *it)
{
    search_ends(it->call);
    filter_unref(&it->query.filter);
    search_found_release(&it->found);
    buf_release(&it->hits);
    budget_lease_release(&it->counted);
    budget_account_unref(&it->account);
    call_unref(it->call);
    free(it);
}

// --- The answer

static bool is_complete(const struct searching *it)
{
    bool enough = it->ask.only_keep && it->found.kept >= it->ask.keep;
    return it->from >= it->to || enough;
}

static void add_number(struct json_writer *json, const char *name, bool known, uint64_t number)
{
    if (known)
        json_add_u64(json, name, number);
    else
        json_add_null(json, name);
}

static void add_density(struct json_writer *json, const struct searching *it)
{
    if (it->ask.buckets == 0) {
        json_add_null(json, "density");
        return;
    }
    json_open_object(json, "density");
    json_add_u64(json, "from", it->ask.begin);
    json_add_u64(json, "width", it->ask.width);
    json_open_array(json, "counts");
    for (unsigned i = 0; i < it->ask.buckets && it->ask.begin + i * it->ask.width < MAX(it->end, it->begin + 1); i++)
        json_add_u64(json, NULL, it->found.buckets ? it->found.buckets[i] : 0);
    json_close(json);
    json_close(json);
}

static void add_cursor(struct json_writer *json, const struct searching *it)
{
    char text[64];
    snprintf(text, sizeof(text), "%llu-%llu-%llu", (unsigned long long)(it->backward ? it->to : it->from),
             (unsigned long long)it->begin, (unsigned long long)it->end);
    json_add_text(json, "next_cursor", is_complete(it) ? NULL : text);
}

static void write_answer(struct json_writer *json, const struct searching *it)
{
    const struct execution *execution = &it->call->execution;
    bool counted = !it->ask.only_keep;
    json_open_object(json, NULL);
    json_add_text(json, "execution_id", execution->execution_id);
    json_add_bool(json, "complete", is_complete(it));
    add_cursor(json, it);
    add_number(json, "count", counted, it->found.count);
    add_number(json, "first_hit", counted && it->found.count > 0, it->found.first);
    add_number(json, "last_hit", counted && it->found.count > 0, it->found.last);
    json_open_array(json, "hits");
    json_add_raw(json, NULL, buf_str(&it->hits));
    json_close(json);
    add_density(json, it);
    json_add_u64(json, "scanned_bytes", it->found.scanned);
    json_add_u64(json, "skipped_bytes", it->found.skipped);
    json_add_u64(json, "first_sequence", execution->first_sequence);
    json_add_u64(json, "last_index", it->end);
    json_add_text(json, "status", status_word(execution->status));
    json_add_bool(json, "sealed", execution->sealed);
    json_close(json);
}

static void hits_written(void *arg, int err)
{
    struct searching *it = arg;
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    if (err) {
        call_fail(it->call, err, NULL);
    } else {
        write_answer(&json, it);
        budget_lease_release(&it->counted); // from now on the connection counts the answer
        call_answer(it->call, 200, &json);
    }
    searching_free(it);
}

// --- Ranges

static bool next_range(void *arg, struct scan_range *ret)
{
    struct searching *it = arg;
    *ret = (struct scan_range){.row = it->call->execution.row, .log_first = it->call->execution.first_sequence};
    ret->ask = it->ask;
    if (it->backward && it->given > it->from) {
        ret->ask.to = it->given;
        ret->ask.from = it->given = it->given - it->from > it->range ? it->given - it->range : it->from;
        return true;
    }
    if (!it->backward && it->given < it->to) {
        ret->ask.from = it->given;
        ret->ask.to = it->given = it->to - it->given > it->range ? it->given + it->range : it->to;
        return true;
    }
    return false;
}

static bool took_range(void *arg, const struct scan_range *range, struct search_found *found, int err)
{
    struct searching *it = arg;
    (void)err;
    search_found_add(&it->found, &it->ask, found);
    if (it->backward)
        it->to = range->ask.from;
    else
        it->from = range->ask.to;
    return !is_complete(it);
}

static void searched(void *arg, int err, const char *reason)
{
    struct searching *it = arg;
    struct call *call = it->call;
    if (err == 0 && !budget_lease_set(&it->counted, it->account, BUDGET_answers, it->found.kept * HIT_TEXT_MAX))
        err = ERR_OVERLOADED;
    if (err) {
        call_fail(call, err, reason);
        searching_free(it);
        return;
    }
    const struct hits_ask ask = {
        .call = call,
        .row = call->execution.row,
        .filter = it->query.filter,
        .numbers = it->found.hits,
        .count = it->found.kept,
        .out = &it->hits,
        .done = hits_written,
        .arg = it,
    };
    hits_write(&ask);
}

static const struct scan_handler searching_handler = {next_range, took_range, searched};

// --- The question

// NEXT-BEGIN-END, as add_cursor writes it.
static bool read_cursor(struct str text, struct searching *it)
{
    uint64_t next;
    struct str first = str_split(&text, '-'), second = str_split(&text, '-');
    if (!str_to_u64(first, &next) || !str_to_u64(second, &it->begin) || !str_to_u64(text, &it->end) ||
        it->begin > next || next > it->end || it->end > it->call->execution.next_sequence)
        return false;
    it->from = it->backward ? it->begin : next;
    it->to = it->backward ? next : it->end;
    return true;
}

// Which numbers are looked at. Returns what is wrong with the parameters; NULL if nothing is.
static const char *take_range(struct searching *it)
{
    struct call *call = it->call;
    struct field_value from = call_param(call, "from"), to = call_param(call, "to"),
                       cursor = call_param(call, "cursor");
    struct field_value after = call_param(call, "after"), before = call_param(call, "before");
    if (after.given && before.given)
        return "parameter after: is a second position beside before; give one";
    it->ask.keep_from = after.given ? (uint64_t)after.number + 1 : 0;
    it->ask.keep_to = before.given ? (uint64_t)before.number : UINT64_MAX;
    it->ask.keep_last = before.given;
    it->backward = before.given && it->ask.only_keep;
    uint64_t first = call->execution.first_sequence, next = call->execution.next_sequence;
    it->begin = MIN(MAX((uint64_t)from.number, first), next);
    it->end = to.given ? MIN((uint64_t)to.number, next) : next;
    it->end = MAX(it->end, it->begin);
    it->from = it->begin;
    it->to = it->end;
    if (cursor.given && !read_cursor(cursor.text, it))
        return "parameter cursor: is not a cursor of this search";
    if (it->ask.only_keep) {
        it->from = MAX(it->from, it->ask.keep_from);
        it->to = MIN(it->to, it->ask.keep_to);
    }
    return NULL;
}

static void take_buckets(struct searching *it)
{
    it->ask.buckets = it->ask.only_keep ? 0 : (unsigned)call_param(it->call, "buckets").number;
    it->ask.begin = it->begin;
    it->ask.width = it->ask.buckets ? (it->end - it->begin + it->ask.buckets - 1) / it->ask.buckets : 0;
    it->ask.width = MAX(it->ask.width, 1u);
}

void search_log(struct call *call)
{
    struct searching *it = xcalloc(1, sizeof(*it));
    const struct execution *execution = &call->execution;
    it->call = call;
    search_begins(call);
    call_ref(call);
    if (!search_query_take(call, &it->query)) {
        searching_free(it);
        return;
    }
    it->query.limits.whole = true;
    it->ask.filter = it->query.filter;
    it->ask.keep = it->query.limit;
    it->ask.only_keep = !call_param(call, "count").number;
    const char *wrong = take_range(it);
    if (wrong) {
        call_fail(call, ERR_MALFORMED, wrong);
        searching_free(it);
        return;
    }
    take_buckets(it);
    it->given = it->backward ? it->to : it->from;
    uint64_t mean = execution->message_bytes / MAX(execution->next_sequence, 1u) + 1;
    it->range = MAX(MIN(SCAN_RANGE_BYTES, it->query.limits.bytes) / mean, RANGE_LEAST);
    it->account = budget_account(call->api->options.budget, call->principal.account);
    call_say_front(call);
    scan_start(call, &it->query.limits, &searching_handler, it);
}
