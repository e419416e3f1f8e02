#include "cli/log_crowd.h"

#include "cli/batch_display.h"
#include "cli/batch_follow.h"
#include "cli/log_crowd_private.h"

#include <unistd.h>

#define LOOK_MS      500
#define LIST_EACH_MS 1000
#define ASK_EACH_MS  2000 // where no stream is let through
#define PAUSE_MS     1000 // after the account had no more places for followers
#define FDS          1

// --- Members

static struct member *member_find(struct crowd *crowd, const char *id)
{
    struct map_node *node = map_find(&crowd->members, str_of(id));
    return node ? CONTAINER_OF(node, struct member, node) : NULL;
}

static void member_flush(struct crowd *crowd, struct member *next)
{
    struct member *last = crowd->printing;
    if (last && last != next && last->task)
        log_printer_flush(&last->task->printer);
    crowd->printing = next;
}

static void member_done(struct crowd *crowd, struct member *member)
{
    struct log_task *task = member->task;
    crowd->open_count -= member->state == MEMBER_OPEN || member->state == MEMBER_CLOSING;
    crowd->left--;
    member->state = MEMBER_DONE;
    list_remove(&member->turn);
    if (!task)
        return;
    member_flush(crowd, member);
    log_printer_finish(&task->printer);
    if (task->reader.fatal)
        crowd->code =
            cli_fail(crowd->cli, task->reader.fatal, "%s: %s", member->id, buf_cstr(&task->reader.fatal_text));
    else if (task->reader.complete && task->printer.out.is_terminal && task->printer.form == LOG_FORM_LINES)
        log_task_tell_end(&task->reader);
    crowd->closed |= task->printer.out.closed;
    crowd->err = crowd->err ? crowd->err : task->printer.out.err;
    crowd->printing = NULL;
    log_task_release(task);
    free_ptr(&member->task);
}

// Makes what reads and prints it. False if that cannot be; then it is done.
static bool member_prepare(struct crowd *crowd, struct member *member)
{
    if (member->task)
        return true;
    struct log_task *task = xcalloc(1, sizeof(*task));
    task->cli = crowd->cli;
    task->request = crowd->request;
    member->task = task;
    int code = log_task_prepare(task, member->id);
    if (code) {
        crowd->code = code;
        member_done(crowd, member);
        return false;
    }
    crowd->width = MAX(crowd->width, log_task_name_width(task));
    log_task_prefix(task, member->number, crowd->width, cli_colour(crowd->cli));
    task->reader.ends_when_lost = false;
    return true;
}

// --- Subscriptions

static struct link *link_of(struct crowd *crowd)
{
    return crowd->batch ? &crowd->follow.link : &crowd->link;
}

static void subscribe(struct crowd *crowd, struct member *member)
{
    if (!member_prepare(crowd, member))
        return;
    json_t *frame = link_frame("subscribe", "execution", member->id);
    crowd_append_query(frame, &member->task->reader);
    member->state = MEMBER_OPEN;
    member->heard_ms = clock_mono_ms();
    list_remove(&member->turn);
    list_push_back(&crowd->open, &member->turn);
    crowd->open_count++;
    link_send(link_of(crowd), frame);
}

// What is still on its way from the former subscription would be taken for the new one's. So it is not opened again
// before the server has said that nothing more comes.
static void unsubscribe(struct crowd *crowd, struct member *member)
{
    member->state = MEMBER_CLOSING;
    list_remove(&member->turn);
    link_send(link_of(crowd), link_frame("unsubscribe", "execution", member->id));
}

static void make_wait(struct crowd *crowd, struct member *member)
{
    crowd->open_count--;
    member->state = MEMBER_WAITING;
    list_remove(&member->turn);
    list_push_back(&crowd->waiting, &member->turn);
}

static bool is_quiet(const struct member *member)
{
    bool queued = member->task->reader.state.known && member->task->reader.state.status == STATUS_QUEUED;
    return queued || clock_mono_ms() - member->heard_ms >= QUIET_MS;
}

// One that is known to run, and has no place, takes that of one that has nothing to say.
static void make_room(struct crowd *crowd)
{
    LIST_FOR_EACH_SAFE(node, next, &crowd->open) {
        struct member *first = CONTAINER_OF(crowd->waiting.next, struct member, turn);
        struct member *open = CONTAINER_OF(node, struct member, turn);
        if (list_empty(&crowd->waiting) || !first->urgent || crowd->open_count - crowd->closing < crowd->window)
            return;
        if (!is_quiet(open))
            continue;
        unsubscribe(crowd, open);
        crowd->closing++;
    }
}

static void fill(struct crowd *crowd)
{
    if (link_of(crowd)->state != LINK_UP || clock_mono_ms() < crowd->pause_until_ms)
        return;
    while (crowd->open_count < crowd->window && !list_empty(&crowd->waiting) && !crowd->code)
        subscribe(crowd, CONTAINER_OF(crowd->waiting.next, struct member, turn));
    if (!list_empty(&crowd->waiting))
        make_room(crowd);
}

static void forget_one(struct map_node *node, void *arg)
{
    struct member *member = CONTAINER_OF(node, struct member, node);
    if (member->state == MEMBER_OPEN || member->state == MEMBER_CLOSING)
        make_wait(arg, member);
}

// A new connection: those that were open go on first, each behind what was shown of it.
static void on_opened(void *owner)
{
    struct crowd *crowd = owner;
    map_each(&crowd->members, forget_one, crowd);
    crowd->closing = 0;
}

// --- What comes

static void take_refusal(struct crowd *crowd, struct member *member)
{
    // As many followers as the account may have: fewer at a time, and later.
    crowd->window = MAX(crowd->open_count - 1, (size_t)1);
    crowd->pause_until_ms = clock_mono_ms() + PAUSE_MS;
    make_wait(crowd, member);
}

static void on_message(void *owner, const char *id, struct str json)
{
    struct crowd *crowd = owner;
    struct member *member = member_find(crowd, id);
    if (!member || (member->state != MEMBER_OPEN && member->state != MEMBER_CLOSING))
        return;
    if (str_starts(json, STR("{\"type\":\"unsubscribed\""))) {
        crowd->closing -= member->state == MEMBER_CLOSING;
        make_wait(crowd, member);
        return;
    }
    if (member->state == MEMBER_CLOSING)
        return;
    struct log_reader *reader = &member->task->reader;
    member_flush(crowd, member);
    memcpy(reader->answering, link_of(crowd)->incarnation, sizeof(reader->answering));
    bool go_on = log_reader_object(reader, json);
    if (str_starts(json, STR("{\"type\":\"log\"")))
        member->heard_ms = clock_mono_ms();
    if (log_printer_ended(&member->task->printer))
        crowd->closed = true;
    else if (reader->complete || reader->fatal)
        member_done(crowd, member);
    else if (!go_on && str_starts(json, STR("{\"type\":\"error\"")))
        take_refusal(crowd, member);
    else if (!go_on) {
        unsubscribe(crowd, member); // it could not be printed now, and is asked for again
        crowd->closing++;
    }
}

static void on_link_message(void *owner, struct str json)
{
    struct str execution = frame_execution(json);
    CLEANUP(free_ptr) char *id = xstrndup(execution.len > 0 ? execution.data : "", execution.len);
    on_message(owner, id, json);
}

// --- Without a stream, and what is read only once

static void read_one(struct crowd *crowd, struct member *member, bool to_its_end)
{
    if (!member_prepare(crowd, member))
        return;
    struct log_reader *reader = &member->task->reader;
    struct client *own = reader->client;
    member_flush(crowd, member);
    reader->client = crowd->client; // one connection for all
    if (to_its_end)
        crowd->code = log_reader_read(reader);
    else
        log_reader_poll(reader, 30000);
    reader->client = own;
    log_printer_flush(&member->task->printer);
    crowd->closed |= log_printer_ended(&member->task->printer);
    if (to_its_end || reader->complete || reader->fatal)
        member_done(crowd, member);
}

// Reads what there is of those that wait. `to_its_end`: once, and they are done; else of those that have begun.
static void read_all(struct crowd *crowd, bool to_its_end)
{
    LIST_FOR_EACH_SAFE(node, next, &crowd->waiting) {
        struct member *member = CONTAINER_OF(node, struct member, turn);
        if (crowd->closed || crowd->code)
            return;
        if (to_its_end || !member->queued)
            read_one(crowd, member, to_its_end);
    }
}

// --- Following

static void take_turn(struct crowd *crowd)
{
    struct pollfd out = {.fd = STDOUT_FILENO}; // reports when nobody reads the pipe any more
    if (crowd->batch) {
        batch_follow_wait(&crowd->follow, &out, FDS, LOOK_MS);
    } else {
        struct pollfd fds[] = {out, link_poll(&crowd->link)};
        poll(fds, ARRAY_LEN(fds), link_wait_ms(&crowd->link, LOOK_MS));
        out.revents = fds[0].revents;
        link_step(&crowd->link);
    }
    if (out.revents & (POLLERR | POLLNVAL))
        crowd->closed = true;
    member_flush(crowd, NULL);
}

static void tell_loss(struct crowd *crowd)
{
    struct link *link = link_of(crowd);
    if (crowd->batch)
        return; // it tells it itself
    if (link->state == LINK_REFUSED)
        crowd->code = cli_fail(crowd->cli, link->err, "%s", buf_cstr(&link->refusal));
    if (link->state == LINK_DOWN && link->failures > 0 && !link->loss_told) {
        fputs("runnel: connection lost; reconnecting\n", stderr);
        link->loss_told = true;
    }
}

static bool asks(struct crowd *crowd)
{
    return link_of(crowd)->state == LINK_BLOCKED;
}

static void work(struct crowd *crowd)
{
    uint64_t now = clock_mono_ms();
    bool over = crowd->batch && crowd->follow.over;
    if (now >= crowd->list_ms || (over && !crowd->whole)) {
        crowd->list_ms = now + LIST_EACH_MS;
        bool listed = crowd_list(crowd);
        crowd->whole = over && listed;
    }
    if (!asks(crowd)) {
        fill(crowd);
    } else if (now >= crowd->ask_ms) {
        read_all(crowd, false);
        crowd->ask_ms = clock_mono_ms() + ASK_EACH_MS;
    }
}

// A log whose runner is lost stays open for as long as it may come back. A batch that is over does not wait for that.
static void end_lost(struct crowd *crowd)
{
    LIST_FOR_EACH_SAFE(node, next, &crowd->open) {
        struct member *member = CONTAINER_OF(node, struct member, turn);
        if (member->task->reader.state.known && member->task->reader.state.status == STATUS_LOST &&
            clock_mono_ms() - member->heard_ms >= QUIET_MS)
            member_done(crowd, member);
    }
}

static bool goes_on(struct crowd *crowd)
{
    if (crowd->batch && crowd->follow.code)
        crowd->code = crowd->follow.code;
    if (crowd->code || crowd->closed)
        return false;
    if (crowd->request->has_until && clock_real_ms() > crowd->request->until_ms)
        return false;
    if (crowd->whole)
        end_lost(crowd);
    return !(crowd->whole && crowd->left == 0);
}

static void wait_one(struct map_node *node, void *arg)
{
    struct member *member = CONTAINER_OF(node, struct member, node);
    if (member->state == MEMBER_OPEN || member->state == MEMBER_CLOSING)
        make_wait(arg, member);
}

static int follow(struct crowd *crowd)
{
    struct link *link = link_of(crowd);
    int code = crowd->batch ? batch_follow_init(&crowd->follow, crowd->cli, crowd->client, crowd->batch, true)
                            : link_init(link, crowd->cli);
    if (crowd->batch) {
        crowd->follow.owner = crowd;
        crowd->follow.opened = on_opened;
        crowd->follow.message = on_message;
    } else {
        link->owner = crowd;
        link->opened = on_opened;
        link->message = on_link_message;
    }
    crowd->code = code;
    while (goes_on(crowd)) {
        work(crowd);
        take_turn(crowd);
        tell_loss(crowd);
    }
    if (!crowd->code && !crowd->closed && crowd->left > 0) { // --until: what was written before is there now
        map_each(&crowd->members, wait_one, crowd);
        read_all(crowd, true);
    }
    return crowd->code;
}

static void member_free(struct map_node *node, void *arg)
{
    struct member *member = CONTAINER_OF(node, struct member, node);
    (void)arg;
    if (member->task)
        log_task_release(member->task);
    free(member->task);
    free(member->id);
    free(member);
}

static int exit_code(struct crowd *crowd)
{
    CLEANUP(json_free) json_t *status = NULL;
    if (crowd->code || !crowd->request->exit_status)
        return crowd->code;
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s/status", crowd->batch);
    int code = cli_get_json(crowd->cli, crowd->client, path, &status);
    return code ? code : batch_exit_code(status);
}

int log_crowd_run(struct cli *cli, const char *batch, struct log_request *request)
{
    struct crowd crowd = {.cli = cli, .batch = batch, .request = request, .window = CROWD_WINDOW};
    CLEANUP(client_free) struct client *client = NULL;
    map_init(&crowd.members);
    list_init(&crowd.waiting);
    list_init(&crowd.open);
    int code = cli_connect(cli, &client);
    crowd.client = client;
    if (code == 0)
        code = crowd_begin(&crowd);
    if (code == 0 && request->follow)
        code = follow(&crowd);
    else if (code == 0)
        read_all(&crowd, true);
    code = code ? code : exit_code(&crowd);
    if (code == 0 && crowd.err)
        code = cli_fail(cli, ERR_IO, "standard output: %s", strerror(-crowd.err));
    map_each(&crowd.members, member_free, NULL);
    map_release(&crowd.members);
    if (batch && request->follow)
        batch_follow_release(&crowd.follow);
    link_release(&crowd.link);
    buf_release(&crowd.query);
    return code;
}
