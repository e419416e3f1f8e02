// Appends the records of a POST.
#include "api/logs/logs.h"
#include "api/logs/parts.h"
#include "util/clock.h"

#define APPEND_FREE ((size_t)16 * 1024) // a smaller body is not counted on its way to the store

struct append_part {
    struct store_append append;
    struct append *whole;
    uint32_t count;
};

// All of a body is taken or nothing: its chunks are given to the store together.
struct append {
    struct call *call;
    struct record_parts records;
    struct append_part *parts;
    size_t answered;
    uint64_t appended, first, last;
    char producer[STORE_PRODUCER_MAX];
    bool idempotent;
    int err;
    struct budget_lease held;
};

static void append_free(struct append *append)
{
    budget_lease_release(&append->held);
    record_parts_release(&append->records);
    free(append->parts);
    call_unref(append->call);
    free(append);
}

static int append_record(void *arg, const struct record_input *input)
{
    struct append *append = arg;
    struct record record = input->record;

    if (input->type.len && !str_eq(input->type, STR("log")))
        return ERR_INVALID;
    if (!input->has_time)
        record.time_ms = clock_real_ms();
    return record_parts_add(&append->records, &record);
}

static void append_answer(struct append *append)
{
    struct call *call = append->call;
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);

    if (append->err == ERR_CONFLICT || append->err == ERR_GAP) {
        call_fail(call, ERR_IDEMPOTENCY, NULL); // only a repeated key can lead here
        return;
    }
    if (append->err) {
        call_fail(call, append->err, NULL);
        return;
    }
    if (append->appended == 0)
        append->first = append->last + 1 - append->records.total;
    json_open_object(&json, NULL);
    json_add_u64(&json, "first_sequence", append->first);
    json_add_u64(&json, "last_sequence", append->last);
    json_close(&json);
    call_answer(call, append->appended ? 201 : 200, &json);
}

static void append_part_done(struct store_op *op)
{
    struct append_part *part = CONTAINER_OF(op, struct append_part, append.op);
    struct append *append = part->whole;

    if (op->err && !append->err)
        append->err = op->err;
    if (op->err == 0) {
        if (append->answered == 0)
            append->first = part->append.ret_first_sequence;
        append->last = part->append.ret_first_sequence + part->count - 1;
        append->appended += part->append.ret_appended;
        // With fewer records than before, the body under this key is another one.
        bool last = part == &append->parts[append->records.count - 1];
        if (append->idempotent && last && part->append.ret_producer_next != append->records.total)
            append->err = ERR_CONFLICT;
    }
    store_op_release(op);
    if (++append->answered < append->records.count)
        return;
    append_answer(append);
    append_free(append);
}

static bool append_parse(struct append *append)
{
    struct call *call = append->call;
    struct str type = http_header(call->request, STR("Content-Type"));
    struct str media = type;
    media = str_trim(str_split(&media, ';'));
    if (type.len && !str_eq_nocase(media, STR("application/json")) &&
        !str_eq_nocase(media, STR("application/x-ndjson"))) {
        call_fail(call, ERR_MEDIA_TYPE, "send application/json or application/x-ndjson");
        return false;
    }
    struct record_problem problem = {0};
    int err = record_parse(call->api->parser, http_body(call->request), append_record, append, &problem);
    struct http_field_error field = {problem.field ? problem.field : "body",
                                     problem.reason ? problem.reason : error_text(err)};
    if (err == ERR_INVALID)
        call_fail_fields(call, &field, 1);
    else if (err)
        call_fail(call, err, problem.reason);
    else if (append->records.total == 0)
        call_fail(call, ERR_MALFORMED, "there is no record in the body");
    return err == 0 && append->records.total > 0;
}

static void append_hold(struct append *append)
{
    struct call *call = append->call;
    CLEANUP(budget_account_unref)
    struct budget_account *account = budget_account(call->api->options.budget, call->principal.account);
    size_t bytes = record_parts_memory(&append->records);
    if (bytes > APPEND_FREE)
        budget_lease_charge(&append->held, account, BUDGET_intake, bytes);
}

bool logs_append_denied(struct call *call)
{
    if (http_body(call->request).len <= APPEND_FREE)
        return false;
    CLEANUP(budget_account_unref)
    struct budget_account *account = budget_account(call->api->options.budget, call->principal.account);
    if (budget_within(account, BUDGET_intake))
        return false;
    call_fail(call, ERR_OVERLOADED, NULL);
    return true;
}

static void append_submit(struct append *append)
{
    struct call *call = append->call;
    size_t count = append->records.count;
    append->parts = xcalloc(count, sizeof(*append->parts));
    for (size_t i = 0; i < count; i++) {
        const struct record_part *part = &append->records.parts[i];
        append->parts[i] = (struct append_part){
            .append = {.op = {.kind = STORE_APPEND,
                              .reply_to = call->api->options.loop,
                              .done = append_part_done,
                              .account = call->principal.account},
                       .row = call->execution.row,
                       .epoch = call->principal.run_epoch,
                       .producer = str_of(append->producer),
                       .whole = append->idempotent,
                       .first = part->first,
                       .chunk = part->chunk},
            .whole = append,
            .count = chunk_count(part->chunk),
        };
    }
    for (size_t i = 0; i < count; i++)
        store_submit(call->api->options.store, &append->parts[i].append.op);
}

void logs_append(struct call *call)
{
    struct str key = http_header(call->request, STR("Idempotency-Key"));
    if (key.len > 255) {
        call_fail(call, ERR_MALFORMED, "Idempotency-Key is longer than 255 bytes");
        return;
    }
    if (logs_append_denied(call))
        return;
    struct append *append = xcalloc(1, sizeof(*append));
    append->call = call;
    append->records.message_max = call->api->limits->message_max;
    call_ref(call);
    if (key.len) {
        uint8_t hash[32];
        char hex[65];
        sha256(key.data, key.len, hash);
        hex_encode(hash, sizeof(hash), hex);
        append->idempotent = true;
        snprintf(append->producer, sizeof(append->producer), "idem:%s", hex);
    }
    if (!append_parse(append)) {
        append_free(append);
        return;
    }
    record_parts_end(&append->records);
    append_hold(append);
    append_submit(append);
}
