// What executions are made with that lies in other stores than they: jobs wait for others, in any store; and the home
// has secrets, workflows and contents. All of it is asked before, and given with what is made. How things are judged is
// in the store in which they are made.
#include "store/shards/order.h"

#define ASKED_AT_ONCE 24

// --- Names, each once

static void names_add(struct names *names, struct str name)
{
    if (names->count == names->room) {
        names->room = names->room ? names->room * 2 : 16;
        names->items = xrealloc(names->items, names->room * sizeof(*names->items));
    }
    names->items[names->count++] = name;
}

static int compare_names(const void *x, const void *y)
{
    const struct str *a = x, *b = y;
    int order = memcmp(a->data, b->data, MIN(a->len, b->len));
    return order != 0 ? order : a->len < b->len ? -1 : a->len > b->len;
}

static void names_close(struct names *names)
{
    size_t count = 0;
    if (names->count > 1)
        qsort(names->items, names->count, sizeof(*names->items), compare_names);
    for (size_t i = 0; i < names->count; i++)
        if (count == 0 || compare_names(&names->items[i], &names->items[count - 1]) != 0)
            names->items[count++] = names->items[i];
    names->count = count;
}

static size_t names_find(const struct names *names, struct str name) // `count`: it is not there
{
    const struct str *found =
        names->count > 0 ? bsearch(&name, names->items, names->count, sizeof(name), compare_names) : NULL;
    return found ? (size_t)(found - names->items) : names->count;
}

// --- Life

static void *keep(struct order *order, size_t size) // until the end of the task
{
    order->kept = xrealloc(order->kept, (order->kept_count + 1) * sizeof(*order->kept));
    return order->kept[order->kept_count++] = xcalloc(1, size);
}

static void order_free(struct order *order)
{
    for (size_t i = 0; i < order->kept_count; i++)
        free(order->kept[i]);
    for (size_t i = 0; order->workflows && i < order->workflow_names.count; i++)
        workflow_release(&order->workflows[i]);
    void *const gone[] = {order->kept,      order->ids.items,    order->found,
                          order->circles,   order->waiting,      order->secret_names.items,
                          order->missing,   order->blobs,        order->workflow_names.items,
                          order->workflows, order->hashes.items, order->blob_rows};
    for (size_t i = 0; i < ARRAY_LEN(gone); i++)
        free(gone[i]);
    free(order);
}

void order_begin(struct task *task, int64_t account, const struct store_create *creates, size_t count)
{
    struct order *order = xcalloc(1, sizeof(*order));
    order->creates = creates;
    order->count = count;
    order->account = account;
    task->order = order;
    task->order_free = order_free;
}

// --- What they wait for

static size_t parents_of(const struct store_create *create)
{
    return create->job ? MIN(create->job->parent_count, (size_t)DEPENDENCIES_MAX) : 0;
}

// An execution goes before a batch of that name; one that nobody has may be in a store that is away.
static void found_parents(struct task *task)
{
    struct order *order = task->order;
    int err = task_error(task);
    for (unsigned k = 0; k < task->count; k++) {
        const struct store_parents_look *part = PART(task->parts[k], store_parents_look);
        for (size_t i = 0; i < part->count && part_op(task->parts[k])->err == 0; i++) {
            const struct parent_standing *found = &part->ret_parents[i];
            bool better = order->found[i].key.row == 0 || (order->found[i].key.is_batch && !found->key.is_batch);
            if (found->key.row == 0 || !better)
                continue;
            order->found[i] = *found;
            order->found[i].key = parent_outside(task->parts[k]->member, found->key);
        }
    }
    for (size_t i = 0; i < order->ids.count && order->err == 0; i++)
        order->err = order->found[i].key.row == 0 ? err : 0;
    task_forget(task);
    order->then(task);
}

void order_find_parents(struct task *task, task_fn *then)
{
    struct order *order = task->order;
    order->then = then;
    for (size_t i = 0; i < order->count; i++)
        for (size_t k = 0; k < parents_of(&order->creates[i]); k++)
            names_add(&order->ids, order->creates[i].job->parents[k].id);
    names_close(&order->ids);
    if (order->ids.count == 0) {
        then(task);
        return;
    }
    order->found = xcalloc(order->ids.count, sizeof(*order->found));
    order->circles = xcalloc(order->ids.count, sizeof(*order->circles));
    for (unsigned i = 0; i < task->shards->count; i++) {
        struct part *part = task_part(task, &task->shards->members[i], STORE_PARENTS_LOOK, NULL);
        struct store_parents_look *look = PART(part, store_parents_look);
        part->own = look->ret_parents = xcalloc(order->ids.count, sizeof(*look->ret_parents));
        look->account = order->account;
        look->ids = order->ids.items;
        look->count = order->ids.count;
    }
    task_go(task, found_parents);
}

int order_error(const struct task *task)
{
    return task->order->err;
}

struct member *order_parent_member(const struct task *task)
{
    const struct order *order = task->order;
    for (size_t i = 0; i < order->ids.count; i++) {
        struct member *member = order->found[i].key.row != 0 ? parent_member(task->shards, order->found[i].key) : NULL;
        if (member && !member->closed && !order->found[i].over)
            return member;
    }
    return NULL;
}

// --- What the home has

struct hashed { // a name of a content is its hash
    struct store_blob_new blob;
    int64_t row; // in the home; 0: it does not have it
    char key[STORE_BLOB_KEY_MAX + 1];
};

static void collect(struct order *order)
{
    for (size_t i = 0; i < order->count; i++) {
        const struct store_create *create = &order->creates[i];
        if (create->job && create->job->secrets.len > 0)
            names_add(&order->secret_names, create->job->secrets);
        if (create->execution.workflow_id)
            names_add(&order->workflow_names, str_of(create->execution.workflow_id));
        for (size_t k = 0; k < create->input_count; k++)
            names_add(&order->hashes, str_n((const char *)create->inputs[k].hash, STORE_HASH_LEN));
    }
    names_close(&order->secret_names);
    names_close(&order->workflow_names);
    names_close(&order->hashes);
    order->missing = xcalloc(order->secret_names.count + 1, sizeof(*order->missing));
    order->workflows = xcalloc(order->workflow_names.count + 1, sizeof(*order->workflows));
    order->blobs = xcalloc(order->hashes.count + 1, sizeof(struct hashed));
}

static void take_secret(struct order *order, size_t i, const struct part *part)
{
    struct store_secret_take *take = PART((struct part *)(uintptr_t)part, store_secret_take);
    if (part_op((struct part *)(uintptr_t)part)->err == ERR_NOT_FOUND)
        order->missing[i] = take->names[take->ret_missing]; // a view of the request's text
    else
        order->err = part_op((struct part *)(uintptr_t)part)->err;
}

static void take_workflow(struct order *order, size_t i, const struct part *part)
{
    struct store_workflow_get *get = PART((struct part *)(uintptr_t)part, store_workflow_get);
    if (get->op.err == ERR_NOT_FOUND)
        return;
    order->err = get->op.err;
    if (get->op.err == 0) {
        order->workflows[i] = get->ret_workflow;
        get->ret_workflow = (struct workflow){0};
    }
}

static void take_blob(struct order *order, size_t i, const struct part *part)
{
    const struct store_blob_find *find = PART((struct part *)(uintptr_t)part, store_blob_find);
    struct hashed *it = &order->blobs[i];
    if (find->op.err == ERR_NOT_FOUND)
        return; // the other store may have it already
    order->err = find->op.err;
    it->row = find->ret_blob.row;
    snprintf(it->key, sizeof(it->key), "%s", find->ret_blob.key);
    it->blob = (struct store_blob_new){.size = find->ret_blob.size, .key = str_of(it->key)};
    memcpy(it->blob.hash, find->hash, sizeof(it->blob.hash));
}

static void ask_secret(struct task *task, size_t i)
{
    const struct order *order = task->order;
    struct part *part = task_part(task, home_of(task->shards), STORE_SECRET_TAKE, NULL);
    struct store_secret_take *take = PART(part, store_secret_take);
    struct str rest = order->secret_names.items[i], name, variable;
    struct str *names = part->own = xcalloc(SECRETS_USED_MAX, sizeof(*names));
    take->account = order->account;
    take->names = names;
    take->looks = true;
    while (rest.len > 0 && take->count < SECRETS_USED_MAX)
        if (secret_use_parse(str_split(&rest, ' '), &name, &variable) && !secret_is_run_token(name))
            names[take->count++] = name;
}

static void ask_workflow(struct task *task, size_t i)
{
    struct store_workflow_get *get =
        PART(task_part(task, home_of(task->shards), STORE_WORKFLOW_GET, NULL), store_workflow_get);
    get->account = task->order->account;
    get->workflow_id = task->order->workflow_names.items[i];
}

static void ask_blob(struct task *task, size_t i)
{
    struct store_blob_find *find = PART(task_part(task, home_of(task->shards), STORE_BLOB_FIND, NULL), store_blob_find);
    find->account = task->order->account;
    memcpy(find->hash, task->order->hashes.items[i].data, STORE_HASH_LEN);
}

static const struct asking {
    size_t names; // where they are in struct order
    void (*ask)(struct task *task, size_t i);
    void (*take)(struct order *order, size_t i, const struct part *part);
} askings[] = {
    {offsetof(struct order, secret_names), ask_secret, take_secret},
    {offsetof(struct order, workflow_names), ask_workflow, take_workflow},
    {offsetof(struct order, hashes), ask_blob, take_blob},
};

// The asking that a number means, as if all of them were one list.
static const struct asking *asking_at(const struct order *order, size_t number, size_t *ret)
{
    for (size_t i = 0; i < ARRAY_LEN(askings); i++) {
        size_t count = ((const struct names *)(const void *)((const char *)order + askings[i].names))->count;
        *ret = number;
        if (number < count)
            return &askings[i];
        number -= count;
    }
    return NULL;
}

static void at_hand(struct task *task)
{
    struct order *order = task->order;
    order->err = order->err < 0 ? order->err : task_error(task);
    task_forget(task);
    order->then(task);
}

// They are wanted in the home, so that it does not drop them before the other store has them.
static void hand_on_blobs(struct task *task)
{
    struct order *order = task->order;
    size_t count = 0;
    task_forget(task);
    struct store_blob_new *blobs = keep(order, (order->hashes.count + 1) * sizeof(*blobs));
    order->blob_rows = xcalloc(order->hashes.count + 1, sizeof(*order->blob_rows));
    for (size_t i = 0; i < order->hashes.count && order->err == 0; i++) {
        if (order->blobs[i].row == 0)
            continue;
        blobs[count] = order->blobs[i].blob;
        order->blob_rows[count++] = order->blobs[i].row;
    }
    for (size_t at = 0; at < count; at += BLOBS_MAX) {
        struct store_blob_want *want =
            PART(task_part(task, home_of(task->shards), STORE_BLOB_WANT, NULL), store_blob_want);
        struct store_blob_add *add = PART(task_part(task, order->member, STORE_BLOB_ADD, NULL), store_blob_add);
        want->rows = order->blob_rows + at;
        add->blobs = blobs + at;
        want->count = add->count = MIN(count - at, (size_t)BLOBS_MAX);
        add->account = order->account;
        add->bytes_max = UINT64_MAX; // they were counted when they were uploaded
    }
    task_go(task, at_hand);
}

static void ask_some(struct task *task);

static void told_some(struct task *task)
{
    struct order *order = task->order;
    for (unsigned k = 0; k < task->count && order->err == 0; k++) {
        size_t i = 0;
        const struct asking *asking = asking_at(order, order->asked + k, &i);
        asking->take(order, i, task->parts[k]);
    }
    order->asked += task->count;
    ask_some(task);
}

static void ask_some(struct task *task)
{
    struct order *order = task->order;
    size_t i = 0;
    const struct asking *asking = NULL;
    task_forget(task);
    while (order->err == 0 && task->count < ASKED_AT_ONCE &&
           (asking = asking_at(order, order->asked + task->count, &i)))
        asking->ask(task, i);
    if (task->count > 0)
        task_go(task, told_some);
    else
        hand_on_blobs(task);
}

void order_ask_home(struct task *task, struct member *member, task_fn *then)
{
    struct order *order = task->order;
    order->then = then;
    order->member = member;
    if (member->number > 0)
        collect(order);
    if (order->secret_names.count + order->workflow_names.count + order->hashes.count == 0) {
        task_forget(task);
        then(task);
        return;
    }
    ask_some(task);
}

// --- What is made

// As the store would do by itself if it had the workflow.
static int give_workflow(struct order *order, struct store_create *create)
{
    size_t at = create->execution.workflow_id
                    ? names_find(&order->workflow_names, str_of(create->execution.workflow_id))
                    : order->workflow_names.count;
    const struct workflow *workflow = at < order->workflow_names.count ? &order->workflows[at] : NULL;
    struct retention_own own = {0};
    if (!workflow || !workflow->workflow_id)
        return 0;
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
    struct run_new *run = keep(order, sizeof(*run));
    *run = create->run ? *create->run : (struct run_new){0};
    run->graph = graph;
    create->run = run;
    return 0;
}

// One in another store than it is made in.
static bool is_elsewhere(const struct task *task, const struct member *member, size_t i)
{
    const struct order *order = task->order;
    return i < order->ids.count && order->found[i].key.row != 0 &&
           parent_member(task->shards, order->found[i].key) != member;
}

static void give_job(struct task *task, const struct member *member, struct store_create *create)
{
    struct order *order = task->order;
    size_t count = parents_of(create);
    if (!create->job || create->job->parent_count > DEPENDENCIES_MAX)
        return; // which is refused
    struct job_new *job = keep(order, sizeof(*job));
    struct job_parent *parents = keep(order, (count + 1) * sizeof(*parents));
    *job = *create->job;
    job->parents = parents;
    for (size_t i = 0; i < count; i++) {
        size_t at = names_find(&order->ids, create->job->parents[i].id);
        parents[i] = create->job->parents[i];
        parents[i].elsewhere = is_elsewhere(task, member, at) ? &order->found[at] : NULL;
        parents[i].circle = order->circles && order->circles[at];
    }
    if (member->number > 0 && job->secrets.len > 0) {
        job->secrets_asked = true;
        job->secret_missing = order->missing[names_find(&order->secret_names, job->secrets)];
    }
    create->job = job;
}

int order_fill(struct task *task, struct member *member, struct store_create *create)
{
    give_job(task, member, create);
    return member->number > 0 ? give_workflow(task->order, create) : 0;
}

void order_made(struct task *task, struct member *member, const struct store_create *create)
{
    const struct order *order = task->order;
    for (size_t i = 0; i < parents_of(create); i++) {
        size_t at = names_find(&order->ids, create->job->parents[i].id);
        if (is_elsewhere(task, member, at) && !order->found[at].over)
            telling_add(task, member, order->found[at].key);
    }
}
