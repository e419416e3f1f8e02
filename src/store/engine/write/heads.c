#include "store/engine/write/heads.h"

#define HEADS_MAX          65536
#define CONTESTED_RESTS    32
#define HEAD_PRODUCERS_MAX 64 // a head with more is dropped after the commit

void heads_init(struct heads *heads, const struct session *session)
{
    *heads = (struct heads){.session = session, .term = 1};
    map_init(&heads->map);
    list_init(&heads->lru);
    list_init(&heads->touched);
}

static void head_drop(struct heads *heads, struct head *head)
{
    list_remove(&head->lru);
    list_remove(&head->touched);
    map_remove(&heads->map, &head->node);
    for (size_t i = 0; i < head->producer_count; i++)
        free(head->producers[i].name);
    free(head->producers);
    free(head->batch_id);
    free(head->workflow_id);
    free(head);
}

void heads_release(struct heads *heads)
{
    LIST_FOR_EACH_SAFE(it, next, &heads->lru)
        head_drop(heads, CONTAINER_OF(it, struct head, lru));
    map_release(&heads->map);
}

void heads_begin(struct heads *heads)
{
    heads->round++;
    heads->trusts = false;
}

void heads_trust(struct heads *heads, bool trusts)
{
    heads->trusts = trusts;
}

void heads_lost(struct heads *heads)
{
    heads->term++;
}

struct store_change head_change(const struct head *head)
{
    return (struct store_change){
        .row = head->row,
        .account = head->account,
        .batch_id = str_of(head->batch_id),
        .workflow_id = str_of(head->workflow_id),
        .first = head->state.next,
        .next = head->state.next,
        .front = head->first_sequence,
        .status = head->sequence.status,
        .sealed = head->sequence.sealed,
        .purged = head->sequence.purged,
        .has_exit_code = head->has_exit_code,
        .exit_code = head->exit_code,
        .started_ms = head->started_ms,
        .completed_ms = head->completed_ms,
        .sealed_ms = head->sealed_ms,
    };
}

struct outcome head_outcome(const struct head *head)
{
    return (struct outcome){
        .status = head->sequence.status,
        .sealed = head->sequence.sealed,
        .waits = head->waits,
        .late = head->late,
        .has_exit_code = head->has_exit_code,
        .exit_code = head->exit_code,
        .epoch = head->sequence.epoch,
        .started_ms = head->started_ms,
        .completed_ms = head->completed_ms,
        .sealed_ms = head->sealed_ms,
    };
}

void head_set_outcome(struct head *head, const struct outcome *outcome)
{
    head->sequence.status = outcome->status;
    head->sequence.sealed = outcome->sealed;
    head->waits = outcome->waits;
    head->late = outcome->late;
    head->sequence.epoch = outcome->epoch;
    head->has_exit_code = outcome->has_exit_code;
    head->exit_code = outcome->exit_code;
    head->started_ms = outcome->started_ms;
    head->completed_ms = outcome->completed_ms;
    head->sealed_ms = outcome->sealed_ms;
}

static struct head *head_known(const struct heads *heads, int64_t row)
{
    struct map_node *node = map_find(&heads->map, str_n((const char *)&row, sizeof(row)));
    return node ? CONTAINER_OF(node, struct head, node) : NULL;
}

static bool head_is_right(const struct heads *heads, const struct head *head)
{
    return head->round == heads->round || (heads->trusts && head->kept == heads->term);
}

static struct head *head_find(struct heads *heads, int64_t row)
{
    struct head *head = head_known(heads, row);
    return head && head_is_right(heads, head) ? head : NULL;
}

bool head_is_trusted(const struct heads *heads, const struct head *head)
{
    return head->round != heads->round;
}

static struct head *head_new(struct heads *heads, int64_t row, const struct catalogue_head *found)
{
    struct head *head = xcalloc(1, sizeof(*head));
    head->row = row;
    head->account = found->account;
    head->batch_id = found->batch_id;
    head->workflow_id = found->workflow_id;
    list_init(&head->lru);
    list_init(&head->touched);
    map_insert(&heads->map, &head->node, str_n((const char *)&head->row, sizeof(head->row)));
    return head;
}

// Whose names the present transaction has told already.
static struct head *head_again(struct head *head, struct catalogue_head *found)
{
    catalogue_head_release(found);
    return head;
}

// Takes what was read. What may be out of date is dropped: with one that was kept, nothing is, so its producers stay.
static struct head *head_read(struct heads *heads, int64_t row, struct catalogue_head *found)
{
    const struct session *session = heads->session;
    const struct log_engine *log = session->engine->log;
    struct head *head = head_known(heads, row);
    if (head && list_empty(&head->touched) && head->kept != heads->term) {
        head_drop(heads, head);
        head = NULL;
    }
    head = head ? head_again(head, found) : head_new(heads, row, found);
    head->round = heads->round;
    head->kept = 0;
    head->sequence.purged = found->purged;
    head->state = found->log;
    head->first_sequence = found->first_sequence;
    head_set_outcome(head, &found->outcome);
    struct log_state ahead;
    if (log->ahead && log->ahead(session, head->row, &ahead) && ahead.next > head->state.next)
        head->state = ahead;
    head->sequence.next = head->state.next;
    return head;
}

static void head_touch(struct heads *heads, struct head *head)
{
    list_remove(&head->lru);
    list_push_front(&heads->lru, &head->lru);
    if (list_empty(&head->touched))
        list_push_back(&heads->touched, &head->touched);
}

static size_t slot_of(int64_t row)
{
    return (uint64_t)row % HEADS_CONTESTED;
}

static struct head_contested *contested_slot(struct heads *heads, int64_t row)
{
    return &heads->contested[slot_of(row)];
}

void heads_take(struct heads *heads, int64_t row, struct catalogue_head *found)
{
    struct head_contested *slot = contested_slot(heads, row);
    slot->doubted = slot->doubted && slot->row != row;
    if (head_find(heads, row))
        catalogue_head_release(found);
    else
        head_touch(heads, head_read(heads, row, found));
}

int heads_get(struct heads *heads, int64_t row, struct head **ret)
{
    struct catalogue_head found;
    *ret = head_find(heads, row);
    if (!*ret) {
        int err = catalogue_execution_head(heads->session->sql, row, &found);
        if (err == 0 && found.journal != 0) {
            err = heads->session->engine->log->take(heads->session, row, found.journal);
            if (err < 0)
                catalogue_head_release(&found);
        }
        if (err < 0)
            return err;
        *ret = head_read(heads, row, &found);
    }
    head_touch(heads, *ret);
    return 0;
}

static struct head_producer *producer_find(const struct head *head, struct str producer)
{
    for (size_t i = 0; i < head->producer_count; i++)
        if (str_eq(str_of(head->producers[i].name), producer))
            return &head->producers[i];
    return NULL;
}

static struct head_producer *producer_add(struct head *head, struct str producer, const struct producer_state *state)
{
    if (head->producer_count == head->producers_cap) {
        head->producers_cap = head->producers_cap ? head->producers_cap * 2 : 1;
        head->producers = xrealloc(head->producers, head->producers_cap * sizeof(*head->producers));
    }
    struct head_producer *added = &head->producers[head->producer_count++];
    *added = (struct head_producer){.name = str_dup(producer), .state = *state};
    return added;
}

void heads_take_producer(struct heads *heads, int64_t row, struct str producer, const struct producer_state *state)
{
    struct head *head = head_find(heads, row);
    if (head && !producer_find(head, producer))
        producer_add(head, producer, state);
}

int heads_producer(struct heads *heads, struct head *head, struct str producer, struct head_producer **ret)
{
    const struct session *session = heads->session;
    struct producer_state state = {0};
    *ret = producer_find(head, producer);
    if (*ret)
        return 0;
    int err = session->engine->log->producer(session, head->row, producer, &state);
    if (err == 0)
        *ret = producer_add(head, producer, &state);
    return err;
}

void heads_contested(struct heads *heads, int64_t row)
{
    *contested_slot(heads, row) = (struct head_contested){.row = row, .rests = CONTESTED_RESTS};
}

void heads_doubt(struct heads *heads, int64_t row)
{
    struct head_contested *slot = contested_slot(heads, row);
    *slot = (struct head_contested){.row = row, .rests = slot->row == row ? slot->rests : 0, .doubted = true};
}

// Where two rows have one slot, the later one has it.
static bool rests(struct heads *heads, int64_t row)
{
    struct head_contested *slot = contested_slot(heads, row);
    if (slot->row != row || slot->rests == 0)
        return false;
    slot->rests--;
    return true;
}

static bool goes_on(const struct head *head)
{
    return head->sequence.status == STATUS_RUNNING && !head->sequence.sealed && !head->sequence.purged;
}

bool heads_kept(struct heads *heads, int64_t row, struct str producer)
{
    if (rests(heads, row))
        return false;
    const struct head *head = head_known(heads, row);
    return head && head->kept == heads->term && goes_on(head) && (producer.len == 0 || producer_find(head, producer));
}

bool heads_was_kept(const struct heads *heads, int64_t row)
{
    const struct head_contested *slot = &heads->contested[slot_of(row)];
    const struct head *head = head_known(heads, row);
    return (head && head->kept != 0) || (slot->row == row && slot->doubted);
}

bool heads_may_keep(struct heads *heads, int64_t row)
{
    const struct head_contested *slot = contested_slot(heads, row);
    const struct head *head = head_known(heads, row);
    return head && goes_on(head) && !(slot->row == row && slot->rests > 0);
}

void heads_written(struct heads *heads, int64_t row, bool kept)
{
    struct head *head = head_known(heads, row);
    if (head)
        head->kept = kept ? heads->term : 0;
}

void heads_committed(struct heads *heads)
{
    LIST_FOR_EACH_SAFE(it, next, &heads->touched) {
        struct head *head = CONTAINER_OF(it, struct head, touched);
        list_remove(&head->touched);
        if (head->producer_count > HEAD_PRODUCERS_MAX)
            head_drop(heads, head);
    }
    while (heads->map.count > HEADS_MAX)
        head_drop(heads, CONTAINER_OF(heads->lru.prev, struct head, lru));
}

void heads_rolled_back(struct heads *heads)
{
    LIST_FOR_EACH_SAFE(it, next, &heads->touched)
        head_drop(heads, CONTAINER_OF(it, struct head, touched));
}
