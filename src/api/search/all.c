// A search over the logs of an account: page by page of its executions, newest first, and each page in ranges that
// several readers look at. Only what the caller may read is ever listed.
#include "api/cursor.h"
#include "api/executions/list_conditions.h"
#include "api/search/hits.h"
#include "api/search/query.h"
#include "api/search/search.h"
#include "util/clock.h"

#define PAGE_EXECUTIONS 100u
#define RANGE_LEAST     UINT64_C(4096) // records
#define UNREAD_MAX      100u           // logs that one answer names as not looked at

// An execution of the present page.
struct looked_at {
    int64_t row;
    struct list_place before; // it is the first from there on
    char *execution_id;
    uint64_t first, next, range;
    uint64_t *hits; // of those that are shown
    size_t hit_count;
    bool unread; // some of it could not be read, which the answer says
};

// The place from which on nothing was looked at: a line of an execution.
struct place {
    struct list_place before; // all 0: the newest
    int64_t row;              // 0: of none
    uint64_t from;
};

struct everywhere {
    struct call *call;
    struct search_query query;
    struct store_list list;
    struct list_place next_page;
    uint64_t began_ns;
    struct looked_at page[PAGE_EXECUTIONS];
    size_t page_count;
    size_t given; // executions of the page whose ranges were given out; of the next one, those up to:
    uint64_t given_to;
    unsigned ranges; // that were given out and not taken yet
    size_t shown;    // executions of the page whose hits are written
    struct place place;
    bool more; // there is something at `place`
    unsigned hits;
    uint64_t executions;
    struct search_found sums; // only its counts of bytes
    struct buf text;
    struct buf unread; // logs that could not be looked at, or not wholly: JSON objects with commas between them
    unsigned unread_count;
    struct budget_account *account;
    struct budget_lease counted;
    char room[LIST_ROOM];
};

static void page_release(struct everywhere *it)
{
    for (size_t i = 0; i < it->page_count; i++) {
        free(it->page[i].execution_id);
        free(it->page[i].hits);
    }
    it->page_count = it->given = it->shown = 0;
    it->ranges = 0;
}

static void everywhere_free(struct everywhere *it)
{
    search_ends(it->call);
    page_release(it);
    filter_unref(&it->query.filter);
    buf_release(&it->text);
    buf_release(&it->unread);
    budget_lease_release(&it->counted);
    budget_account_unref(&it->account);
    call_unref(it->call);
    free(it);
}

static void fail(struct everywhere *it, int err, const char *reason)
{
    call_fail(it->call, err, reason);
    everywhere_free(it);
}

// --- The answer

static void answer(struct everywhere *it)
{
    CLEANUP(buf_release) struct buf text = {0}, cursor = {0};
    struct json_writer json = json_writer_to(&text);
    if (it->more) {
        const struct call *call = it->call;
        cursor_append_place(&cursor, call->api, call->principal.account, &it->place.before);
        buf_append_byte(&cursor, '-');
        cursor_append(&cursor, call->api, call->principal.account, it->place.row);
        buf_printf(&cursor, "-%llu", (unsigned long long)it->place.from);
    }
    json_open_object(&json, NULL);
    json_open_array(&json, "hits");
    json_add_raw(&json, NULL, buf_str(&it->text));
    json_close(&json);
    json_add_text(&json, "next_cursor", it->more ? buf_cstr(&cursor) : NULL);
    json_open_array(&json, "unread");
    json_add_raw(&json, NULL, buf_str(&it->unread));
    json_close(&json);
    json_add_u64(&json, "executions", it->executions);
    json_add_u64(&json, "scanned_bytes", it->sums.scanned);
    json_add_u64(&json, "skipped_bytes", it->sums.skipped);
    json_close(&json);
    budget_lease_release(&it->counted); // from now on the connection counts the answer
    call_answer(it->call, 200, &json);
    everywhere_free(it);
}

// Of what was purged meanwhile nothing is said.
static bool is_unread(int err)
{
    return err == ERR_COLD || err == ERR_CORRUPT || err == ERR_TOO_NEW;
}

static void name_unread(struct everywhere *it, struct looked_at *at, int err)
{
    if (at->unread)
        return;
    at->unread = true;
    it->unread_count++;
    if (it->unread.len > 0)
        buf_append_byte(&it->unread, ',');
    struct json_writer json = json_writer_to(&it->unread);
    json_open_object(&json, NULL);
    json_add_text(&json, "execution_id", at->execution_id);
    json_add_text(&json, "code", error_word(err));
    json_close(&json);
    json_writer_end(&json);
}

static bool is_over(const struct everywhere *it)
{
    return it->hits >= it->query.limit || it->unread_count >= UNREAD_MAX ||
           it->sums.scanned + it->sums.skipped >= it->query.limits.bytes ||
           clock_mono_ns() - it->began_ns >= it->query.limits.ns;
}

static void list_page(struct everywhere *it, struct list_place before);

// Shows the hits of one execution after the other.
static void show_next(struct everywhere *it);

static void shown(void *arg, int err)
{
    struct everywhere *it = arg;
    if (is_unread(err))
        name_unread(it, &it->page[it->shown], err);
    it->shown++; // of an execution that is gone, nothing is shown
    show_next(it);
}

static void show_next(struct everywhere *it)
{
    while (it->shown < it->page_count && it->page[it->shown].hit_count == 0)
        it->shown++;
    if (!it->call->request) {
        everywhere_free(it);
    } else if (it->shown < it->page_count) {
        const struct looked_at *at = &it->page[it->shown];
        const struct hits_ask ask = {
            .call = it->call,
            .row = at->row,
            .execution_id = at->execution_id,
            .filter = it->query.filter,
            .numbers = at->hits,
            .count = at->hit_count,
            .out = &it->text,
            .done = shown,
            .arg = it,
        };
        hits_write(&ask);
    } else if (it->more || it->next_page.rows[0] == 0) {
        answer(it);
    } else if (is_over(it)) {
        it->place = (struct place){.before = it->next_page};
        it->more = true;
        answer(it);
    } else {
        list_page(it, it->next_page);
    }
}

// --- Ranges

static bool next_range(void *arg, struct scan_range *ret)
{
    struct everywhere *it = arg;
    while (it->given < it->page_count && it->given_to >= it->page[it->given].next) {
        it->given++;
        it->given_to = it->given < it->page_count ? it->page[it->given].first : 0;
    }
    if (it->given == it->page_count)
        return false;
    it->ranges++;
    struct looked_at *at = &it->page[it->given];
    uint64_t from = it->given_to;
    it->given_to = at->next - from > at->range ? from + at->range : at->next;
    *ret = (struct scan_range){.row = at->row, .log_first = at->first, .owner = at};
    ret->ask = (struct search_ask){
        .filter = it->query.filter,
        .from = from,
        .to = it->given_to,
        .keep = it->query.limit,
        .keep_to = UINT64_MAX,
        .only_keep = true,
    };
    return true;
}

static bool took_range(void *arg, const struct scan_range *range, struct search_found *found, int err)
{
    struct everywhere *it = arg;
    struct looked_at *at = range->owner;
    size_t room = it->query.limit - it->hits, count = err ? 0 : MIN(found->kept, room);
    it->ranges--;
    it->sums.scanned += found->scanned;
    it->sums.skipped += found->skipped;
    if (is_unread(err))
        name_unread(it, at, err);
    it->executions += range->ask.to >= at->next && !at->unread;
    if (count > 0) {
        at->hits = xrealloc(at->hits, (at->hit_count + count) * sizeof(*at->hits));
        memcpy(at->hits + at->hit_count, found->hits, count * sizeof(*at->hits));
        at->hit_count += count;
        it->hits += (unsigned)count;
    }
    it->place = (struct place){at->before, at->row, range->ask.to};
    bool enough = it->hits >= it->query.limit;
    if (enough)
        it->place.from = at->hits[at->hit_count - 1] + 1;
    it->more = enough || it->unread_count >= UNREAD_MAX;
    return !it->more;
}

static void searched(void *arg, int err, const char *reason)
{
    struct everywhere *it = arg;
    if (err == 0 && !budget_lease_set(&it->counted, it->account, BUDGET_answers, (size_t)it->hits * HIT_TEXT_MAX))
        err = ERR_OVERLOADED;
    if (err) {
        fail(it, err, reason);
        return;
    }
    // The limits may have ended it within the page.
    it->more |= it->given < it->page_count || it->ranges > 0;
    show_next(it);
}

static const struct scan_handler everywhere_handler = {next_range, took_range, searched};

// --- Pages of executions

static void take_page(struct everywhere *it)
{
    struct list_place before = it->list.ret_before;
    page_release(it);
    it->page_count = it->list.ret_count;
    for (size_t i = 0; i < it->page_count; i++) {
        const struct execution *execution = &it->list.ret_executions[i];
        uint64_t mean = execution->message_bytes / MAX(execution->next_sequence, 1u) + 1;
        bool begun = execution->row == it->place.row;
        it->page[i] = (struct looked_at){
            .row = execution->row,
            .before = before,
            .execution_id = xstrdup(execution->execution_id),
            .first = begun ? MAX(it->place.from, execution->first_sequence) : execution->first_sequence,
            .next = execution->next_sequence,
            .range = MAX(SCAN_RANGE_BYTES / mean, RANGE_LEAST),
        };
        list_place_pass(&before, execution->row);
    }
    it->given_to = it->page_count > 0 ? it->page[0].first : 0;
    it->next_page = it->list.ret_next;
}

static void page_listed(struct store_op *op)
{
    struct everywhere *it = CONTAINER_OF(op, struct everywhere, list.op);
    struct call *call = it->call;
    int err = op->err;
    if (err == 0)
        take_page(it);
    store_op_release(op);
    it->list.ret_executions = NULL;
    it->list.ret_count = 0;
    uint64_t spent = clock_mono_ns() - it->began_ns;
    const struct scan_limits limits = {
        .ns = it->query.limits.ns - MIN(spent, it->query.limits.ns - 1),
        .bytes = it->query.limits.bytes - MIN(it->sums.scanned + it->sums.skipped, it->query.limits.bytes - 1),
    };
    if (err < 0)
        fail(it, err, NULL);
    else if (it->page_count == 0)
        show_next(it);
    else
        scan_start(call, &limits, &everywhere_handler, it);
    call_unref(call);
}

static void list_page(struct everywhere *it, struct list_place before)
{
    it->list.before = before;
    it->list.limit = PAGE_EXECUTIONS;
    call_submit(it->call, STORE_LIST, &it->list.op, page_listed);
}

// The cursor of a list, that of the execution, and the line.
static bool take_place(struct everywhere *it)
{
    const struct call *call = it->call;
    struct str text = call_param(call, "cursor").text, before = str_split(&text, '-');
    if (!before.data)
        return true;
    return cursor_parse_place(call->api, call->principal.account, before, &it->place.before) &&
           cursor_parse(call->api, call->principal.account, str_split(&text, '-'), &it->place.row) &&
           str_to_u64(text, &it->place.from) && it->place.from <= INT64_MAX;
}

void search_logs(struct call *call)
{
    struct everywhere *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->began_ns = clock_mono_ns();
    search_begins(call);
    call_ref(call);
    if (!search_query_take(call, &it->query)) {
        everywhere_free(it);
        return;
    }
    if (!take_place(it)) {
        fail(it, ERR_BAD_CURSOR, "parameter cursor: is not a cursor of this search");
        return;
    }
    list_conditions_init(call, &it->list);
    it->list.id_prefix = call_param(call, "id_prefix").text;
    it->list.since_ms = call_param(call, "since").number;
    if (!list_conditions_take(call, &it->list, it->room)) {
        everywhere_free(it);
        return;
    }
    it->account = budget_account(call->api->options.budget, call->principal.account);
    list_page(it, it->place.before);
}
