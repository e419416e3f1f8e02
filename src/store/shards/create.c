// Where an execution is made. Jobs, with all that they depend on and are given, are made in the home. Of others each
// store that is open gets its share: by a hash of the identifier, or of the idempotency key, that moves few of them
// when a store is added ("highest random weight").
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

// An identifier by which it is looked for where it is made; of any store that serves, if `member` is NULL.
static char *make_id(struct shards *shards, int64_t account, const struct member *member)
{
    char *id = NULL;
    for (unsigned i = 0; i < ID_TRIES; i++) {
        char made[ID_SORTABLE_LEN + 1];
        id_sortable(clock_real_ms(), made);
        free(id);
        id = xasprintf("exec_%s", made);
        const struct member *of = member_for(shards, account, str_of(id));
        if (member ? of == member : atomic_load(&of->away) == 0)
            break;
    }
    return id;
}

// --- The execution is made

struct workflow_given { // to a run that is not made where its workflow is
    struct run_new run;
    char graph[];
};

static void made(struct task *task)
{
    struct store_create *create = TASK(task, store_create);
    const struct run_new *run = create->run;
    uint64_t open_max = create->open_max;
    struct part *part = task->parts[0];
    int err = part_op(part)->err;
    if (err == 0 && create->execution.row >> STORE_SHARD_SHIFT != 0) {
        log_error(task->shards->base.logger, "a store has given out so many numbers that they do not fit any more",
                  LOG_S("store", part->member->name));
        err = ERR_INTERNAL;
    }
    task_give(task, part);
    create->run = run; // the caller's, not what it was given here
    create->open_max = open_max;
    task_end(task, err);
}

// As the store would do by itself if it had the workflow.
static int give_workflow(struct part *part, const struct store_workflow_get *get)
{
    struct store_create *create = PART(part, store_create);
    const struct workflow *workflow = &get->ret_workflow;
    struct retention_own own = {0};
    struct str graph = workflow->graph_json ? str_of(workflow->graph_json) : (struct str){0};
    bool owns = workflow->owner && str_eq(str_of(workflow->owner), create->asking_user);
    if (create->asking_user.len > 0 && !owns)
        return ERR_NOT_FOUND;
    if (workflow->retention && retention_own_parse(str_of(workflow->retention), &own))
        create->execution.retention = retention_own_over(&create->execution.retention, &own);
    if (workflow->owner) {
        free(create->execution.owner);
        create->execution.owner = xstrdup(workflow->owner);
    }
    if (graph.len == 0 || (create->run && create->run->graph.len > 0))
        return 0;
    struct workflow_given *given = xcalloc(1, sizeof(*given) + graph.len + 1);
    memcpy(given->graph, graph.data, graph.len);
    given->run = create->run ? *create->run : (struct run_new){0};
    given->run.graph = str_n(given->graph, graph.len);
    create->run = &given->run;
    part->own = given;
    return 0;
}

static void make(struct task *task, struct member *member, const struct store_workflow_get *get, uint64_t open_max)
{
    struct store_create *create = TASK(task, store_create);
    struct part *part = NULL;
    if (!create->execution.execution_id)
        create->execution.execution_id = make_id(task->shards, create->execution.account, member);
    // What was asked first goes, and what is made is the only part; but the workflow is wanted until then.
    unsigned asked = task->count;
    part = task_part(task, member, STORE_CREATE, task->op);
    PART(part, store_create)->open_max = open_max;
    int err = get && member->number > 0 ? give_workflow(part, get) : 0;
    task->parts[asked] = NULL;
    task->count = asked;
    task_forget(task);
    task->parts[0] = part;
    task->count = 1;
    part_op(part)->err = err;
    if (err < 0)
        made(task);
    else
        task_go(task, made);
}

// --- What is asked before

static const struct store_workflow_get *workflow_of(const struct task *task)
{
    for (unsigned i = 0; i < task->count; i++)
        if (part_op(task->parts[i])->kind == STORE_WORKFLOW_GET && part_op(task->parts[i])->err == 0)
            return PART(task->parts[i], store_workflow_get);
    return NULL;
}

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
    if (part_op((struct part *)part)->kind != STORE_GET)
        return err == ERR_NOT_FOUND ? 0 : err; // there is no such workflow
    if (err < 0)
        return err == ERR_NOT_FOUND ? 0 : err; // nobody knows whether a store that is away has it
    return PART((struct part *)part, store_get)->ret_execution.purged ? ERR_EXPIRED : ERR_CONFLICT;
}

// How many that count for the account's limit are open in the other stores.
static uint64_t open_elsewhere(const struct task *task)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < task->count; i++) {
        if (part_op(task->parts[i])->kind != STORE_COUNT_OPEN || part_op(task->parts[i])->err < 0)
            continue;
        const struct store_count_open *count = PART(task->parts[i], store_count_open);
        sum += count->ret_count - MIN(count->ret_queued, count->ret_count);
    }
    return sum;
}

static void asked(struct task *task)
{
    struct member *before = made_before(task);
    uint64_t elsewhere = open_elsewhere(task), most = TASK(task, store_create)->open_max;
    int err = !before && most > 0 && elsewhere >= most ? ERR_RATE : 0;
    for (unsigned i = 0; i < task->count && err == 0 && !before; i++)
        err = refusal_of(task->parts[i]);
    if (err < 0) {
        task_end(task, err);
        return;
    }
    make(task, before ? before : task->member, workflow_of(task), most > 0 ? most - MIN(elsewhere, most - 1) : 0);
}

// task->number: the identifier was made just now. Else others may have it; and the key, if new ones were shared out in
// another way within the time that it is kept.
static void ask_others(struct task *task)
{
    const struct store_create *create = TASK(task, store_create);
    const struct execution *execution = &create->execution;
    struct shards *shards = task->shards;
    bool moved = clock_mono_ms() < shards->moved_until_ms;
    for (unsigned i = 0; i < shards->count; i++) {
        if (&shards->members[i] == task->member)
            continue;
        if (create->open_max > 0 && !create->job) {
            struct store_count_open *count =
                PART(task_part(task, &shards->members[i], STORE_COUNT_OPEN, NULL), store_count_open);
            count->account = execution->account;
        }
        if (execution->execution_id && !task->number) {
            struct store_get *get = PART(task_part(task, &shards->members[i], STORE_GET, NULL), store_get);
            get->account = execution->account;
            get->execution_id = str_of(execution->execution_id);
        }
        if (create->idempotency_key.len > 0 && moved) {
            struct store_created *created =
                PART(task_part(task, &shards->members[i], STORE_CREATED, NULL), store_created);
            created->account = execution->account;
            created->key = create->idempotency_key;
        }
    }
}

static struct member *choose(struct shards *shards, struct store_create *create)
{
    struct execution *execution = &create->execution;
    if (create->job || create->input_count > 0)
        return home_of(shards);
    if (execution->execution_id)
        return member_for(shards, execution->account, str_of(execution->execution_id));
    if (create->idempotency_key.len > 0)
        return member_for(shards, execution->account, create->idempotency_key);
    execution->execution_id = make_id(shards, execution->account, NULL);
    return member_for(shards, execution->account, str_of(execution->execution_id));
}

void go_create(struct shards *shards, struct store_op *op)
{
    struct store_create *create = CONTAINER_OF(op, struct store_create, op);
    struct task *task = task_new(shards, op);
    bool made_here = !create->execution.execution_id && create->idempotency_key.len == 0; // nobody else has it
    task->member = choose(shards, create);
    task->number = made_here;
    ask_others(task);
    if (create->execution.workflow_id && task->member->number > 0) {
        struct store_workflow_get *get =
            PART(task_part(task, home_of(shards), STORE_WORKFLOW_GET, NULL), store_workflow_get);
        get->account = create->execution.account;
        get->workflow_id = str_of(create->execution.workflow_id);
    }
    task_go(task, asked);
}
