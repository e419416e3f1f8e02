#include "api/logs/gather.h"

#include "api/logs/logs.h"
#include "ingest/late.h"
#include "util/clock.h"
#include "util/map.h"

struct gathered { // of one execution
    struct map_node node;
    struct gather *gather;
    struct gathered *next;
    char id[ID_EXECUTION_MAX + 1];
    struct submission submission;  // of what comes in order
    struct late_delivery delivery; // of what comes late
    struct execution_lookup lookup;
    struct store_create create;
    bool created; // it was tried
};

struct gather {
    struct call *call;
    bool late;
    void (*done)(struct call *call, const struct gather_answer *answer);
    struct map by_id;
    struct gathered *first, **end;
    size_t count, under_way;
    char producer[STORE_PRODUCER_MAX];
    struct gather_answer answer;
    struct budget_lease held;
};

static void gathered_free(struct gathered *it)
{
    kept_execution_unref(&it->lookup.kept);
    submission_release(&it->submission);
    late_delivery_release(&it->delivery);
    free(it);
}

void gather_free(struct gather **gather_ptr)
{
    struct gather *gather = TAKE_PTR(*gather_ptr);
    if (!gather)
        return;
    for (struct gathered *it = gather->first, *next; it; it = next) {
        next = it->next;
        gathered_free(it);
    }
    map_release(&gather->by_id);
    budget_lease_release(&gather->held);
    call_unref(gather->call);
    free(gather);
}

struct gather *gather_new_late(struct call *call, void (*done)(struct call *call, const struct gather_answer *answer),
                               void *arg)
{
    struct gather *gather = xcalloc(1, sizeof(*gather));
    gather->late = true;
    gather->answer.arg = arg;
    gather->call = call;
    call_ref(call);
    gather->done = done;
    gather->end = &gather->first;
    map_init(&gather->by_id);
    return gather;
}

struct gather *gather_new(struct call *call, struct str body,
                          void (*done)(struct call *call, const struct gather_answer *answer))
{
    struct gather *gather = gather_new_late(call, done, NULL);
    uint8_t hash[32];
    char hex[65];
    sha256(body.data, body.len, hash);
    hex_encode(hash, sizeof(hash), hex);
    snprintf(gather->producer, sizeof(gather->producer), "body:%s", hex);
    gather->late = false;
    return gather;
}

// --- Gathering

static void submitted(struct submission *submission);
static void delivered(struct late_delivery *delivery);

static void refuse(void *arg, const char *reason)
{
    struct gather *gather = arg;
    gather->answer.refused++;
    gather->answer.reason = reason;
}

static struct gathered *find(struct gather *gather, struct str id)
{
    struct map_node *node = map_find(&gather->by_id, id);
    if (node)
        return CONTAINER_OF(node, struct gathered, node);
    if (gather->count == GATHER_EXECUTIONS_MAX)
        return NULL;
    struct gathered *it = xcalloc(1, sizeof(*it));
    it->gather = gather;
    it->submission = (struct submission){
        .records.message_max = gather->call->api->limits->message_max,
        .producer = str_of(gather->producer),
        .whole = true,
        .done = submitted,
    };
    if (gather->late)
        late_delivery_init(&it->delivery, late_message_max(gather->call->api->options.late));
    memcpy(it->id, id.data, id.len);
    map_insert(&gather->by_id, &it->node, str_of(it->id));
    *gather->end = it;
    gather->end = &it->next;
    gather->count++;
    return it;
}

static int keep(struct gathered *it, const struct arrival *arrival)
{
    if (it->gather->late)
        return late_delivery_add(&it->delivery, arrival->id, &arrival->record);
    return record_parts_add(&it->submission.records, &arrival->record);
}

static void add(void *arg, const struct arrival *arrival)
{
    struct gather *gather = arg;
    struct str execution_id = arrival->execution_id;
    if (!id_execution_valid(execution_id)) {
        refuse(gather, execution_id.len ? "its execution's id is not valid" : "nothing says which execution it is of");
        return;
    }
    struct gathered *it = find(gather, execution_id);
    if (!it)
        refuse(gather, "the request has records of more than 1,000 executions");
    else if (keep(it, arrival) < 0)
        refuse(gather, "it is larger than a record may be");
}

struct arrival_reader gather_reader(struct gather *gather)
{
    return (struct arrival_reader){add, refuse, gather};
}

// --- Sending

// An error that says nothing about the records.
static bool is_passing(int err)
{
    int status = error_http_status(err);
    return status >= 500 || status == 429;
}

static const char *reason_of(int err)
{
    switch (err) {
    case ERR_NOT_FOUND:
        return "there is no such execution, and this credential may not make one";
    case ERR_CONFLICT:
    case ERR_GAP:
        return "other records were sent with the same body";
    default:
        return error_text(err);
    }
}

static void finish(struct gather *gather)
{
    gather->done(gather->call, &gather->answer);
    gather_free(&gather);
}

static uint64_t record_count(const struct gathered *it)
{
    return it->gather->late ? it->delivery.count : it->submission.records.total;
}

static void gathered_done(struct gathered *it, int err)
{
    struct gather *gather = it->gather;
    struct gather_answer *answer = &gather->answer;
    if (err == 0)
        answer->taken += record_count(it);
    else if (is_passing(err))
        answer->err = err;
    else {
        answer->refused += record_count(it);
        answer->reason = reason_of(err);
    }
    if (--gather->under_way == 0)
        finish(gather);
}

static void submitted(struct submission *submission)
{
    gathered_done(CONTAINER_OF(submission, struct gathered, submission), submission->err);
}

static void delivered(struct late_delivery *delivery)
{
    gathered_done(CONTAINER_OF(delivery, struct gathered, delivery), delivery->err);
}

static void append(struct gathered *it, int64_t row)
{
    const struct call *call = it->gather->call;
    const struct submission_target target = logs_target(call, row);
    if (!it->gather->late) {
        submission_send(&it->submission, &target);
        return;
    }
    it->delivery.account = target.account;
    it->delivery.row = target.row;
    it->delivery.reply_to = target.loop;
    it->delivery.done = delivered;
    late_deliver(call->api->options.late, &it->delivery);
}

static void look_up(struct gathered *it);

// Somebody else may have made it meanwhile; then it is found.
static void created(struct store_op *op)
{
    struct gathered *it = CONTAINER_OF(op, struct gathered, create.op);
    int err = op->err;
    int64_t row = it->create.execution.row;
    store_op_release(op);
    execution_release(&it->create.execution);
    if (err == 0)
        append(it, row);
    else if (err == ERR_CONFLICT)
        look_up(it);
    else
        gathered_done(it, err);
}

static void create(struct gathered *it)
{
    const struct call *call = it->gather->call;
    const struct api_limits *limits = call->api->limits;
    bool late = it->gather->late;
    it->created = true;
    it->create = (struct store_create){
        .op = {.kind = STORE_CREATE,
               .reply_to = call->api->options.loop,
               .done = created,
               .account = call->principal.account},
        .execution = {.account = call->principal.account,
                      .execution_id = xstrdup(it->id),
                      .status = STATUS_RUNNING,
                      .started_ms = clock_real_ms(),
                      .late = late,
                      .to_fetch = late && fetches_serve(call->api->options.fetches, call->principal.account),
                      .quiet_ms = late ? limits->source_quiet_ms : limits->push_quiet_ms,
                      .retention = late ? limits->source_retention : (struct retention_own){0},
                      .owner = call->principal.user[0] ? xstrdup(call->principal.user) : NULL},
        .open_max = call->api->limits->open_executions_max,
    };
    store_submit(call->api->options.store, &it->create.op);
}

static void found(struct execution_lookup *lookup, int err)
{
    struct gathered *it = CONTAINER_OF(lookup, struct gathered, lookup);
    const struct principal *principal = &it->gather->call->principal;
    if (err == 0)
        err = execution_judge(principal, &lookup->kept->execution);
    else if (err == ERR_NOT_FOUND && !it->created && role_may(principal->role, ACTION_WRITE)) {
        if (!it->gather->call->api->limits->drains) {
            create(it);
            return;
        }
        err = ERR_UNAVAILABLE;
    }
    if (err == 0)
        append(it, lookup->kept->execution.row);
    else
        gathered_done(it, err);
}

static void look_up(struct gathered *it)
{
    struct call *call = it->gather->call;
    it->lookup.done = found;
    execution_lookup(&it->lookup, call->api, call->principal.account, str_of(it->id));
}

void gather_send(struct gather *gather)
{
    CLEANUP(budget_account_unref)
    struct budget_account *account = budget_account(gather->call->api->options.budget, gather->call->principal.account);
    size_t bytes = 0;
    for (struct gathered *it = gather->first; it; it = it->next) {
        record_parts_end(&it->submission.records);
        bytes += record_parts_memory(&it->submission.records) + it->delivery.bytes;
    }
    budget_lease_charge(&gather->held, account, BUDGET_intake, bytes);
    gather->under_way = 1; // until all are begun
    for (struct gathered *it = gather->first; it; it = it->next) {
        if (record_count(it) == 0)
            continue;
        gather->under_way++;
        look_up(it);
    }
    if (--gather->under_way == 0)
        finish(gather);
}
