// Appends records. sequence_admit has the rules; here the records are numbered and written.
#include "store/sqlite/log/chunks.h"
#include "store/sqlite/write/commit.h"

#define SLICE_LEVEL 1

int store_flush_pack(struct sqlite_store *store)
{
    struct group *group = &store->group;
    if (group->pack.count == 0)
        return 0;
    pack_builder_finish(&group->pack, &group->pack_meta, &group->pack_body);
    pack_builder_reset(&group->pack);
    sqlite3_stmt *insert = db_statement(&store->db, STATEMENT_HOT_INSERT);
    db_bind_i64(insert, 1, store->hot_id);
    db_bind_blob(insert, 2, buf_str(&group->pack_meta));
    db_bind_blob(insert, 3, buf_str(&group->pack_body));
    return db_run(insert);
}

static int store_make_room(struct sqlite_store *store, size_t body_len)
{
    const struct pack_builder *pack = &store->group.pack;
    bool fits = pack->count == 0 || pack_builder_offset(pack) + body_len <= PACK_BODY_BYTES;
    return fits ? 0 : store_flush_pack(store);
}

static void store_append_to_pack(struct sqlite_store *store, struct pack_entry *entry, struct str body)
{
    struct pack_builder *pack = &store->group.pack;
    if (pack->count == 0)
        store->hot_id++;
    entry->piece.id = store->hot_id;
    entry->piece.offset = pack_builder_offset(pack);
    pack_builder_add(pack, entry, body);
    // Before the commit: a reader that sees the execution's new end in the database must find the piece here.
    hot_add(&store->hot, entry->row, &entry->piece);
}

static uint64_t last_record_hash(const struct chunk *chunk)
{
    struct record record;
    chunk_record(chunk, chunk_count(chunk) - 1, &record);
    return record_hash(&record);
}

// The state after `chunk` was appended, which changed the log's digest from `log_before` to `log_after`.
static struct sequence_producer producer_after(const struct sequence_producer *before,
                                               const struct store_append *append, uint64_t counter,
                                               const struct chunk *chunk, uint64_t log_before, uint64_t log_after)
{
    struct sequence_producer after = *before;
    after.next = counter + chunk_count(chunk);
    after.last_hash = last_record_hash(chunk);
    if (append->skip_ahead)
        sequence_skip_digest(&after, append->skip_digest);
    else if (after.digest == log_before) // the whole log is this producer's, so it need not be hashed twice
        after.digest = log_after;
    else if (!after.digest_unknown)
        after.digest = chunk_digest(chunk, after.digest);
    return after;
}

// Writes `chunk`, which is all new, and updates head and producer.
static int append_write(struct sqlite_store *store, const struct store_append *append, struct head *head,
                        struct hot_producer *producer, uint64_t counter, const struct chunk *chunk)
{
    uint64_t first = head->state.next, digest_before = head->state.digest;
    uint32_t count = chunk_count(chunk);
    bool direct = chunk_raw(chunk) >= CHUNK_DIRECT;
    struct str body = direct ? STR("") : chunk_encoded(chunk);
    int err = direct ? chunk_insert(&store->db, head->row, first, chunk) : store_make_room(store, body.len);
    if (err < 0)
        return err;
    head->state = (struct log_state){
        .next = first + count,
        .digest = chunk_digest(chunk, head->state.digest),
        .message_bytes = head->state.message_bytes + chunk_message_bytes(chunk),
    };
    head->sequence.next = head->state.next;
    struct pack_entry entry = {
        .row = head->row,
        .piece = {.first = first,
                  .count = count,
                  .raw = (uint32_t)chunk_raw(chunk),
                  .stored = (uint32_t)body.len,
                  .time_max = chunk_time_max(chunk)},
        .state = head->state,
    };
    if (producer) {
        producer->state = (struct producer_state){
            .sequence =
                producer_after(&producer->state.sequence, append, counter, chunk, digest_before, head->state.digest),
            .last_counter = counter,
            .last_sequence = first,
        };
        entry.producer = str_of(producer->name);
        entry.producer_state = producer->state;
    }
    group_add_appended(&store->group, &entry);
    store_append_to_pack(store, &entry, body);
    return 0;
}

static void announce_append(struct sqlite_store *store, const struct head *head, struct chunk *chunk,
                            uint64_t arrived_ns)
{
    struct store_change change = head_change(head);
    change.first -= chunk_count(chunk);
    change.chunk = chunk;
    change.arrived_ns = arrived_ns;
    group_add_change(&store->group, &change);
    store->group.records += chunk_count(chunk);
}

static int append_admit(const struct store_append *append, const struct head *head, const struct hot_producer *producer,
                        uint64_t *ret_repeated)
{
    struct sequence_offer offer = {
        .first = producer ? append->first : 0,
        .count = chunk_count(append->chunk),
        .epoch = append->epoch,
        .skip_ahead = append->skip_ahead,
    };
    struct sequence_producer known = producer ? producer->state.sequence : (struct sequence_producer){0};
    if (known.next > offer.first && known.next - offer.first <= offer.count) {
        struct record last;
        chunk_record(append->chunk, (uint32_t)(known.next - 1 - offer.first), &last);
        offer.has_repeat_hash = true;
        offer.repeat_hash = record_hash(&last);
    }
    return sequence_admit(&head->sequence, &known, &offer, ret_repeated);
}

// Returns the number of the repeated records, as far as it is known: only for the producer's last append.
static uint64_t repeated_sequence(const struct producer_state *state, uint64_t counter)
{
    return state->last_sequence + (counter > state->last_counter ? counter - state->last_counter : 0);
}

static int append_admitted(struct sqlite_store *store, struct store_append *append, struct head *head,
                           struct hot_producer *producer, uint32_t repeated)
{
    uint32_t count = chunk_count(append->chunk);
    int err = catalogue_events_add(store->db.sql, head->row, append->events, append->event_count);
    if (err == ERR_CONFLICT)
        return commit_refuse(&append->op, err);
    if (err < 0)
        return err;
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_slice(append->chunk, repeated, count - repeated, SLICE_LEVEL);
    append->ret_first_sequence = head->state.next;
    err = append_write(store, append, head, producer, append->first + repeated, chunk);
    if (err < 0)
        return err;
    append->ret_appended = count - repeated;
    append->ret_next = head->state.next;
    append->ret_producer_next = producer ? producer->state.sequence.next : 0;
    announce_append(store, head, chunk, append->op.submitted_ns);
    return 0;
}

int commit_append(struct sqlite_store *store, struct store_op *op)
{
    struct store_append *append = CONTAINER_OF(op, struct store_append, op);
    append->ret_appended = 0;
    struct head *head;
    int err = heads_get(&store->heads, append->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    if (append->producer.len > STORE_PRODUCER_MAX)
        return commit_refuse(op, ERR_TOO_LARGE);
    struct hot_producer *producer = NULL;
    if (append->producer.len > 0)
        err = heads_producer(&store->heads, head, append->producer, &producer);
    if (err < 0)
        return err;
    append->ret_producer_next = producer ? producer->state.sequence.next : 0;
    append->ret_next = head->state.next;
    uint64_t repeated;
    err = append_admit(append, head, producer, &repeated);
    if (err < 0)
        return commit_refuse(op, err);
    if (repeated == chunk_count(append->chunk)) {
        append->ret_first_sequence = repeated_sequence(&producer->state, append->first);
        return 0;
    }
    if (append->whole && repeated > 0)
        return commit_refuse(op, ERR_CONFLICT);
    return append_admitted(store, append, head, producer, (uint32_t)repeated);
}
