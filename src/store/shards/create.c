// Where an execution is made. Each store that is open gets its share of new ones: by a hash of the identifier, or of
// the idempotency key, that moves few of them when a store is added ("highest random weight"). A job without either is
// made where the first one is for which it waits.
#include "store/shards/shards_private.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/map.h"

#define ID_TRIES 256 // to find an identifier whose share is that of a certain store

static uint64_t weight_of(int64_t account, struct str name, unsigned number)
{
    static const uint64_t seed[2] = {UINT64_C(0x72756e6e656c2073), UINT64_C(0x6861726473206f66)}; // never changes
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text, "%lld %u ", (long long)account, number);
    buf_append(&text, name.data, name.len);
    return siphash(seed, text.data, text.len);
}

struct member *member_for(struct shards *shards, int64_t account, struct str name)
{
    struct member *found = NULL;
    uint64_t most = 0;
    for (unsigned i = 0; i < shards->count; i++) {
        uint64_t weight = weight_of(account, name, i);
        if (shards->members[i].closed || (found && weight <= most))
            continue;
        most = weight;
        found = &shards->members[i];
    }
    return found ? found : home_of(shards);
}

char *id_for(struct shards *shards, int64_t account, const struct member *member, const char *prefix)
{
    char *id = NULL;
    for (unsigned i = 0; i < ID_TRIES; i++) {
        char made[ID_SORTABLE_LEN + 1];
        id_sortable(clock_real_ms(), made);
        free(id);
        id = xasprintf("%s_%s", prefix, made);
        const struct member *of = member_for(shards, account, str_of(id));
        if (member ? of == member : atomic_load(&of->away) == 0)
            break;
    }
    return id;
}

bool row_is_too_high(const struct member *member, int64_t row)
{
    if (row >> STORE_SHARD_SHIFT == 0)
        return false;
    log_error(member->shards->base.logger, "a store has given out so many numbers that they do not fit any more",
              LOG_S("store", member->name));
    return true;
}

// --- The execution is made

static void over(struct task *task)
{
    task_end(task, (int)task->number);
}

static void made(struct task *task)
{
    struct store_create *create = TASK(task, store_create);
    const struct run_new *run = create->run;
    const struct job_new *job = create->job;
    uint64_t open_max = create->open_max;
    struct part *part = task->parts[0];
    struct member *member = part->member;
    int err = part_op(part)->err;
    if (err == 0 && row_is_too_high(member, create->execution.row))
        err = ERR_INTERNAL;
    task_give(task, part);
    create->run = run; // the caller's, not what it was given here
    create->job = job;
    create->open_max = open_max;
    task->number = err;
    if (err == 0 && job)
        order_made(task, member, create);
    parents_tell(task, over);
}

struct making { // limits of the store in which it is made
    uint64_t open_max, queued_max;
};

static void make(struct task *task)
{
    struct store_create *create = TASK(task, store_create);
    const struct making *making = task->own;
    struct member *member = task->member;
    if (!create->execution.execution_id)
        create->execution.execution_id = id_for(task->shards, create->execution.account, member, "exec");
    int err = order_error(task);
    if (err < 0) {
        task_end(task, err);
        return;
    }
    task_forget(task);
    struct part *part = task_part(task, member, STORE_CREATE, task->op);
    struct store_create *inner = PART(part, store_create);
    inner->open_max = making->open_max;
    err = order_fill(task, member, inner);
    if (inner->job) {
        struct job_new *job = xcalloc(1, sizeof(*job));
        *job = *inner->job;
        job->queued_max = making->queued_max;
        part->own = job;
        inner->job = job;
    }
    part_op(part)->err = err;
    if (err < 0)
        made(task);
    else
        task_go(task, made);
}

// --- What is asked before

// The store that has made it before, with the same key; NULL: none.
static struct member *made_before(const struct task *task)
{
    for (unsigned i = 0; i < task->count; i++)
        if (part_op(task->parts[i])->kind == STORE_CREATED && part_op(task->parts[i])->err == 0 &&
            PART(task->parts[i], store_created)->ret_known)
            return task->parts[i]->member;
    return NULL;
}

static int refusal_of(const struct part *part)
{
    int err = part_op((struct part *)part)->err;
    if (part_op((struct part *)part)->kind == STORE_COUNT_OPEN)
        return 0; // a store that is away is not counted
    if (part_op((struct part *)part)->kind != STORE_GET || err < 0)
        return err == ERR_NOT_FOUND ? 0 : err; // nobody knows whether a store that is away has it
    return PART((struct part *)part, store_get)->ret_execution.purged ? ERR_EXPIRED : ERR_CONFLICT;
}

static void asked(struct task *task)
{
    const struct store_create *create = TASK(task, store_create);
    struct member *before = made_before(task);
    struct open_elsewhere elsewhere = open_elsewhere(task, task->member);
    struct making *making = task->own = xcalloc(1, sizeof(*making));
    int err = limit_left(create->job ? 0 : create->open_max, elsewhere.others, &making->open_max);
    int queue = limit_left(create->job ? create->job->queued_max : 0, elsewhere.queued, &making->queued_max);
    err = before ? 0 : err < 0 ? err : queue;
    for (unsigned i = 0; i < task->count && err == 0 && !before; i++)
        err = refusal_of(task->parts[i]);
    if (err < 0) {
        task_end(task, err);
        return;
    }
    task->member = before ? before : task->member;
    order_ask_home(task, task->member, make);
}

// task->number: the identifier was made just now. Else others may have it; and the key, if new ones were shared out in
// another way within the time that it is kept. Former servers made all jobs in the home.
static void ask_others(struct task *task)
{
    const struct store_create *create = TASK(task, store_create);
    const struct execution *execution = &create->execution;
    struct shards *shards = task->shards;
    bool moved = clock_mono_ms() < shards->moved_until_ms;
    ask_open(task, execution->account, create->job, 1, create->job ? create->job->queued_max : create->open_max);
    for (unsigned i = 0; i < shards->count; i++) {
        if (&shards->members[i] == task->member)
            continue;
        if (execution->execution_id && !task->number) {
            struct store_get *get = PART(task_part(task, &shards->members[i], STORE_GET, NULL), store_get);
            get->account = execution->account;
            get->execution_id = str_of(execution->execution_id);
        }
        if (create->idempotency_key.len > 0 && (moved || (create->job && i == 0))) {
            struct store_created *created =
                PART(task_part(task, &shards->members[i], STORE_CREATED, NULL), store_created);
            created->account = execution->account;
            created->key = create->idempotency_key;
        }
    }
}

static struct member *choose(struct task *task)
{
    struct store_create *create = TASK(task, store_create);
    struct execution *execution = &create->execution;
    struct shards *shards = task->shards;
    if (execution->execution_id)
        return member_for(shards, execution->account, str_of(execution->execution_id));
    if (create->idempotency_key.len > 0)
        return member_for(shards, execution->account, create->idempotency_key);
    struct member *near = order_parent_member(task);
    task->number = 1; // nobody else has it
    execution->execution_id = id_for(shards, execution->account, near, "exec");
    return near ? near : member_for(shards, execution->account, str_of(execution->execution_id));
}

static void with_parents(struct task *task)
{
    if (order_error(task) < 0) {
        task_end(task, order_error(task));
        return;
    }
    task->member = choose(task);
    ask_others(task);
    task_go(task, asked);
}

void go_create(struct shards *shards, struct store_op *op)
{
    const struct store_create *create = CONTAINER_OF(op, struct store_create, op);
    struct task *task = task_new(shards, op);
    order_begin(task, create->execution.account, create, 1);
    order_find_parents(task, with_parents);
}
