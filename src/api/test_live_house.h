// For tests of the interface: a house over a real store in a folder of its own, and requests as plain calls.
#pragma once

#include "api/test_house.h"
#include "store/store_fixture.h"

#include <jansson.h>

#define KEYS_MAX 16

struct live_house {
    struct fixture *fixture; // its loop and store
    struct house house;
    int64_t account; // "ours"
    struct {
        char secret[API_KEY_LEN + 1];
        int64_t row;
    } keys[KEYS_MAX];
    size_t key_count;
    // The last answer.
    int status;
    struct buf answer; // head and body
    struct str body;
    json_t *json; // NULL if the body is none
};

int live_house_set_up(void **state);
int live_house_tear_down(void **state);
#define LIVE_TEST(name) cmocka_unit_test_setup_teardown(name, live_house_set_up, live_house_tear_down)

// A key's text, made in the store without a request. It lasts as long as the house.
const char *live_key(struct live_house *it, int64_t account, enum role role);
// Sends a request, "GET /path", and waits for the whole answer. `headers` are lines, each with its end; it and `body`
// may be NULL. Returns the status.
int live_ask(struct live_house *it, const char *secret, const char *line, const char *headers, const char *body);
#define ASK(it, secret, line)        live_ask((it), (secret), (line), NULL, NULL)
#define SEND(it, secret, line, body) live_ask((it), (secret), (line), NULL, (body))
// Of the last answer: a member of the object, by a path with dots ("keys.0.name"). Fails the test if it is not there.
json_t *live_json(struct live_house *it, const char *path);
const char *live_text(struct live_house *it, const char *path);
int64_t live_number(struct live_house *it, const char *path);
bool live_has(struct live_house *it, const char *path);
// The last answer is an error with this code word, and its message holds the text.
void assert_refused(struct live_house *it, const char *code, const char *text);
// The records of an execution's log as the store has them, each message with '\n' behind it. Owned by the caller.
char *live_log(struct live_house *it, int64_t row);
