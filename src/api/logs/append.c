// Appends the records of a POST.
#include "api/logs/logs.h"
#include "util/clock.h"

#define APPEND_FREE ((size_t)16 * 1024) // a smaller body is not counted on its way to the store

// All of a body is taken or nothing: its chunks are given to the store together.
struct append {
    struct call *call;
    struct submission submission;
    char producer[STORE_PRODUCER_MAX];
    bool idempotent;
    struct budget_lease held;
};

static void append_free(struct append *append)
{
    budget_lease_release(&append->held);
    submission_release(&append->submission);
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
    return record_parts_add(&append->submission.records, &record);
}

static void append_answer(struct call *call, const struct submission *done, int err)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);

    if (err == ERR_CONFLICT || err == ERR_GAP) {
        call_fail(call, ERR_IDEMPOTENCY, NULL); // only a repeated key can lead here
        return;
    }
    if (err) {
        call_fail(call, err, NULL);
        return;
    }
    bool repeated = done->ret_appended == 0;
    json_open_object(&json, NULL);
    json_add_u64(&json, "first_sequence", repeated ? done->ret_last + 1 - done->records.total : done->ret_first);
    json_add_u64(&json, "last_sequence", done->ret_last);
    json_close(&json);
    call_answer(call, repeated ? 200 : 201, &json);
}

static void append_done(struct submission *submission)
{
    struct append *append = CONTAINER_OF(submission, struct append, submission);
    int err = submission->err;
    // With fewer records than before, the body under this key is another one.
    if (err == 0 && append->idempotent && submission->ret_producer_next != submission->records.total)
        err = ERR_CONFLICT;
    append_answer(append->call, submission, err);
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
    else if (append->submission.records.total == 0)
        call_fail(call, ERR_MALFORMED, "there is no record in the body");
    return err == 0 && append->submission.records.total > 0;
}

static void append_hold(struct append *append)
{
    struct call *call = append->call;
    CLEANUP(budget_account_unref)
    struct budget_account *account = budget_account(call->api->options.budget, call->principal.account);
    size_t bytes = record_parts_memory(&append->submission.records);
    if (bytes > APPEND_FREE)
        budget_lease_charge(&append->held, account, BUDGET_intake, bytes);
}

struct submission_target logs_target(const struct call *call, int64_t row)
{
    return (struct submission_target){
        .store = call->api->options.store,
        .loop = call->api->options.loop,
        .account = call->principal.account,
        .row = row,
        .epoch = call->principal.run_epoch,
    };
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

void logs_append(struct call *call)
{
    struct str key;
    if (!call_header_key(call, &key) || logs_append_denied(call))
        return;
    struct append *append = xcalloc(1, sizeof(*append));
    append->call = call;
    append->submission =
        (struct submission){.records.message_max = call->api->limits->message_max, .done = append_done};
    call_ref(call);
    if (key.len) {
        uint8_t hash[32];
        char hex[65];
        sha256(key.data, key.len, hash);
        hex_encode(hash, sizeof(hash), hex);
        append->idempotent = true;
        snprintf(append->producer, sizeof(append->producer), "idem:%s", hex);
        append->submission.producer = str_of(append->producer);
        append->submission.whole = true;
    }
    if (!append_parse(append)) {
        append_free(append);
        return;
    }
    record_parts_end(&append->submission.records);
    append_hold(append);
    const struct submission_target target = logs_target(call, call->execution.row);
    submission_send(&append->submission, &target);
}
