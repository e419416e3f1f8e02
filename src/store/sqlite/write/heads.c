#include "store/sqlite/write/heads.h"

#define HEADS_MAX          65536
#define HEAD_PRODUCERS_MAX 64 // a head that has more is dropped after the commit

void heads_init(struct heads *heads, struct db *db, struct hot *hot)
{
    *heads = (struct heads){.db = db, .hot = hot};
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
    free(head);
}

void heads_release(struct heads *heads)
{
    LIST_FOR_EACH_SAFE(it, next, &heads->lru)
        head_drop(heads, CONTAINER_OF(it, struct head, lru));
    map_release(&heads->map);
}

static int head_load(struct heads *heads, struct head *head)
{
    sqlite3_stmt *find = db_statement(heads->db, STATEMENT_EXECUTION_HEAD);
    db_bind_i64(find, 1, head->row);
    int rc = db_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    CLEANUP(db_reset) sqlite3_stmt *row = find;
    if (!status_parse(db_column_text(row, 1), &head->sequence.status))
        return ERR_CORRUPT;
    head->account = db_column_i64(row, 0);
    head->sequence.sealed = db_column_i64(row, 2) != 0;
    head->sequence.purged = db_column_i64(row, 3) != 0;
    head->has_exit_code = !db_column_null(row, 4);
    head->exit_code = (int)db_column_i64(row, 4);
    head->sequence.epoch = db_column_u64(row, 5);
    head->state = (struct log_state){db_column_u64(row, 6), db_column_u64(row, 7), db_column_u64(row, 8)};
    head->started_ms = db_column_i64(row, 9);
    head->completed_ms = db_column_i64(row, 10);
    head->sealed_ms = db_column_i64(row, 11);
    struct log_state hot;
    if (hot_state(heads->hot, head->row, &hot) && hot.next > head->state.next)
        head->state = hot;
    head->sequence.next = head->state.next;
    return 0;
}

int heads_get(struct heads *heads, int64_t row, struct head **ret)
{
    struct map_node *node = map_find(&heads->map, str_n((const char *)&row, sizeof(row)));
    struct head *head;
    if (node) {
        head = CONTAINER_OF(node, struct head, node);
        list_remove(&head->lru);
    } else {
        head = xcalloc(1, sizeof(*head));
        head->row = row;
        int err = head_load(heads, head);
        if (err < 0) {
            free(head);
            return err;
        }
        list_init(&head->touched);
        map_insert(&heads->map, &head->node, str_n((const char *)&head->row, sizeof(head->row)));
    }
    list_push_front(&heads->lru, &head->lru);
    if (list_empty(&head->touched))
        list_push_back(&heads->touched, &head->touched);
    *ret = head;
    return 0;
}

struct sequence_producer producer_of_row(sqlite3_stmt *row)
{
    return (struct sequence_producer){
        .next = db_column_u64(row, 0),
        .last_hash = db_column_u64(row, 1),
        .digest = db_column_u64(row, 4),
        .digest_unknown = db_column_null(row, 4),
    };
}

static int producer_load(struct heads *heads, int64_t row, struct str name, struct producer_state *ret)
{
    if (hot_producer_state(heads->hot, row, name, ret))
        return 0;
    sqlite3_stmt *find = db_statement(heads->db, STATEMENT_PRODUCER_FIND);
    db_bind_i64(find, 1, row);
    db_bind_text(find, 2, name);
    int rc = db_row(find);
    if (rc < 0)
        return rc;
    *ret = (struct producer_state){0};
    if (rc == 1) {
        ret->sequence = producer_of_row(find);
        ret->last_counter = db_column_u64(find, 2);
        ret->last_sequence = db_column_u64(find, 3);
    }
    db_reset(&find);
    return 0;
}

int heads_producer(struct heads *heads, struct head *head, struct str producer, struct hot_producer **ret)
{
    for (size_t i = 0; i < head->producer_count; i++) {
        if (str_eq(str_of(head->producers[i].name), producer)) {
            *ret = &head->producers[i];
            return 0;
        }
    }
    struct producer_state state;
    int err = producer_load(heads, head->row, producer, &state);
    if (err < 0)
        return err;
    if (head->producer_count == head->producers_cap) {
        head->producers_cap = head->producers_cap ? head->producers_cap * 2 : 1;
        head->producers = xrealloc(head->producers, head->producers_cap * sizeof(*head->producers));
    }
    *ret = &head->producers[head->producer_count++];
    **ret = (struct hot_producer){.name = str_dup(producer), .state = state};
    return 0;
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
