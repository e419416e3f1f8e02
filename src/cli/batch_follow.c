#include "cli/batch_follow.h"

#include "cli/batch_display.h"
#include "cli/log_reader.h"

#define ASK_EACH_MS 2000
#define FDS_MAX     8

struct str frame_execution(struct str json)
{
    static const char *const names[] = {",\"execution_id\":\"", ",\"id\":\""};
    const char *comma = json.len > 0 ? str_find(json, ',') : NULL;
    struct str rest = comma ? str_n(comma, json.len - (size_t)(comma - json.data)) : (struct str){0};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        size_t len = strlen(names[i]);
        if (!str_starts(rest, str_of(names[i])))
            continue;
        const char *end = memchr(rest.data + len, '"', rest.len - len);
        return end ? str_n(rest.data + len, (size_t)(end - rest.data) - len) : (struct str){0};
    }
    return (struct str){0};
}

// --- What is known

static void take_status(struct batch_follow *follow, json_t *status)
{
    json_decref(follow->status);
    follow->status = json_incref(status);
    follow->got_ms = clock_mono_ms();
    follow->changed = true;
    follow->reached = true;
    follow->loss_told = false;
    follow->over = batch_over(status);
}

int64_t batch_follow_age_ms(const struct batch_follow *follow)
{
    return (int64_t)(clock_mono_ms() - follow->got_ms);
}

// --- The stream

static void on_opened(void *owner)
{
    struct batch_follow *follow = owner;
    json_t *frame = link_frame("subscribe", "batch", follow->id);
    if (follow->version)
        json_object_set_new(frame, "cursor", json_integer((json_int_t)follow->version));
    link_send(&follow->link, frame);
    if (follow->opened)
        follow->opened(follow->owner);
}

static void take_error(struct batch_follow *follow, const json_t *frame)
{
    const char *word = json_string_value(json_object_get(frame, "code"));
    const char *text = json_string_value(json_object_get(frame, "error"));
    int err = word ? error_from_word(word, strlen(word)) : ERR_INTERNAL;
    if (log_reader_error_is_final(err) && err != ERR_INVALID)
        follow->code = cli_fail(follow->cli, err, "%s: %s", follow->id, text ? text : error_text(err));
    else
        follow->asks = true; // it may have no place among the followers
}

static void on_message(void *owner, struct str json)
{
    struct batch_follow *follow = owner;
    struct str execution = frame_execution(json);
    if (execution.len > 0) {
        CLEANUP(free_ptr) char *id = xstrndup(execution.data, execution.len);
        if (follow->message)
            follow->message(follow->owner, id, json);
        return;
    }
    CLEANUP(json_free) json_t *frame = json_loadb(json.data, json.len, 0, NULL);
    json_t *batch = json_object_get(frame, "batch");
    const char *type = json_string_value(json_object_get(frame, "type"));
    if (json_is_object(batch)) {
        follow->version = (uint64_t)json_integer_value(json_object_get(frame, "version"));
        take_status(follow, batch);
    } else if (type && strcmp(type, "error") == 0) {
        take_error(follow, frame);
    }
}

// --- Asking

static void tell_loss(struct batch_follow *follow)
{
    if (follow->loss_told)
        return;
    if (follow->speaks)
        follow->speaks(follow->owner);
    fputs("runnel: connection lost; reconnecting\n", stderr);
    follow->loss_told = true;
}

static void ask(struct batch_follow *follow)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s/status", follow->id);
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(json_free) json_t *status = NULL;
    follow->ask_ms = clock_mono_ms() + ASK_EACH_MS;
    if (!follow->reached) { // whatever is wrong is told
        follow->code = cli_get_json(follow->cli, follow->client, path, &status);
    } else if (client_request(follow->client, "GET", path, str_n(NULL, 0), NULL, &response) == 0) {
        if (response.status == 200)
            status = json_loadb(response.body.data, response.body.len, 0, NULL);
        else if (log_reader_is_ours(&response) && log_reader_error_is_final(client_response_error(&response, NULL)))
            follow->code = cli_fail_response(follow->cli, &response);
    }
    if (json_is_object(status))
        take_status(follow, status);
    else if (!follow->code)
        tell_loss(follow);
}

// --- Both

int batch_follow_init(struct batch_follow *follow, struct cli *cli, struct client *client, const char *id, bool exists)
{
    *follow = (struct batch_follow){.cli = cli, .client = client, .id = id, .reached = exists};
    int code = link_init(&follow->link, cli);
    follow->link.owner = follow;
    follow->link.opened = on_opened;
    follow->link.message = on_message;
    return code;
}

void batch_follow_release(struct batch_follow *follow)
{
    link_release(&follow->link);
    json_decref(follow->status);
}

static void step(struct batch_follow *follow)
{
    struct link *link = &follow->link;
    link_step(link);
    if (link->state == LINK_REFUSED)
        follow->code = cli_fail(follow->cli, link->err, "%s", buf_cstr(&link->refusal));
    else if (link->state == LINK_DOWN && link->failures > 0 && !follow->code)
        tell_loss(follow);
    if ((link->state == LINK_BLOCKED || follow->asks) && !follow->code && clock_mono_ms() >= follow->ask_ms)
        ask(follow);
}

void batch_follow_wait(struct batch_follow *follow, struct pollfd *fds, size_t count, int most_ms)
{
    struct pollfd all[FDS_MAX];
    bool asks = follow->link.state == LINK_BLOCKED || follow->asks;
    uint64_t now = clock_mono_ms();
    if (asks)
        most_ms = follow->ask_ms <= now ? 0 : (int)MIN(follow->ask_ms - now, (uint64_t)most_ms);
    all[0] = link_poll(&follow->link);
    count = MIN(count, (size_t)FDS_MAX - 1);
    for (size_t i = 0; i < count; i++)
        all[i + 1] = fds[i];
    poll(all, (nfds_t)count + 1, link_wait_ms(&follow->link, most_ms));
    for (size_t i = 0; i < count; i++)
        fds[i].revents = all[i + 1].revents;
    step(follow);
}
