#include "jobs/match.h"

#include "util/error.h"

#define REFILL_AT (MATCH_WINDOW / 4)

struct match_line {
    struct list_node node; // of its account
    int64_t account;
    struct buf text; // the demand in canonical form
    struct demand demand;
    struct match_job jobs[MATCH_WINDOW];
    size_t first, count; // of the window
    bool reading, stale; // stale: something may have come since the last read began
    bool whole;          // the store has no more jobs than these
    uint64_t unfit;      // the capacity at which no worker had room; 0: not known
    size_t pick;         // which of the window's jobs goes next: the first, but for those that workers gave back
};

struct match_account {
    struct map_node node;
    struct list_node turn;
    int64_t account;
    struct list_node lines;
    size_t line_count;
    uint64_t running;
};

struct match_worker {
    struct map_node node;
    struct buf id;
    int64_t account; // 0: all accounts
    struct offer offer;
    struct buf texts; // holds the strings of the offer
    struct str *strings;
    uint64_t used_slots, used_cpus, used_memory; // what its claims use
    bool draining;
};

struct match_claim {
    struct map_node node;
    int64_t row, account;
    struct buf worker_id;
    uint32_t cpus_milli;
    uint64_t memory_bytes;
};

struct match_return {
    struct map_node node;
    struct buf key; // the row, then the worker's id
    int64_t row;
    struct buf reason;
    unsigned times;
    uint64_t until_ms;
    bool rests;
};

static struct str row_key(const int64_t *row)
{
    return str_n((const char *)row, sizeof(*row));
}

void match_init(struct match *match, uint64_t running_max)
{
    *match = (struct match){.running_max = running_max, .capacity = 1};
    map_init(&match->accounts);
    map_init(&match->claims);
    map_init(&match->workers);
    map_init(&match->returns);
    list_init(&match->turns);
    tally_init(&match->elsewhere);
}

// --- Freeing

static void line_free(struct match_line *line)
{
    list_remove(&line->node);
    buf_release(&line->text);
    free(line);
}

static void account_free(struct map_node *node, void *arg)
{
    struct match_account *account = CONTAINER_OF(node, struct match_account, node);
    (void)arg;
    LIST_FOR_EACH_SAFE(it, tmp, &account->lines)
        line_free(CONTAINER_OF(it, struct match_line, node));
    free(account);
}

static void worker_free(struct map_node *node, void *arg)
{
    struct match_worker *worker = CONTAINER_OF(node, struct match_worker, node);
    (void)arg;
    buf_release(&worker->id);
    buf_release(&worker->texts);
    free(worker->strings);
    free(worker);
}

static void claim_free(struct map_node *node, void *arg)
{
    struct match_claim *claim = CONTAINER_OF(node, struct match_claim, node);
    (void)arg;
    buf_release(&claim->worker_id);
    free(claim);
}

static void return_free(struct map_node *node, void *arg)
{
    struct match_return *it = CONTAINER_OF(node, struct match_return, node);
    (void)arg;
    buf_release(&it->key);
    buf_release(&it->reason);
    free(it);
}

void match_release(struct match *match)
{
    map_each(&match->returns, return_free, NULL);
    map_release(&match->returns);
    tally_release(&match->elsewhere);
    map_each(&match->accounts, account_free, NULL);
    map_each(&match->workers, worker_free, NULL);
    map_each(&match->claims, claim_free, NULL);
    map_release(&match->accounts);
    map_release(&match->workers);
    map_release(&match->claims);
}

// --- Finding

static struct match_account *account_find(const struct match *match, int64_t id)
{
    struct map_node *node = map_find(&match->accounts, row_key(&id));
    return node ? CONTAINER_OF(node, struct match_account, node) : NULL;
}

static struct match_account *account_get(struct match *match, int64_t id)
{
    struct match_account *account = account_find(match, id);
    if (account)
        return account;
    account = xcalloc(1, sizeof(*account));
    account->account = id;
    list_init(&account->lines);
    list_push_back(&match->turns, &account->turn);
    map_insert(&match->accounts, &account->node, row_key(&account->account));
    return account;
}

// Forgets an account about which nothing is known any more.
static void account_settle(struct match *match, struct match_account *account)
{
    if (account->line_count > 0 || account->running > 0)
        return;
    list_remove(&account->turn);
    map_remove(&match->accounts, &account->node);
    free(account);
}

static struct match_line *line_find(const struct match_account *account, struct str demand)
{
    for (struct list_node *it = account->lines.next; it != &account->lines; it = it->next) {
        struct match_line *line = CONTAINER_OF(it, struct match_line, node);
        if (str_eq(buf_str(&line->text), demand))
            return line;
    }
    return NULL;
}

static struct match_worker *worker_find(const struct match *match, struct str id)
{
    struct map_node *node = map_find(&match->workers, id);
    return node ? CONTAINER_OF(node, struct match_worker, node) : NULL;
}

static struct match_claim *claim_find(const struct match *match, int64_t row)
{
    struct map_node *node = map_find(&match->claims, row_key(&row));
    return node ? CONTAINER_OF(node, struct match_claim, node) : NULL;
}

// --- Workers

static void room_came(struct match *match)
{
    match->capacity++;
}

// A new offer may be smaller than what is used.
static uint64_t less(uint64_t from, uint64_t by)
{
    return from > by ? from - by : 0;
}

static void worker_free_room(struct match_worker *worker)
{
    struct offer *offer = &worker->offer;
    offer->slots_free = (unsigned)less(offer->slots, worker->used_slots);
    offer->cpus_free = (uint32_t)less(offer->cpus_milli, worker->used_cpus);
    offer->memory_free = less(offer->memory_bytes, worker->used_memory);
}

static void worker_use(struct match_worker *worker, const struct match_claim *claim)
{
    worker->used_slots++;
    worker->used_cpus += claim->cpus_milli;
    worker->used_memory += claim->memory_bytes;
    worker_free_room(worker);
}

static void worker_give_back(struct match_worker *worker, const struct match_claim *claim)
{
    worker->used_slots--;
    worker->used_cpus -= claim->cpus_milli;
    worker->used_memory -= claim->memory_bytes;
    worker_free_room(worker);
}

static void use_if_its(struct map_node *node, void *arg)
{
    const struct match_claim *claim = CONTAINER_OF(node, struct match_claim, node);
    struct match_worker *worker = arg;
    if (str_eq(buf_str(&claim->worker_id), buf_str(&worker->id)))
        worker_use(worker, claim);
}

static const struct str *copy_strings(struct str **at, char **text, const struct str *from, unsigned count)
{
    struct str *first = *at;
    for (unsigned i = 0; i < count; i++) {
        if (from[i].len > 0)
            memcpy(*text, from[i].data, from[i].len);
        *(*at)++ = str_n(*text, from[i].len);
        *text += from[i].len;
    }
    return first;
}

static void offer_copy(struct match_worker *worker, const struct offer *offer)
{
    const struct str *const lists[] = {offer->labels, offer->executors, offer->runtimes};
    const unsigned counts[] = {offer->label_count, offer->executor_count, offer->runtime_count};
    size_t strings = 0, bytes = 0;
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        strings += counts[i];
        for (unsigned j = 0; j < counts[i]; j++)
            bytes += lists[i][j].len;
    }
    worker->strings = xcalloc(MAX(strings, (size_t)1), sizeof(*worker->strings));
    buf_reserve(&worker->texts, bytes + 1);
    worker->offer = *offer;
    struct str *at = worker->strings;
    char *text = worker->texts.data;
    worker->offer.labels = copy_strings(&at, &text, lists[0], counts[0]);
    worker->offer.executors = copy_strings(&at, &text, lists[1], counts[1]);
    worker->offer.runtimes = copy_strings(&at, &text, lists[2], counts[2]);
}

void match_join(struct match *match, struct str worker_id, int64_t account, const struct offer *offer)
{
    match_leave(match, worker_id);
    struct match_worker *worker = xcalloc(1, sizeof(*worker));
    buf_append_str(&worker->id, worker_id);
    worker->account = account;
    offer_copy(worker, offer);
    map_insert(&match->workers, &worker->node, buf_str(&worker->id));
    worker_free_room(worker);
    map_each(&match->claims, use_if_its, worker);
    room_came(match);
}

void match_drain(struct match *match, struct str worker_id)
{
    struct match_worker *worker = worker_find(match, worker_id);
    if (worker)
        worker->draining = true;
}

void match_resume(struct match *match, struct str worker_id)
{
    struct match_worker *worker = worker_find(match, worker_id);
    if (!worker || !worker->draining)
        return;
    worker->draining = false;
    room_came(match);
}

void match_hold(struct match *match, bool on)
{
    if (match->held && !on)
        room_came(match);
    match->held = on;
}

void match_leave(struct match *match, struct str worker_id)
{
    struct match_worker *worker = worker_find(match, worker_id);
    if (!worker)
        return;
    map_remove(&match->workers, &worker->node);
    worker_free(&worker->node, NULL);
}

const struct offer *match_offer(const struct match *match, struct str worker_id)
{
    const struct match_worker *worker = worker_find(match, worker_id);
    return worker ? &worker->offer : NULL;
}

uint64_t match_used(const struct match *match, struct str worker_id)
{
    const struct match_worker *worker = worker_find(match, worker_id);
    return worker ? worker->used_slots : 0;
}

size_t match_worker_count(const struct match *match)
{
    return match->workers.count;
}

// --- Claims

static void claim_add(struct match *match, struct str worker_id, int64_t account, int64_t row,
                      const struct demand *demand)
{
    struct match_claim *claim = xcalloc(1, sizeof(*claim));
    claim->row = row;
    claim->account = account;
    claim->cpus_milli = demand->cpus_milli;
    claim->memory_bytes = demand->memory_bytes;
    buf_append_str(&claim->worker_id, worker_id);
    map_insert(&match->claims, &claim->node, row_key(&claim->row));
    account_get(match, account)->running++;
    struct match_worker *worker = worker_find(match, worker_id);
    if (worker)
        worker_use(worker, claim);
}

void match_held(struct match *match, struct str worker_id, int64_t account, int64_t row, const struct demand *demand)
{
    if (!claim_find(match, row))
        claim_add(match, worker_id, account, row, demand);
}

void match_over(struct match *match, int64_t row)
{
    struct match_claim *claim = claim_find(match, row);
    if (!claim)
        return;
    map_remove(&match->claims, &claim->node);
    struct match_worker *worker = worker_find(match, buf_str(&claim->worker_id));
    if (worker)
        worker_give_back(worker, claim);
    struct match_account *account = account_find(match, claim->account);
    account->running--;
    room_came(match);
    account_settle(match, account);
    claim_free(&claim->node, NULL);
}

// --- Given back

static struct str return_worker(const struct match_return *it)
{
    return str_n(it->key.data + sizeof(it->row), it->key.len - sizeof(it->row));
}

static struct match_return *return_find(const struct match *match, int64_t row, struct str worker_id)
{
    char key[sizeof(row) + 256];
    size_t len = MIN(worker_id.len, sizeof(key) - sizeof(row));
    memcpy(key, &row, sizeof(row));
    memcpy(key + sizeof(row), worker_id.data, len);
    struct map_node *node = match->returns.count > 0 ? map_find(&match->returns, str_n(key, sizeof(row) + len)) : NULL;
    return node ? CONTAINER_OF(node, struct match_return, node) : NULL;
}

void match_returned(struct match *match, struct str worker_id, int64_t row, struct str reason, uint64_t now_ms)
{
    struct match_return *it = return_find(match, row, worker_id);
    if (!it && match->returns.count >= MATCH_RETURNS_MAX)
        return;
    if (!it) {
        it = xcalloc(1, sizeof(*it));
        it->row = row;
        buf_append(&it->key, &row, sizeof(row));
        buf_append_str(&it->key, str_n(worker_id.data, MIN(worker_id.len, (size_t)256)));
        map_insert(&match->returns, &it->node, buf_str(&it->key));
    }
    it->rests = true;
    it->until_ms = now_ms + MIN((uint64_t)MATCH_REST_MS << MIN(it->times, 16u), (uint64_t)MATCH_REST_MAX_MS);
    it->times++;
    buf_reset(&it->reason);
    buf_append_utf8(&it->reason, str_n(reason.data, MIN(reason.len, (size_t)200)));
}

struct waking {
    struct match *match;
    uint64_t now_ms;
};

static void wake_one(struct map_node *node, void *arg)
{
    struct match_return *it = CONTAINER_OF(node, struct match_return, node);
    const struct waking *waking = arg;
    if (it->rests && it->until_ms <= waking->now_ms) {
        it->rests = false;
        room_came(waking->match);
    } else if (it->until_ms + 2 * (uint64_t)MATCH_REST_MAX_MS <= waking->now_ms) {
        map_remove(&waking->match->returns, node); // it was not given back again since
        return_free(node, NULL);
    }
}

void match_wake(struct match *match, uint64_t now_ms)
{
    struct waking waking = {match, now_ms};
    map_each(&match->returns, wake_one, &waking);
}

struct resting {
    int64_t row;
    const struct match_return *first;
};

static void find_resting(struct map_node *node, void *arg)
{
    const struct match_return *it = CONTAINER_OF(node, struct match_return, node);
    struct resting *resting = arg;
    if (it->rests && it->row == resting->row && (!resting->first || it->until_ms < resting->first->until_ms))
        resting->first = it;
}

bool match_rests(const struct match *match, int64_t row, struct match_rest *ret)
{
    struct resting resting = {.row = row};
    map_each((struct map *)(uintptr_t)&match->returns, find_resting, &resting);
    if (resting.first)
        *ret =
            (struct match_rest){return_worker(resting.first), buf_str(&resting.first->reason), resting.first->until_ms};
    return resting.first != NULL;
}

// --- Lines

int match_hint(struct match *match, int64_t id, struct str demand)
{
    struct match_account *account = account_get(match, id);
    struct match_line *line = line_find(account, demand);
    if (line) {
        line->stale = true;
        return 0;
    }
    struct demand parsed;
    int err = !demand_parse(demand, &parsed)           ? ERR_INVALID
              : account->line_count >= MATCH_LINES_MAX ? ERR_OVERLOADED
                                                       : 0;
    if (err < 0) {
        account_settle(match, account);
        return err;
    }
    line = xcalloc(1, sizeof(*line));
    line->account = id;
    line->stale = true;
    buf_append_str(&line->text, demand);
    demand_parse(buf_str(&line->text), &line->demand);
    list_push_back(&account->lines, &line->node);
    account->line_count++;
    return 0;
}

static struct match_line *line_of(const struct match *match, int64_t id, struct str demand)
{
    const struct match_account *account = account_find(match, id);
    return account ? line_find(account, demand) : NULL;
}

static void line_drop_if_empty(struct match *match, struct match_line *line)
{
    struct match_account *account = account_find(match, line->account);
    if (line->count > 0 || !line->whole || line->stale || line->reading)
        return;
    line_free(line);
    account->line_count--;
    account_settle(match, account);
}

void match_window(struct match *match, int64_t id, struct str demand, const struct match_job *jobs, size_t count,
                  bool whole)
{
    struct match_line *line = line_of(match, id, demand);
    if (!line)
        return;
    line->reading = false;
    line->whole = whole;
    line->first = line->count = 0;
    line->unfit = 0;
    for (size_t i = 0; i < MIN(count, (size_t)MATCH_WINDOW); i++)
        if (!claim_find(match, jobs[i].row)) // it was read before its claim was committed
            line->jobs[line->count++] = jobs[i];
    line_drop_if_empty(match, line);
}

void match_read_failed(struct match *match, int64_t id, struct str demand)
{
    struct match_line *line = line_of(match, id, demand);
    if (!line)
        return;
    line->reading = false;
    line->stale = true;
}

static bool line_wants_read(const struct match_line *line)
{
    if (line->reading)
        return false;
    return line->stale || (!line->whole && line->count <= REFILL_AT);
}

// --- Choosing

struct choice {
    const struct match *match;
    const struct match_line *line;
    int64_t row;
    struct match_worker *best;
    bool rests; // a worker with room gave it back, and does not get it yet
};

static bool worker_takes(const struct match *match, const struct match_worker *worker, int64_t account)
{
    return !match->held && !worker->draining && (worker->account == 0 || worker->account == account);
}

static void choose_worker(struct map_node *node, void *arg)
{
    struct match_worker *worker = CONTAINER_OF(node, struct match_worker, node);
    struct choice *choice = arg;
    struct str label;
    if (!worker_takes(choice->match, worker, choice->line->account) ||
        demand_fits(&choice->line->demand, &worker->offer, &label) != DEMAND_FITS)
        return;
    const struct match_return *back = return_find(choice->match, choice->row, buf_str(&worker->id));
    if (back && back->rests) {
        choice->rests = true;
        return;
    }
    if (!choice->best || worker->offer.slots_free > choice->best->offer.slots_free)
        choice->best = worker;
}

static struct match_worker *line_worker(struct match *match, struct match_line *line)
{
    if (line->unfit == match->capacity)
        return NULL;
    struct choice choice = {.match = match, .line = line, .rests = true};
    // One that has to rest does not hold up those behind it.
    for (size_t i = 0; i < line->count && !choice.best && choice.rests; i++) {
        line->pick = line->first + i;
        choice.row = line->jobs[line->pick].row;
        choice.rests = false;
        map_each(&match->workers, choose_worker, &choice);
    }
    line->unfit = choice.best ? 0 : match->capacity;
    return choice.best;
}

static struct match_job line_take(struct match_line *line)
{
    struct match_job job = line->jobs[line->pick];
    memmove(&line->jobs[line->first + 1], &line->jobs[line->first], (line->pick - line->first) * sizeof(line->jobs[0]));
    line->first++;
    line->count--;
    return job;
}

static bool goes_before(const struct match_job *x, const struct match_job *y)
{
    if (x->priority != y->priority)
        return x->priority > y->priority;
    return x->turn != y->turn ? x->turn < y->turn : x->row < y->row;
}

// Its next job, if a worker has room for it and it goes before those of `other`.
static struct match_worker *line_goes_first(struct match *match, struct match_line *line,
                                            const struct match_line *other)
{
    const struct match_job *best = other ? &other->jobs[other->pick] : NULL;
    if (line->count == 0 || (best && !goes_before(&line->jobs[line->first], best)))
        return NULL;
    struct match_worker *worker = line_worker(match, line);
    return worker && (!best || goes_before(&line->jobs[line->pick], best)) ? worker : NULL;
}

static bool is_full(const struct match *match, int64_t account, uint64_t running)
{
    return match->running_max > 0 && running + tally_get_id(&match->elsewhere, account) >= match->running_max;
}

static bool account_claims(struct match *match, struct match_account *account, struct match_action *ret)
{
    struct match_line *line = NULL;
    struct match_worker *worker = NULL;
    if (is_full(match, account->account, account->running))
        return false;
    for (struct list_node *it = account->lines.next; it != &account->lines; it = it->next) {
        struct match_line *at = CONTAINER_OF(it, struct match_line, node);
        struct match_worker *has_room = line_goes_first(match, at, line);
        if (has_room) {
            line = at;
            worker = has_room;
        }
    }
    if (!line)
        return false;
    struct match_job job = line_take(line);
    claim_add(match, buf_str(&worker->id), account->account, job.row, &line->demand);
    *ret = (struct match_action){
        .kind = MATCH_CLAIM,
        .account = account->account,
        .row = job.row,
        .demand = buf_str(&line->text),
        .worker_id = buf_str(&worker->id),
    };
    return true;
}

static bool account_reads(struct match_account *account, struct match_action *ret)
{
    for (struct list_node *it = account->lines.next; it != &account->lines; it = it->next) {
        struct match_line *line = CONTAINER_OF(it, struct match_line, node);
        if (!line_wants_read(line))
            continue;
        line->reading = true;
        line->stale = false;
        *ret = (struct match_action){.kind = MATCH_READ, .account = account->account, .demand = buf_str(&line->text)};
        return true;
    }
    return false;
}

enum match_action_kind match_next(struct match *match, struct match_action *ret)
{
    *ret = (struct match_action){.kind = MATCH_WAIT};
    for (struct list_node *it = match->turns.next; it != &match->turns; it = it->next)
        if (account_reads(CONTAINER_OF(it, struct match_account, turn), ret))
            return ret->kind;
    for (struct list_node *it = match->turns.next; it != &match->turns; it = it->next) {
        struct match_account *account = CONTAINER_OF(it, struct match_account, turn);
        if (!account_claims(match, account, ret))
            continue;
        list_remove(&account->turn); // so that the others are next
        list_push_back(&match->turns, &account->turn);
        return ret->kind;
    }
    return ret->kind;
}

// --- Looking

struct why {
    const struct match *match;
    const struct demand *demand;
    int64_t account;
    struct demand_why *found;
};

static void why_worker(struct map_node *node, void *arg)
{
    const struct match_worker *worker = CONTAINER_OF(node, struct match_worker, node);
    const struct why *why = arg;
    if (worker->account == 0 || worker->account == why->account)
        demand_why_add(why->found, why->demand, &worker->offer, why->match->held || worker->draining);
}

void match_why(const struct match *match, int64_t account, const struct demand *demand, struct demand_why *why)
{
    struct why of = {match, demand, account, why};
    map_each((struct map *)(uintptr_t)&match->workers, why_worker, &of);
}

bool match_has(const struct match *match, int64_t row)
{
    return claim_find(match, row) != NULL;
}

bool match_account_full(const struct match *match, int64_t id)
{
    const struct match_account *account = account_find(match, id);
    return is_full(match, id, account ? account->running : 0);
}

void match_elsewhere(struct match *match, struct tally *elsewhere)
{
    tally_take(&match->elsewhere, elsewhere);
}

struct counting {
    uint64_t least;
    struct tally *tally;
};

static void account_count(struct map_node *node, void *arg)
{
    const struct match_account *account = CONTAINER_OF(node, struct match_account, node);
    const struct counting *counting = arg;
    if (account->running >= counting->least)
        tally_add_id(counting->tally, account->account, account->running);
}

void match_running(const struct match *match, struct tally *tally)
{
    struct counting counting = {tally_worth(match->running_max), tally};
    if (match->running_max > 0)
        map_each((struct map *)(uintptr_t)&match->accounts, account_count, &counting);
}
