#include "runner/voice.h"

#include "runner/job/control.h"
#include "util/clock.h"
#include "util/json_writer.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define READ_STEP   65536
#define ANSWERS_MAX 65536 // bytes that a client may leave unread

struct voice_client {
    struct list_node node;
    struct voice *voice;
    int fd;
    struct watch *watch;
    struct buf line, answers;
    bool read_some; // the last time there was something to read
};

struct voice {
    struct loop *loop;
    const struct voice_events *events;
    void *arg;
    int fd;
    struct watch *watch;
    struct record_parser *parser;
    struct list_node clients;
    unsigned client_count;
    bool paused;
    bool failed; // nothing is recorded any more, so nothing is answered
};

static void watch_door(struct voice *voice)
{
    watch_set(voice->watch, voice->client_count < VOICE_CLIENTS_MAX ? WATCH_READ : 0);
}

static void client_free(struct voice_client *client)
{
    list_remove(&client->node);
    client->voice->client_count--;
    watch_door(client->voice);
    watch_free(&client->watch);
    close_fd(&client->fd);
    buf_release(&client->line);
    buf_release(&client->answers);
    free(client);
}

static int look_at(void *arg, const struct record_input *input)
{
    (void)arg;
    return input->type.len > 0 && !str_eq(input->type, STR("log")) ? ERR_INVALID : 0;
}

static int said(void *arg, const struct record_input *input)
{
    const struct voice *voice = arg;
    struct record record = input->record;
    if (!input->has_time)
        record.time_ms = clock_real_ms();
    voice->events->said(voice->arg, &record);
    return 0;
}

static void answer_error(struct buf *out, int err, const struct record_problem *problem)
{
    struct json_writer json = json_writer_to(out);
    CLEANUP(buf_release) struct buf text = {0};
    buf_append_text(&text, error_text(err));
    if (problem->field)
        buf_printf(&text, ": %s %s", problem->field, problem->reason);
    json_open_object(&json, NULL);
    json_open_object(&json, "error");
    json_add_text(&json, "code", error_word(err));
    json_add_str(&json, "message", buf_str(&text));
    json_close(&json);
    json_close(&json);
    buf_append_byte(out, '\n');
}

// A line is taken as a whole or not at all, so all of it is looked at before any of it is recorded.
static void take_line(struct voice_client *client, struct str line)
{
    struct record_parser *parser = client->voice->parser;
    struct record_problem problem = {0};
    if (str_trim(line).len == 0)
        return;
    int err = record_parse(parser, line, look_at, NULL, &problem);
    if (err == 0)
        err = record_parse(parser, line, said, client->voice, &problem);
    if (err < 0)
        answer_error(&client->answers, err, &problem);
    else
        buf_append_text(&client->answers, "{\"ok\":true}\n");
}

static void take_lines(struct voice_client *client, bool ended)
{
    struct str rest = buf_str(&client->line);
    while (str_find(rest, '\n'))
        take_line(client, str_split(&rest, '\n'));
    if (ended)
        take_line(client, str_split(&rest, '\n'));
    buf_consume(&client->line, client->line.len - rest.len);
}

static void watch_client(struct voice_client *client)
{
    const struct voice *voice = client->voice;
    bool answers = client->answers.len > 0 || voice->failed;
    watch_set(client->watch, voice->paused ? 0 : WATCH_READ | (answers ? WATCH_WRITE : 0));
}

// False if it is to be let go.
static bool send_answers(struct voice_client *client)
{
    struct buf *answers = &client->answers;
    if (client->voice->failed)
        return false;
    if (client->voice->paused) { // what is answered has to be in the spool
        watch_client(client);
        return true;
    }
    ssize_t put = answers->len == 0 ? 0 : send(client->fd, answers->data, answers->len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN && errno != EINTR)
        return false;
    if (put > 0)
        buf_consume(answers, (size_t)put);
    watch_client(client);
    return answers->len <= ANSWERS_MAX;
}

// False if it is to be let go.
static bool read_client(struct voice_client *client)
{
    buf_reserve(&client->line, READ_STEP);
    ssize_t got = recv(client->fd, client->line.data + client->line.len, READ_STEP, MSG_DONTWAIT);
    client->read_some = got > 0;
    if (got < 0)
        return errno == EAGAIN || errno == EINTR;
    client->line.len += (size_t)got;
    take_lines(client, got == 0);
    if (client->voice->events->flush(client->voice->arg) < 0)
        return false;
    if (client->line.len > VOICE_LINE_MAX) {
        answer_error(&client->answers, ERR_TOO_LARGE, &(struct record_problem){0});
        send_answers(client);
        return false;
    }
    return send_answers(client) && got > 0;
}

static void client_ready(void *arg, unsigned events)
{
    struct voice_client *client = arg;
    bool stays = events & WATCH_WRITE ? send_answers(client) : true;
    if (stays && !client->voice->paused && events & (WATCH_READ | WATCH_ERROR))
        stays = read_client(client);
    if (!stays)
        client_free(client);
}

static void add_client(struct voice *voice, int fd)
{
    struct voice_client *client = xcalloc(1, sizeof(*client));
    client->voice = voice;
    client->fd = fd;
    list_push_back(&voice->clients, &client->node);
    voice->client_count++;
    if (watch_new(voice->loop, fd, client_ready, client, &client->watch) < 0)
        client_free(client);
    else
        watch_client(client);
}

static void accept_clients(struct voice *voice)
{
    int fd;
    while (voice->client_count < VOICE_CLIENTS_MAX &&
           (fd = accept4(voice->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
        add_client(voice, fd);
    watch_door(voice);
}

static void voice_ready(void *arg, unsigned events)
{
    (void)events;
    accept_clients(arg);
}

int voice_listen(int dir_fd, const char *name, int *ret_door)
{
    return control_listen(dir_fd, name, SOCK_STREAM, ret_door);
}

void voice_turn_away(int door)
{
    int fd;
    while ((fd = accept4(door, NULL, NULL, SOCK_CLOEXEC)) >= 0)
        close(fd);
}

int voice_new(struct loop *loop, int door, const struct voice_events *events, void *arg, struct voice **ret)
{
    CLEANUP(voice_free) struct voice *voice = xcalloc(1, sizeof(*voice));
    voice->loop = loop;
    voice->events = events;
    voice->arg = arg;
    voice->fd = door;
    list_init(&voice->clients);
    int err = watch_new(loop, voice->fd, voice_ready, voice, &voice->watch);
    if (err < 0)
        return err;
    watch_set(voice->watch, WATCH_READ);
    voice->parser = record_parser_new(0); // what is too long for a record is cut
    *ret = TAKE_PTR(voice);
    return 0;
}

static void watch_clients(const struct voice *voice)
{
    LIST_FOR_EACH_SAFE(node, next, &voice->clients)
        watch_client(CONTAINER_OF(node, struct voice_client, node));
}

void voice_pause(struct voice *voice, bool pause)
{
    if (!voice || voice->paused == pause)
        return;
    voice->paused = pause;
    watch_clients(voice);
}

void voice_fail(struct voice *voice)
{
    if (!voice)
        return;
    voice->failed = true;
    voice->paused = false;
    watch_clients(voice);
}

void voice_drain(struct voice *voice)
{
    if (!voice)
        return;
    accept_clients(voice);
    LIST_FOR_EACH_SAFE(node, next, &voice->clients) {
        struct voice_client *client = CONTAINER_OF(node, struct voice_client, node);
        bool stays = read_client(client);
        while (stays && client->read_some)
            stays = read_client(client);
        if (!stays)
            client_free(client);
    }
}

int voice_leave(struct voice **voice_ptr)
{
    int door = *voice_ptr ? TAKE_FD((*voice_ptr)->fd) : -1;
    voice_free(voice_ptr);
    return door;
}

void voice_free(struct voice **voice_ptr)
{
    struct voice *voice = TAKE_PTR(*voice_ptr);
    if (!voice)
        return;
    LIST_FOR_EACH_SAFE(node, next, &voice->clients)
        client_free(CONTAINER_OF(node, struct voice_client, node));
    watch_free(&voice->watch);
    close_fd(&voice->fd);
    record_parser_free(&voice->parser);
    free(voice);
}
