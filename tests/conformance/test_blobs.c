// Blobs, files of executions, and what run tokens are judged by, on each engine.
#include "store/catalogue/test_catalogue.h"

static void hash_of(const char *content, uint8_t ret[STORE_HASH_LEN])
{
    memset(ret, 0xfe, STORE_HASH_LEN);
    memcpy(ret, content, MIN(strlen(content), (size_t)STORE_HASH_LEN));
}

static struct store_blob_new blob_of(const char *content, const char *key)
{
    struct store_blob_new blob = {.size = strlen(content), .key = str_of(key)};
    hash_of(content, blob.hash);
    return blob;
}

static int try_add(struct sql *sql, int64_t account, struct store_blob_new *blobs, size_t count, uint64_t bytes_max,
                   int64_t now_ms)
{
    struct store_blob_add add = {.account = account, .blobs = blobs, .count = count, .bytes_max = bytes_max};
    return CHANGE(sql, catalogue_blob_add(sql, &add, now_ms));
}

static void add_blob(struct sql *sql, int64_t account, const char *content, const char *key, int64_t now_ms)
{
    struct store_blob_new blob = blob_of(content, key);
    assert_int_equal(try_add(sql, account, &blob, 1, UINT64_MAX, now_ms), 0);
    assert_false(blob.ret_existed);
}

static int find_blob(struct sql *sql, int64_t account, const char *content, struct store_blob_find *ret)
{
    *ret = (struct store_blob_find){.account = account};
    hash_of(content, ret->hash);
    return catalogue_blob_find(sql, ret);
}

static struct store_input input_of(const char *name, const char *content)
{
    struct store_input input = {.name = str_of(name), .size = strlen(content), .mode = 0644};
    hash_of(content, input.hash);
    return input;
}

static int create_with(struct sql *sql, int64_t account, const char *id, const struct store_input *inputs, size_t count,
                       int64_t *ret_row, char **ret_reason)
{
    struct store_create made = {.execution = described(account, id, NULL), .inputs = inputs, .input_count = count};
    int err = CHANGE(sql, ({
                         int checked = catalogue_create_check(sql, &made);
                         checked < 0 ? checked : catalogue_create(sql, &made, NOW);
                     }));
    *ret_row = made.execution.row;
    *ret_reason = made.ret_reason;
    execution_release(&made.execution);
    return err;
}

static int64_t must_create_with(struct sql *sql, int64_t account, const char *id, const struct store_input *inputs,
                                size_t count)
{
    int64_t row;
    CLEANUP(free_ptr) char *reason = NULL;
    assert_int_equal(create_with(sql, account, id, inputs, count, &row, &reason), 0);
    return row;
}

static struct store_artifact_put artifact_of(int64_t row, const char *name, const char *content)
{
    struct store_artifact_put put = {.row = row, .name = str_of(name), .size = strlen(content), .mode = 0644};
    hash_of(content, put.hash);
    return put;
}

static int put_artifact(struct sql *sql, struct store_artifact_put put, int64_t now_ms)
{
    return CHANGE(sql, catalogue_artifact_put(sql, &put, now_ms));
}

static void set_outcome(struct sql *sql, int64_t row, uint64_t epoch, int64_t sealed_ms)
{
    const struct outcome outcome = {
        .status = STATUS_COMPLETED, .sealed = sealed_ms > 0, .sealed_ms = sealed_ms, .epoch = epoch};
    assert_int_equal(CHANGE(sql, catalogue_execution_outcome(sql, row, &outcome, &(struct log_state){0})), 0);
}

static size_t drop(struct sql *sql, int64_t now_ms, struct store_blob_drop *ret)
{
    struct store_blobs_unused unused = {0};
    *ret = (struct store_blob_drop){0};
    assert_int_equal(catalogue_blobs_unused(sql, &unused, now_ms), 0);
    assert_int_equal(CHANGE(sql, catalogue_blob_drop(sql, ret, now_ms)), 0);
    assert_int_equal(unused.ret_any, ret->ret_count > 0);
    return ret->ret_count;
}

static void a_blob_belongs_to_its_account_and_is_counted_once(void **state)
{
    struct sql *sql = *state;
    int64_t one = make_account(sql, "one"), other = make_account(sql, "other");
    struct store_blob_find found;
    add_blob(sql, one, "content", "k1", NOW);
    assert_int_equal(find_blob(sql, one, "content", &found), 0);
    assert_string_equal(found.ret_blob.key, "k1");
    assert_true(found.ret_blob.size == 7 && found.ret_blob.wanted_ms == NOW && found.ret_bytes == 7);
    assert_int_equal(find_blob(sql, other, "content", &found), ERR_NOT_FOUND);
    assert_int_equal(found.ret_bytes, 0);
    struct store_blob_new again = blob_of("content", "k2");
    assert_int_equal(try_add(sql, one, &again, 1, UINT64_MAX, NOW + 5), 0);
    assert_true(again.ret_existed);
    assert_int_equal(find_blob(sql, one, "content", &found), 0);
    assert_string_equal(found.ret_blob.key, "k1");
    assert_true(found.ret_blob.wanted_ms == NOW + 5 && found.ret_bytes == 7);
}

static void an_account_has_no_more_bytes_than_it_may(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one");
    struct store_blob_find found;
    add_blob(sql, account, "1234", "k1", NOW);
    struct store_blob_new more = blob_of("12345", "k2");
    assert_int_equal(try_add(sql, account, &more, 1, 8, NOW), ERR_TOO_LARGE);
    assert_int_equal(try_add(sql, account, &more, 1, 9, NOW), 0);
    assert_int_equal(find_blob(sql, account, "12345", &found), 0);
    assert_int_equal(found.ret_bytes, 9);
}

static void many_blobs_come_all_or_none(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one");
    struct store_blob_find found;
    add_blob(sql, account, "there", "k1", NOW);
    struct store_blob_new blobs[] = {blob_of("12345", "k2"), blob_of("there", "k3"), blob_of("", "k4"),
                                     blob_of("123", "k5")};
    assert_int_equal(try_add(sql, account, blobs, ARRAY_LEN(blobs), 12, NOW + 1), ERR_TOO_LARGE);
    assert_int_equal(find_blob(sql, account, "12345", &found), ERR_NOT_FOUND);
    assert_int_equal(found.ret_bytes, 5);
    assert_int_equal(try_add(sql, account, blobs, ARRAY_LEN(blobs), 13, NOW + 2), 0);
    for (size_t i = 0; i < ARRAY_LEN(blobs); i++)
        assert_int_equal(blobs[i].ret_existed, i == 1);
    assert_int_equal(find_blob(sql, account, "there", &found), 0);
    assert_string_equal(found.ret_blob.key, "k1");
    assert_true(found.ret_bytes == 13 && found.ret_blob.wanted_ms == NOW + 2);
    assert_int_equal(ask(sql, "SELECT count(*) FROM blobs"), 4);
    assert_int_equal(try_add(sql, account, NULL, 0, 13, NOW), 0);
}

// Somebody has looked, and did not send it again; meanwhile it may have gone.
static void a_blob_without_a_key_is_kept_for_a_while_if_it_is_still_there(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one");
    struct store_blob_find found;
    add_blob(sql, account, "there", "k1", NOW);
    struct store_blob_new blobs[] = {blob_of("new", "k2"), blob_of("gone", "")};
    assert_int_equal(try_add(sql, account, blobs, 2, UINT64_MAX, NOW), ERR_UNAVAILABLE);
    assert_int_equal(find_blob(sql, account, "new", &found), ERR_NOT_FOUND);
    blobs[1] = blob_of("there", "");
    assert_int_equal(try_add(sql, account, blobs, 2, 8, NOW + 7), 0);
    assert_int_equal(find_blob(sql, account, "there", &found), 0);
    assert_true(found.ret_blob.wanted_ms == NOW + 7 && found.ret_bytes == 8);
    assert_string_equal(found.ret_blob.key, "k1");
}

static void many_are_looked_for_at_once(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one");
    uint8_t hashes[3][STORE_HASH_LEN];
    struct store_blob_there there[3];
    add_blob(sql, account, "first", "k1", NOW);
    add_blob(sql, account, "third", "k3", NOW + 3);
    hash_of("first", hashes[0]);
    hash_of("second", hashes[1]);
    hash_of("third", hashes[2]);
    struct store_blobs_find find = {
        .account = account, .hashes = (const uint8_t(*)[STORE_HASH_LEN])hashes, .count = 3, .ret_there = there};
    assert_int_equal(catalogue_blobs_find(sql, &find), 0);
    assert_int_equal(find.ret_bytes, 10);
    assert_true(there[0].row > 0 && there[0].wanted_ms == NOW);
    assert_int_equal(there[1].row, 0);
    assert_true(there[2].row > 0 && there[2].wanted_ms == NOW + 3);
    const int64_t rows[] = {there[0].row, there[2].row};
    const struct store_blob_want want = {.rows = rows, .count = 2};
    assert_int_equal(CHANGE(sql, catalogue_blob_want(sql, &want, NOW + 9)), 0);
    assert_int_equal(ask(sql, "SELECT count(DISTINCT wanted_ms) FROM blobs"), 1);
    find.account = make_account(sql, "other");
    assert_int_equal(catalogue_blobs_find(sql, &find), 0);
    assert_true(there[0].row == 0 && there[2].row == 0 && find.ret_bytes == 0);
}

static void a_deleted_account_takes_no_blobs_and_loses_those_that_it_has(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one");
    make_key(sql, make_account(sql, "default"), "key_operator", ROLE_OPERATOR);
    struct store_blob_drop dropped;
    add_blob(sql, account, "content", "k1", NOW);
    assert_int_equal(drop(sql, NOW, &dropped), 0);
    assert_int_equal(change_account(sql, "one", ACCOUNT_DELETED, false), 0);
    struct store_blob_new more = blob_of("more", "k2");
    assert_int_equal(try_add(sql, account, &more, 1, UINT64_MAX, NOW), ERR_UNAUTHORIZED);
    assert_int_equal(drop(sql, NOW, &dropped), 1);
}

static void inputs_are_what_the_account_has_uploaded(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one"), row;
    add_blob(sql, account, "content", "k1", NOW);
    struct store_input inputs[] = {input_of("a", "content"), input_of("b/c", "content")};
    CLEANUP(free_ptr) char *missing = NULL, *differs = NULL;
    struct store_input other = input_of("x", "other");
    assert_int_equal(create_with(sql, account, "e1", &other, 1, &row, &missing), ERR_INVALID);
    assert_non_null(strstr(missing, "\"x\""));
    inputs[1].size = 5;
    assert_int_equal(create_with(sql, account, "e1", inputs, 2, &row, &differs), ERR_INVALID);
    assert_non_null(strstr(differs, "\"b/c\""));
    inputs[1].size = 7;
    row = must_create_with(sql, account, "e1", inputs, 2);
    struct store_file_list list = {.op.kind = STORE_FILE_LIST, .row = row, .file_kind = STORE_FILE_INPUT};
    assert_int_equal(catalogue_file_list(sql, &list), 0);
    assert_int_equal(list.ret_count, 2);
    assert_string_equal(list.ret_files[1].name, "b/c");
    assert_string_equal(list.ret_files[1].key, "k1");
    assert_true(list.ret_files[1].size == 7 && list.ret_files[1].mode == 0644);
    assert_memory_equal(list.ret_files[1].hash, inputs[1].hash, STORE_HASH_LEN);
    store_op_release(&list.op);
    list.name = STR("a");
    assert_int_equal(catalogue_file_list(sql, &list), 0);
    assert_int_equal(list.ret_count, 1);
    store_op_release(&list.op);
    list.file_kind = STORE_FILE_ARTIFACT;
    assert_int_equal(catalogue_file_list(sql, &list), 0);
    assert_int_equal(list.ret_count, 0);
    store_op_release(&list.op);
    assert_int_equal(ask(sql, "SELECT refs FROM blobs"), 2);
}

static void an_artifact_keeps_its_content_and_is_counted(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one"), row = make_execution(sql, account, "e1", NULL);
    add_blob(sql, account, "content", "k1", NOW);
    add_blob(sql, account, "other", "k2", NOW);
    struct store_artifact_put put = artifact_of(row, "a", "content");
    assert_int_equal(put_artifact(sql, artifact_of(row, "a", "missing"), NOW), ERR_NOT_FOUND);
    put.size = 8;
    assert_int_equal(put_artifact(sql, put, NOW), ERR_INVALID);
    assert_int_equal(put_artifact(sql, artifact_of(row, "a", "content"), NOW), 0);
    assert_int_equal(put_artifact(sql, artifact_of(row, "a", "content"), NOW + 1), 0); // the same once more
    assert_int_equal(put_artifact(sql, artifact_of(row, "a", "other"), NOW), ERR_CONFLICT);
    assert_int_equal(put_artifact(sql, artifact_of(row, "b", "other"), NOW), 0);
    struct execution execution;
    assert_int_equal(catalogue_execution_get(sql, row, &execution), 0);
    assert_true(execution.artifacts == 2 && execution.artifact_bytes == 12);
    execution_release(&execution);
    assert_int_equal(ask(sql, "SELECT sum(refs) FROM blobs"), 2);
    assert_int_equal(ask(sql, "SELECT min(created_ms) FROM files"), NOW);
}

static void an_execution_leaves_no_more_than_a_thousand(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one"), row = make_execution(sql, account, "e1", NULL);
    add_blob(sql, account, "content", "k1", NOW);
    assert_int_equal(put_artifact(sql, artifact_of(row, "a", "content"), NOW), 0);
    assert_int_equal(CHANGE(sql, sql_exec(sql, "UPDATE executions SET artifacts = 999")), 0);
    assert_int_equal(put_artifact(sql, artifact_of(row, "b", "content"), NOW), 0);
    assert_int_equal(put_artifact(sql, artifact_of(row, "c", "content"), NOW), ERR_TOO_LARGE);
    assert_int_equal(put_artifact(sql, artifact_of(row, "b", "content"), NOW), 0);
}

static void the_seal_and_the_epoch_decide_who_may_leave_something(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one"), row = make_execution(sql, account, "e1", NULL);
    add_blob(sql, account, "content", "k1", NOW);
    struct store_artifact_put put = artifact_of(row, "a", "content");
    set_outcome(sql, row, 3, 0);
    put.epoch = 2;
    assert_int_equal(put_artifact(sql, put, NOW), ERR_FENCED);
    set_outcome(sql, row, 3, NOW);
    put.epoch = 0;
    assert_int_equal(put_artifact(sql, put, NOW), ERR_SEALED);
    put.late = true;
    put.epoch = 2;
    assert_int_equal(put_artifact(sql, put, NOW), ERR_FENCED);
    put.epoch = 3;
    assert_int_equal(put_artifact(sql, put, NOW + ARTIFACT_GRACE_MS + 1), ERR_SEALED);
    assert_int_equal(put_artifact(sql, put, NOW + ARTIFACT_GRACE_MS), 0);
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, row)), 0);
    assert_int_equal(put_artifact(sql, put, NOW), ERR_EXPIRED);
}

static void a_blob_goes_when_nothing_refers_to_it_and_a_day_has_passed(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one");
    struct store_blob_drop dropped;
    struct store_blob_find found;
    add_blob(sql, account, "input", "k1", NOW);
    add_blob(sql, account, "artifact", "k2", NOW);
    add_blob(sql, account, "neither", "k3", NOW);
    struct store_input input = input_of("a", "input");
    int64_t first = must_create_with(sql, account, "e1", &input, 1);
    int64_t second = must_create_with(sql, account, "e2", &input, 1);
    assert_int_equal(put_artifact(sql, artifact_of(first, "x", "artifact"), NOW), 0);
    assert_int_equal(put_artifact(sql, artifact_of(first, "y", "artifact"), NOW), 0);
    assert_int_equal(drop(sql, NOW + DAY - 1, &dropped), 0);
    assert_int_equal(drop(sql, NOW + DAY, &dropped), 1);
    assert_string_equal(dropped.ret_keys[0], "k3");
    assert_int_equal(find_blob(sql, account, "neither", &found), ERR_NOT_FOUND);
    assert_int_equal(found.ret_bytes, strlen("input") + strlen("artifact"));
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, first)), 0);
    assert_int_equal(drop(sql, NOW + DAY, &dropped), 1);
    assert_string_equal(dropped.ret_keys[0], "k2");
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, second)), 0);
    assert_int_equal(find_blob(sql, account, "input", &found), 0);
    const struct store_blob_want want = {.rows = &found.ret_blob.row, .count = 1};
    assert_int_equal(CHANGE(sql, catalogue_blob_want(sql, &want, NOW + DAY)), 0); // somebody asked for it
    assert_int_equal(drop(sql, NOW + DAY, &dropped), 0);
    assert_int_equal(drop(sql, NOW + 2 * DAY, &dropped), 1);
    assert_int_equal(find_blob(sql, account, "input", &found), ERR_NOT_FOUND);
    assert_int_equal(found.ret_bytes, 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM files"), 0);
    assert_int_equal(ask(sql, "SELECT artifacts FROM executions WHERE execution_id = 'e1'"), 2); // still known
}

static int purge_artifacts(struct sql *sql, struct store_artifacts_purge *purge)
{
    return CHANGE(sql, catalogue_artifacts_purge(sql, purge));
}

static void artifacts_go_alone_once_their_execution_has_ended(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one");
    struct store_blob_drop dropped;
    add_blob(sql, account, "shared", "k1", NOW);
    add_blob(sql, account, "artifact", "k2", NOW);
    struct store_input input = input_of("a", "shared");
    int64_t row = must_create_with(sql, account, "e1", &input, 1);
    struct store_artifacts_purge purge = {.row = row};
    assert_int_equal(put_artifact(sql, artifact_of(row, "x", "artifact"), NOW), 0);
    assert_int_equal(put_artifact(sql, artifact_of(row, "y", "shared"), NOW), 0);
    assert_int_equal(purge_artifacts(sql, &purge), ERR_CONFLICT); // it may still leave more
    assert_int_equal(ask(sql, "SELECT count(*) FROM files"), 3);
    set_outcome(sql, row, 1, NOW);
    assert_int_equal(purge_artifacts(sql, &purge), 0);
    assert_true(purge.ret_count == 2 && purge.ret_bytes == strlen("artifact") + strlen("shared"));
    assert_int_equal(ask(sql, "SELECT artifacts + artifact_bytes FROM executions WHERE execution_id = 'e1'"), 0);
    assert_int_equal(ask(sql, "SELECT count(*) FROM files"), 1); // its input
    assert_int_equal(purge_artifacts(sql, &purge), 0);
    assert_true(purge.ret_count == 0 && purge.ret_bytes == 0);
    assert_int_equal(drop(sql, NOW + DAY, &dropped), 1);
    assert_string_equal(dropped.ret_keys[0], "k2");
    assert_int_equal(CHANGE(sql, catalogue_execution_purge(sql, row)), 0);
    assert_int_equal(purge_artifacts(sql, &purge), ERR_EXPIRED);
    assert_int_equal(drop(sql, NOW + DAY, &dropped), 1);
    assert_string_equal(dropped.ret_keys[0], "k1");
    purge.row = row + 1;
    assert_int_equal(purge_artifacts(sql, &purge), ERR_NOT_FOUND);
}

static void many_blobs_are_dropped_in_slices(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one");
    struct store_blob_drop dropped;
    struct store_blob_new blobs[BLOB_DROP_MAX + 3];
    char contents[BLOB_DROP_MAX + 3][16];
    for (size_t i = 0; i < ARRAY_LEN(blobs); i++) {
        snprintf(contents[i], sizeof(contents[i]), "c%zu", i);
        blobs[i] = blob_of(contents[i], contents[i]);
    }
    assert_int_equal(try_add(sql, account, blobs, ARRAY_LEN(blobs), UINT64_MAX, NOW), 0);
    assert_int_equal(drop(sql, NOW + DAY, &dropped), BLOB_DROP_MAX);
    assert_int_equal(drop(sql, NOW + DAY, &dropped), 3);
    assert_int_equal(drop(sql, NOW + DAY, &dropped), 0);
    assert_int_equal(ask(sql, "SELECT bytes FROM blob_bytes"), 0);
}

static void keys_are_known_by_their_blobs(void **state)
{
    struct sql *sql = *state;
    add_blob(sql, make_account(sql, "one"), "content", "k1", NOW);
    struct store_blobs_known known = {.keys = {STR("k0"), STR("k1"), STR("")}, .count = 3};
    assert_int_equal(catalogue_blobs_known(sql, &known), 0);
    assert_true(!known.ret_known[0] && known.ret_known[1] && !known.ret_known[2]);
}

static void a_run_is_judged_by_its_execution_and_account(void **state)
{
    struct sql *sql = *state;
    int64_t account = make_account(sql, "one"), row = make_execution(sql, account, "e1", NULL);
    set_outcome(sql, row, 7, NOW);
    assert_int_equal(change_account(sql, "one", ACCOUNT_SUSPENDED, false), 0);
    struct store_run_find run = {.op.kind = STORE_RUN_FIND, .row = row};
    assert_int_equal(catalogue_run_find(sql, &run), 0);
    assert_string_equal(run.ret_execution_id, "e1");
    assert_true(run.ret_account == account && run.ret_epoch == 7 && run.ret_sealed && run.ret_sealed_ms == NOW);
    assert_true(run.ret_suspended && !run.ret_deleted && !run.ret_purged);
    store_op_release(&run.op);
    run.row = row + 1;
    assert_int_equal(catalogue_run_find(sql, &run), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_blob_belongs_to_its_account_and_is_counted_once),
        TEST(an_account_has_no_more_bytes_than_it_may),
        TEST(many_blobs_come_all_or_none),
        TEST(a_blob_without_a_key_is_kept_for_a_while_if_it_is_still_there),
        TEST(many_are_looked_for_at_once),
        TEST(a_deleted_account_takes_no_blobs_and_loses_those_that_it_has),
        TEST(inputs_are_what_the_account_has_uploaded),
        TEST(an_artifact_keeps_its_content_and_is_counted),
        TEST(an_execution_leaves_no_more_than_a_thousand),
        TEST(the_seal_and_the_epoch_decide_who_may_leave_something),
        TEST(a_blob_goes_when_nothing_refers_to_it_and_a_day_has_passed),
        TEST(artifacts_go_alone_once_their_execution_has_ended),
        TEST(many_blobs_are_dropped_in_slices),
        TEST(keys_are_known_by_their_blobs),
        TEST(a_run_is_judged_by_its_execution_and_account),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
