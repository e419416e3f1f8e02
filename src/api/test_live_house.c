#include "api/test_live_house.h"

#include "api/routes.h"
#include "store/sqlite/sqlite_store.h"

static int open_sqlite(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    (void)now_ms; // keys are judged by the clock of the machine
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    CLEANUP(buf_release) struct buf error = {0};
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 1}, &error, ret);
}

static const struct fixture_adapter sqlite = {"sqlite", open_sqlite};

int live_house_set_up(void **state)
{
    struct live_house *it = xcalloc(1, sizeof(*it));
    it->fixture = fixture_new(&sqlite);
    house_open(&it->house, it->fixture->loop, it->fixture->store, api_routes);
    it->account = fixture_account(it->fixture, "ours");
    *state = it;
    return 0;
}

int live_house_tear_down(void **state)
{
    struct live_house *it = *state;
    json_decref(it->json);
    buf_release(&it->answer);
    store_stop(it->fixture->store); // what is under way comes to its end
    house_close(&it->house);
    fixture_free(&it->fixture);
    free(it);
    return 0;
}

const char *live_key(struct live_house *it, int64_t account, enum role role)
{
    assert_true(it->key_count < KEYS_MAX);
    char *secret = it->keys[it->key_count].secret;
    struct store_key_create create = {.op.kind = STORE_KEY_CREATE,
                                      .key = {.account = account,
                                              .key_id = xasprintf("key_%zu", it->key_count),
                                              .name = xstrdup("made by the test"),
                                              .role = role,
                                              .created_ms = 5}};
    api_key_make(secret, create.key.hash);
    assert_int_equal(fixture_run(it->fixture, &create.op), 0);
    it->keys[it->key_count++].row = create.key.row;
    store_op_release(&create.op);
    api_key_release(&create.key);
    return secret;
}

static void read_answer(struct live_house *it)
{
    struct str rest = buf_str(&it->answer), version = str_split(&rest, ' ');
    uint64_t status;
    assert_true(str_eq(version, STR("HTTP/1.1")));
    assert_true(str_to_u64(str_split(&rest, ' '), &status));
    it->status = (int)status;
    const char *head_end = memmem(rest.data, rest.len, "\r\n\r\n", 4);
    assert_non_null(head_end);
    size_t head = (size_t)(head_end + 4 - rest.data);
    it->body = str_n(rest.data + head, rest.len - head);
    json_decref(it->json);
    it->json = json_loadb(it->body.data, it->body.len, 0, NULL);
}

int live_ask(struct live_house *it, const char *secret, const char *line, const char *headers, const char *body)
{
    CLEANUP(buf_release) struct buf request = {0};
    struct peer peer;
    buf_printf(&request, "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s", line, headers ? headers : "");
    if (secret)
        buf_printf(&request, "Authorization: Bearer %s\r\n", secret);
    if (body)
        buf_printf(&request, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    else
        buf_append_text(&request, "\r\n");
    house_connect(&it->house, &peer);
    peer_send(&peer, request.data, request.len);
    peer_wait_end(&peer);
    buf_reset(&it->answer);
    buf_append_str(&it->answer, buf_str(&peer.got));
    peer_close(&peer);
    read_answer(it);
    return it->status;
}

static json_t *find(struct live_house *it, const char *path)
{
    json_t *at = it->json;
    for (struct str rest = str_of(path); at && rest.len > 0;) {
        struct str name = str_split(&rest, '.');
        uint64_t index;
        if (json_is_array(at) && str_to_u64(name, &index))
            at = json_array_get(at, index);
        else
            at = json_object_getn(at, name.data, name.len);
    }
    return at;
}

bool live_has(struct live_house *it, const char *path)
{
    return find(it, path) != NULL;
}

json_t *live_json(struct live_house *it, const char *path)
{
    json_t *value = find(it, path);
    if (!value)
        fail_msg("no \"%s\" in: %s", path, buf_cstr(&it->answer));
    return value;
}

const char *live_text(struct live_house *it, const char *path)
{
    json_t *value = live_json(it, path);
    if (!json_is_string(value))
        fail_msg("\"%s\" is no string in: %s", path, buf_cstr(&it->answer));
    return json_string_value(value);
}

int64_t live_number(struct live_house *it, const char *path)
{
    json_t *value = live_json(it, path);
    if (!json_is_integer(value))
        fail_msg("\"%s\" is no number in: %s", path, buf_cstr(&it->answer));
    return json_integer_value(value);
}

void assert_refused(struct live_house *it, const char *code, const char *text)
{
    assert_string_equal(live_text(it, "error.code"), code);
    if (!strstr(live_text(it, "error.message"), text))
        fail_msg("no \"%s\" in: %s", text, live_text(it, "error.message"));
}

static void append_message(void *arg, uint64_t sequence, const struct record *record)
{
    (void)sequence;
    buf_append_str(arg, record->message);
    buf_append_byte(arg, '\n');
}

char *live_log(struct live_house *it, int64_t row)
{
    CLEANUP(buf_release) struct buf text = {0};
    fixture_read(it->fixture, row, 0, 1 << 20, append_message, &text);
    return xstrdup(buf_cstr(&text));
}
