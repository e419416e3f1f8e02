#include "model/execution.h"
#include "util/testing.h"

#include <jansson.h>

#define CREATED 1763202600000
#define STARTED 1763202615123

static const struct retention month = {.age_ms = {[STATUS_FAILED] = 30 * 24 * 3600 * INT64_C(1000)}};
static const struct execution_terms TERMS = {.currency = "€", .retention = &month};

static void status_shows_all_members_in_order(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    struct execution execution = {
        .execution_id = (char[]){"exec_abc123"},
        .status = STATUS_FAILED,
        .sealed = true,
        .has_exit_code = true,
        .exit_code = 137,
        .created_ms = CREATED,
        .sealed_ms = STARTED,
        .started_ms = STARTED,
        .completed_ms = STARTED + 45999,
        .next_sequence = 42,
        .restored_from = 40,
        .first_sequence = 2,
        .digest = 0xabc,
        .has_cut_digest = true,
        .cut_digest = 0xc07,
        .script_filename = (char[]){"pro\"cess.py"},
        .runtime = (char[]){"python:3.11"},
        .worker_id = (char[]){"w1"},
        .worker_hostname = (char[]){"worker-hetzner-01"},
        .workflow_id = (char[]){"wf"},
        .batch_id = (char[]){"b"},
        .owner = (char[]){"alice"},
        .metadata_json = (char[]){"{\"k\":1}"},
        .command_json = (char[]){"[\"a b\",\"c\"]"},
        .args_json = (char[]){"[\"d\"]"},
        .name = (char[]){"nightly"},
        .details_json = (char[]){"{\"cpu_time_ms\":5}"},
        .result_json = (char[]){"[1.50]"},
    };
    struct execution_live live = {.known = true, .runner_connected = true, .has_lag = true, .lag_records = 3};
    struct json_writer json = json_writer_to(&out);
    execution_add_status(&json, NULL, &execution, &live, &TERMS, STARTED + 100000);
    json_writer_end(&json);
    assert_str(buf_str(&out),
               "{\"execution_id\":\"exec_abc123\",\"name\":\"nightly\",\"status\":\"failed\",\"script_filename\":"
               "\"pro\\\"cess.py\","
               "\"command\":[\"a "
               "b\",\"c\"],\"args\":[\"d\"],\"runtime\":\"python:3.11\",\"created_at\":\"2025-11-15T10:30:00.000Z\","
               "\"started_at\":\"2025-11-15T10:30:15.123Z\",\"completed_at\":\"2025-11-15T10:31:01.122Z\","
               "\"duration_seconds\":45,\"worker_id\":\"w1\",\"worker_hostname\":\"worker-hetzner-01\","
               "\"exit_code\":137,\"cost_micros\":null,\"cost_display\":null,\"artifacts_count\":0,"
               "\"sealed\":true,\"settled\":true,\"last_index\":42,\"first_sequence\":2,\"duration_ms\":45999,"
               "\"metadata\":{\"k\":1},\"expires_at\":\"2025-12-15T10:30:15.123Z\",\"runner\":{\"connected\":true,"
               "\"lag_records\":3},\"execution_metadata\":{\"cpu_time_ms\":5},\"result\":[1.50],"
               "\"workflow_id\":\"wf\",\"batch_id\":\"b\",\"user_id\":\"alice\",\"pinned\":false,"
               "\"artifacts_bytes\":0,\"digest\":\"0000000000000abc\","
               "\"cut_digest\":\"0000000000000c07\","
               "\"restored_from\":40,\"executor\":null,\"image\":null,"
               "\"attempt\":null,\"retries\":null,\"retry_of\":null,\"retried_as\":null,\"reason\":null,"
               "\"priority\":null,\"timeout_seconds\":null,\"not_before\":null,\"secrets\":null}");
}

static void a_job_shows_the_names_of_its_secrets(void **state)
{
    (void)state;
    const struct {
        char *secrets;
        const char *shown;
    } cases[] = {{NULL, "\"secrets\":[]"}, {(char[]){"A B=C"}, "\"secrets\":[\"A\",\"B=C\"]"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        struct execution execution = {.execution_id = (char[]){"e"}, .job = {.is_job = true}};
        struct json_writer json = json_writer_to(&out);
        execution.job.secrets = cases[i].secrets;
        execution_add_status(&json, NULL, &execution, NULL, &TERMS, STARTED);
        json_writer_end(&json);
        assert_non_null(strstr(buf_cstr(&out), cases[i].shown));
    }
}

static void a_job_shows_what_runs_it(void **state)
{
    (void)state;
    const struct {
        char *demand, *image;
        const char *shown;
    } cases[] = {{NULL, NULL, "\"executor\":\"process\",\"image\":null"},
                 {NULL, (char[]){"small:1"}, "\"executor\":\"container\",\"image\":\"small:1\""},
                 {(char[]){"container"}, NULL, "\"executor\":\"container\",\"image\":null"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        struct execution execution = {.execution_id = (char[]){"e"}, .image = cases[i].image, .job = {.is_job = true}};
        struct json_writer json = json_writer_to(&out);
        execution.job.demand = cases[i].demand;
        execution_add_status(&json, NULL, &execution, NULL, &TERMS, STARTED);
        json_writer_end(&json);
        assert_non_null(strstr(buf_cstr(&out), cases[i].shown));
    }
}

static json_t *status_of(const struct execution *execution, int64_t now_ms)
{
    CLEANUP(buf_release) struct buf out = {0};
    struct json_writer json = json_writer_to(&out);
    execution_add_status(&json, NULL, execution, NULL, &TERMS, now_ms);
    json_t *parsed = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(parsed);
    assert_int_equal(json_object_size(parsed), 46);
    return parsed;
}

static void what_is_not_known_is_null(void **state)
{
    (void)state;
    struct execution execution = {
        .execution_id = (char[]){"e"}, .status = STATUS_QUEUED, .created_ms = CREATED, .restored_from = UINT64_MAX};
    const char *const unknown[] = {"script_filename",  "command",    "runtime",         "started_at", "completed_at",
                                   "duration_seconds", "worker_id",  "worker_hostname", "exit_code",  "duration_ms",
                                   "metadata",         "runner",     "workflow_id",     "batch_id",   "user_id",
                                   "digest",           "cut_digest", "restored_from"};
    json_t *status = status_of(&execution, CREATED + 5000);
    for (size_t i = 0; i < ARRAY_LEN(unknown); i++)
        assert_true(json_is_null(json_object_get(status, unknown[i])));
    assert_int_equal(json_integer_value(json_object_get(status, "last_index")), 0);
    assert_true(json_is_false(json_object_get(status, "pinned")));
    json_decref(status);
    execution.pinned = true;
    status = status_of(&execution, CREATED + 5000);
    assert_true(json_is_true(json_object_get(status, "pinned")));
    json_decref(status);
}

static void duration_counts_on_while_it_runs_and_is_unknown_when_lost(void **state)
{
    (void)state;
    struct execution execution = {.execution_id = (char[]){"e"}, .status = STATUS_RUNNING, .started_ms = STARTED};
    json_t *status = status_of(&execution, STARTED + 61500);
    assert_int_equal(json_integer_value(json_object_get(status, "duration_seconds")), 61);
    assert_int_equal(json_integer_value(json_object_get(status, "duration_ms")), 61500);
    json_decref(status);
    // The clock of a server may be behind that of its worker.
    status = status_of(&execution, STARTED - 1000);
    assert_true(json_is_integer(json_object_get(status, "duration_ms")));
    assert_int_equal(json_integer_value(json_object_get(status, "duration_ms")), 0);
    json_decref(status);
    execution.status = STATUS_LOST;
    status = status_of(&execution, STARTED + 61500);
    assert_true(json_is_null(json_object_get(status, "duration_ms")));
    json_decref(status);
}

static void it_is_settled_once_nobody_else_will_try_it(void **state)
{
    (void)state;
    static const struct {
        enum execution_status status;
        bool is_job;
        enum job_state job;
        bool settled;
    } cases[] = {
        {STATUS_QUEUED, true, JOB_READY, false},  {STATUS_RUNNING, true, JOB_CLAIMED, false},
        {STATUS_FAILED, true, JOB_OVER, false},   {STATUS_FAILED, true, JOB_ENDED, true},
        {STATUS_LOST, true, JOB_OVER, false},     {STATUS_LOST, true, JOB_LOST, true},
        {STATUS_LOST, true, JOB_ENDED, true},     {STATUS_QUEUED, false, JOB_HELD, false},
        {STATUS_RUNNING, false, JOB_HELD, false}, {STATUS_COMPLETED, false, JOB_HELD, true},
        {STATUS_LOST, false, JOB_HELD, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const struct execution execution = {.status = cases[i].status,
                                            .job = {.is_job = cases[i].is_job, .state = cases[i].job}};
        assert_int_equal(execution_settled(&execution), cases[i].settled);
    }
}

static void a_copy_owns_its_strings(void **state)
{
    (void)state;
    struct execution execution = {
        .execution_id = xstrdup("e"), .spec_json = xstrdup("{}"), .next_sequence = 5, .owner = xstrdup("alice")};
    struct execution copy;
    execution_copy(&execution, &copy);
    execution_release(&execution);
    assert_null(execution.execution_id);
    assert_string_equal(copy.execution_id, "e");
    assert_string_equal(copy.spec_json, "{}");
    assert_string_equal(copy.owner, "alice");
    assert_null(copy.batch_id);
    assert_int_equal(copy.next_sequence, 5);
    execution_release(&copy);
}

static void a_runner_is_known_by_the_key_of_the_last_claim(void **state)
{
    (void)state;
    uint64_t mark = execution_claim_mark(STR("k"), 3);
    assert_int_equal(execution_claimed_with(STR("k"), mark, 3), 3);
    assert_int_equal(execution_claimed_with(STR("another"), mark, 3), 0);
    assert_int_equal(execution_claimed_with(STR(""), mark, 3), 0);
    assert_int_equal(execution_claimed_with(STR("k"), mark, 4), 0); // by one without a key since
    assert_int_equal(execution_claimed_with(STR("k"), 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_shows_all_members_in_order),
        cmocka_unit_test(a_job_shows_the_names_of_its_secrets),
        cmocka_unit_test(a_job_shows_what_runs_it),
        cmocka_unit_test(what_is_not_known_is_null),
        cmocka_unit_test(duration_counts_on_while_it_runs_and_is_unknown_when_lost),
        cmocka_unit_test(it_is_settled_once_nobody_else_will_try_it),
        cmocka_unit_test(a_copy_owns_its_strings),
        cmocka_unit_test(a_runner_is_known_by_the_key_of_the_last_claim),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
