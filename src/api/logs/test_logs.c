// Records in and pages out by their routes, over a real store.
#include "api/test_live_house.h"
#include "store/adapter.h"

static const char *const types[] = {"Content-Type: application/json\r\n", "Content-Type: application/x-ndjson\r\n", ""};

static int64_t make(struct live_house *it, const char *id)
{
    return fixture_create(it->fixture, it->account, id, STATUS_RUNNING);
}

static void assert_log(struct live_house *it, int64_t row, const char *text)
{
    CLEANUP(free_ptr) char *log = live_log(it, row);
    assert_string_equal(log, text);
}

static void seal(struct live_house *it, int64_t row)
{
    struct store_complete complete = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(it->fixture, &complete.op), 0);
    store_op_release(&complete.op);
}

// --- Appending

static void a_body_is_one_object_a_list_or_ndjson_and_is_numbered(void **state)
{
    struct live_house *it = *state;
    const char *service = live_key(it, it->account, ROLE_SERVICE);
    int64_t row = make(it, "e");
    static const char *const bodies[] = {
        "{\"message\":\"a\"}",
        "[{\"message\":\"b\"},{\"message\":\"c\",\"stream\":\"stderr\"}]",
        "{\"message\":\"d\"}\n{\"message\":\"e\"}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(bodies); i++)
        assert_int_equal(live_ask(it, service, "POST /api/v1/executions/e/logs", types[i % 2], bodies[i]), 201);
    assert_int_equal(live_number(it, "first_sequence"), 3);
    assert_int_equal(live_number(it, "last_sequence"), 4);
    assert_log(it, row, "a\nb\nc\nd\ne\n");
}

static void what_is_no_record_is_refused_whole(void **state)
{
    struct live_house *it = *state;
    const char *service = live_key(it, it->account, ROLE_SERVICE);
    int64_t row = make(it, "e");
    static const struct {
        const char *headers, *body, *code;
        int status;
    } cases[] = {
        {"Content-Type: text/plain\r\n", "{\"message\":\"a\"}", "unsupported_media_type", 415},
        {NULL, "{\"message\":\"a\"}{", "malformed", 400},
        {NULL, "", "malformed", 400},
        {NULL, "[]", "malformed", 400},
        {NULL, "[{\"message\":\"a\"},{\"message\":\"b\",\"level\":\"LOUD\"}]", "invalid", 422},
        {NULL, "[{\"message\":\"a\"},{\"message\":\"b\",\"more\":1}]", "invalid", 422},
        {NULL, "{\"type\":\"complete\",\"execution_id\":\"e\"}", "invalid", 422},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(live_ask(it, service, "POST /api/v1/executions/e/logs", cases[i].headers, cases[i].body),
                         cases[i].status);
        assert_refused(it, cases[i].code, "");
    }
    assert_log(it, row, "");
}

static void a_message_that_is_too_long_comes_in_fragments_of_whole_characters(void **state)
{
    struct live_house *it = *state;
    const char *service = live_key(it, it->account, ROLE_SERVICE);
    make(it, "e");
    CLEANUP(buf_release) struct buf body = {0};
    buf_append_text(&body, "{\"message\":\"a");
    for (int i = 0; i < HOUSE_MESSAGE_MAX / 2; i++)
        buf_append_text(&body, "\xc3\xa9");
    buf_append_text(&body, "\"}");
    assert_int_equal(SEND(it, service, "POST /api/v1/executions/e/logs", buf_cstr(&body)), 201);
    assert_int_equal(live_number(it, "last_sequence"), 1);
    assert_int_equal(ASK(it, service, "GET /api/v1/executions/e/logs"), 200);
    assert_int_equal(strlen(live_text(it, "logs.0.message")), HOUSE_MESSAGE_MAX - 1);
    assert_true(json_is_true(live_json(it, "logs.0.partial")));
    assert_string_equal(live_text(it, "logs.1.message"), "\xc3\xa9");
    assert_false(live_has(it, "logs.1.partial"));
}

static void the_same_idempotency_key_takes_the_same_body_once(void **state)
{
    struct live_house *it = *state;
    const char *service = live_key(it, it->account, ROLE_SERVICE), *post = "POST /api/v1/executions/e/logs";
    int64_t row = make(it, "e");
    const char *key = "Idempotency-Key: k\r\n", *body = "[{\"message\":\"a\"},{\"message\":\"b\"}]";
    assert_int_equal(SEND(it, service, post, "{\"message\":\"before\"}"), 201);
    assert_int_equal(live_ask(it, service, post, key, body), 201);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(live_ask(it, service, post, key, body), 200);
        assert_int_equal(live_number(it, "first_sequence"), 1);
        assert_int_equal(live_number(it, "last_sequence"), 2);
    }
    static const char *const others[] = {"[{\"message\":\"a\"},{\"message\":\"c\"}]", "{\"message\":\"a\"}",
                                         "[{\"message\":\"a\"},{\"message\":\"b\"},{\"message\":\"c\"}]"};
    for (size_t i = 0; i < ARRAY_LEN(others); i++) {
        assert_int_equal(live_ask(it, service, post, key, others[i]), 422);
        assert_refused(it, "idempotency_mismatch", "");
    }
    assert_log(it, row, "before\na\nb\n");
    CLEANUP(free_ptr) char *endless = xasprintf("Idempotency-Key: %0256d\r\n", 1);
    assert_int_equal(live_ask(it, service, post, endless, body), 400);
}

static void a_log_that_is_sealed_or_anothers_takes_nothing(void **state)
{
    struct live_house *it = *state;
    const char *service = live_key(it, it->account, ROLE_SERVICE), *viewer = live_key(it, it->account, ROLE_VIEWER);
    int64_t row = make(it, "e"), theirs = fixture_account(it->fixture, "theirs");
    int64_t other = fixture_create(it->fixture, theirs, "other", STATUS_RUNNING);
    assert_int_equal(SEND(it, viewer, "POST /api/v1/executions/e/logs", "{\"message\":\"a\"}"), 403);
    assert_int_equal(SEND(it, service, "POST /api/v1/executions/other/logs", "{\"message\":\"a\"}"), 404);
    seal(it, row);
    assert_int_equal(SEND(it, service, "POST /api/v1/executions/e/logs", "{\"message\":\"a\"}"), 409);
    assert_refused(it, "sealed", "");
    assert_log(it, row, "");
    assert_log(it, other, "");
}

// --- Reading

static void fill(struct live_house *it, int64_t row)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(0, 5, 20, 1000);
    struct store_append append = fixture_append(it->fixture, row, "runner", 0, chunk);
    assert_int_equal(append.op.err, 0);
    store_op_release(&append.op);
}

static void pages_follow_one_another_without_a_hole(void **state)
{
    struct live_house *it = *state;
    const char *viewer = live_key(it, it->account, ROLE_VIEWER);
    fill(it, make(it, "e"));
    uint64_t next = 0;
    for (bool more = true; more;) {
        CLEANUP(free_ptr)
        char *line = xasprintf("GET /api/v1/executions/e/logs?limit=2&cursor=%llu", (unsigned long long)next);
        assert_int_equal(ASK(it, viewer, line), 200);
        for (size_t i = 0; i < json_array_size(live_json(it, "logs")); i++) {
            CLEANUP(free_ptr) char *path = xasprintf("logs.%zu.sequence_number", i);
            assert_int_equal(live_number(it, path), next++);
        }
        more = json_is_true(live_json(it, "has_more"));
    }
    assert_int_equal(next, 5);
    assert_string_equal(live_text(it, "execution_id"), "e");
    assert_string_equal(live_text(it, "status"), "running");
    assert_true(json_is_false(live_json(it, "sealed")));
    assert_int_equal(ASK(it, viewer, "GET /api/v1/executions/e/logs?tail=1"), 200);
    assert_int_equal(json_array_size(live_json(it, "logs")), 1);
    assert_int_equal(live_number(it, "logs.0.sequence_number"), 4);
}

// --- A page that needs several reads of a log, whose front is cut before the second one

#define CHUNK 1000 // records of 200 bytes
#define LARGE 16   // chunks: many times what one read brings

static const struct retention little = {.log.records_max = 2500};

static struct {
    const struct store_vtable *real;
    struct live_house *it;
    int64_t row;
    unsigned reads;
    struct store_op *held; // the second read waits for the cut
    struct store_front front;
    struct store_cut cut;
} overtaking;

static void second_read_goes_on(struct store_op *op)
{
    assert_int_equal(op->err, 0);
    overtaking.real->submit(overtaking.it->fixture->store, overtaking.held);
}

static void front_was_read(struct store_op *op)
{
    assert_int_equal(op->err, 0);
    overtaking.cut = (struct store_cut){
        .op = {.kind = STORE_CUT, .reply_to = overtaking.it->fixture->loop, .done = second_read_goes_on},
        .row = overtaking.row,
        .rules = &little,
        .before = overtaking.front.ret_before,
        .after = overtaking.front.ret_after};
    store_submit(overtaking.it->fixture->store, &overtaking.cut.op);
}

static void overtake(struct store *store, struct store_op *op)
{
    if (op->kind != STORE_READ || ++overtaking.reads != 2) {
        overtaking.real->submit(store, op);
        return;
    }
    overtaking.held = op;
    overtaking.front = (struct store_front){
        .op = {.kind = STORE_FRONT, .reply_to = overtaking.it->fixture->loop, .done = front_was_read},
        .row = overtaking.row,
        .rules = &little};
    store_submit(store, &overtaking.front.op);
}

static void ask_overtaken(struct live_house *it, int64_t row, const char *line)
{
    struct store *store = it->fixture->store;
    static struct store_vtable vtable;
    overtaking.real = store->vtable;
    overtaking.it = it;
    overtaking.row = row;
    overtaking.reads = 0;
    vtable = *store->vtable;
    vtable.submit = overtake;
    store->vtable = &vtable;
    int status = ASK(it, live_key(it, it->account, ROLE_VIEWER), line);
    store->vtable = overtaking.real;
    assert_int_equal(status, 200);
    assert_true(overtaking.reads >= 2);
}

static int64_t make_large(struct live_house *it, const char *id)
{
    int64_t row = make(it, id);
    for (uint64_t first = 0; first < LARGE * CHUNK; first += CHUNK) {
        CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(first, CHUNK, 200, 1000);
        assert_int_equal(fixture_append(it->fixture, row, "runner", first, chunk).op.err, 0);
    }
    return row;
}

static void a_page_that_is_overtaken_by_a_cut_ends_before_the_hole(void **state)
{
    struct live_house *it = *state;
    ask_overtaken(it, make_large(it, "e"), "GET /api/v1/executions/e/logs?limit=10000");
    int64_t end = live_number(it, "next_cursor");
    assert_in_range(end, CHUNK, 13 * CHUNK - 1);
    assert_int_equal(json_array_size(live_json(it, "logs")), end);
    assert_true(json_is_true(live_json(it, "has_more")) && json_is_null(live_json(it, "gap")));
    CLEANUP(free_ptr)
    char *line = xasprintf("GET /api/v1/executions/e/logs?limit=2&cursor=%lld", (long long)end);
    assert_int_equal(ASK(it, live_key(it, it->account, ROLE_VIEWER), line), 200);
    assert_int_equal(live_number(it, "gap.from"), end);
    assert_int_equal(live_number(it, "gap.to"), 13 * CHUNK - 1);
    assert_int_equal(live_number(it, "first_sequence"), 13 * CHUNK);
    assert_int_equal(live_number(it, "logs.0.sequence_number"), 13 * CHUNK);
}

static void a_page_that_has_nothing_yet_goes_on_behind_the_hole_and_says_so(void **state)
{
    struct live_house *it = *state;
    // What matches lies in what is left.
    ask_overtaken(it, make_large(it, "e"), "GET /api/v1/executions/e/logs?limit=1&grep=line%2015000%20");
    assert_int_equal(json_array_size(live_json(it, "logs")), 1);
    assert_int_equal(live_number(it, "logs.0.sequence_number"), 15 * CHUNK);
    assert_in_range(live_number(it, "gap.from"), CHUNK, 13 * CHUNK - 1);
    assert_int_equal(live_number(it, "gap.to"), 13 * CHUNK - 1);
}

static void what_is_asked_for_wrongly_is_named(void **state)
{
    struct live_house *it = *state;
    const char *viewer = live_key(it, it->account, ROLE_VIEWER);
    make(it, "e");
    static const struct {
        const char *query, *code, *text;
    } cases[] = {
        {"?limit=0", "malformed", "parameter limit"},
        {"?from=-1", "bad_cursor", "parameter from"},
        {"?from=1&after=2", "malformed", "parameter after"},
        {"?min_priority=11", "malformed", "parameter min_priority"},
        {"?event_type=", "malformed", "parameter event_type"},
        {"?regex=(", "malformed", "parameter regex"},
        {"?invert=true", "malformed", "invert needs grep or regex"},
        {"?format=chunk&grep=a", "malformed", "format=chunk takes no filters"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_ptr) char *line = xasprintf("GET /api/v1/executions/e/logs%s", cases[i].query);
        assert_int_equal(ASK(it, viewer, line), 400);
        assert_refused(it, cases[i].code, cases[i].text);
    }
}

static void only_what_is_sealed_may_be_kept_by_its_etag(void **state)
{
    struct live_house *it = *state;
    const char *viewer = live_key(it, it->account, ROLE_VIEWER), *get = "GET /api/v1/executions/e/logs";
    int64_t row = make(it, "e");
    fill(it, row);
    assert_int_equal(ASK(it, viewer, get), 200);
    assert_null(strstr(buf_cstr(&it->answer), "ETag:"));
    seal(it, row);
    assert_int_equal(ASK(it, viewer, get), 200);
    const char *etag = strstr(buf_cstr(&it->answer), "ETag: ");
    assert_non_null(etag);
    CLEANUP(free_ptr) char *kept = xasprintf("If-None-Match: %.*s\r\n", (int)strcspn(etag + 6, "\r"), etag + 6);
    assert_int_equal(live_ask(it, viewer, get, kept, NULL), 304);
    assert_int_equal(it->body.len, 0);
    assert_int_equal(live_ask(it, viewer, "GET /api/v1/executions/e/logs?limit=2", kept, NULL), 200); // another page
}

static void a_stream_of_what_is_there_has_the_form_that_was_asked_for(void **state)
{
    struct live_house *it = *state;
    const char *viewer = live_key(it, it->account, ROLE_VIEWER);
    int64_t row = make(it, "e");
    const char *service = live_key(it, it->account, ROLE_SERVICE);
    assert_int_equal(SEND(it, service, "POST /api/v1/executions/e/logs", "[{\"message\":\"a\"},{\"message\":\"b,\"}]"),
                     201);
    assert_log(it, row, "a\nb,\n");
    static const struct {
        const char *query, *headers, *text;
    } cases[] = {
        {"?format=text", NULL, "a\nb,\n"},
        {"", "Accept: text/plain\r\n", "a\nb,\n"},
        {"?format=csv&from=1", NULL, ",\"b,\"\r\n"},
        {"?format=ndjson&grep=b", NULL, "\"sequence_number\":1,"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_ptr) char *line = xasprintf("GET /api/v1/executions/e/logs%s", cases[i].query);
        assert_int_equal(live_ask(it, viewer, line, cases[i].headers, NULL), 200);
        if (!strstr(buf_cstr(&it->answer), cases[i].text))
            fail_msg("%s: no \"%s\" in %s", cases[i].query, cases[i].text, buf_cstr(&it->answer));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_body_is_one_object_a_list_or_ndjson_and_is_numbered),
        LIVE_TEST(what_is_no_record_is_refused_whole),
        LIVE_TEST(a_message_that_is_too_long_comes_in_fragments_of_whole_characters),
        LIVE_TEST(the_same_idempotency_key_takes_the_same_body_once),
        LIVE_TEST(a_log_that_is_sealed_or_anothers_takes_nothing),
        LIVE_TEST(pages_follow_one_another_without_a_hole),
        LIVE_TEST(a_page_that_is_overtaken_by_a_cut_ends_before_the_hole),
        LIVE_TEST(a_page_that_has_nothing_yet_goes_on_behind_the_hole_and_says_so),
        LIVE_TEST(what_is_asked_for_wrongly_is_named),
        LIVE_TEST(only_what_is_sealed_may_be_kept_by_its_etag),
        LIVE_TEST(a_stream_of_what_is_there_has_the_form_that_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
