#include "cli/batch_watch.h"

#include "cli/batch_display.h"
#include "cli/batch_follow.h"
#include "cli/batch_log.h"
#include "cli/keys.h"
#include "cli/text_width.h"

#include <unistd.h>

#define DRAW_EACH_MS 1000
#define LIST_EACH_MS 1000 // the running ones are asked for, while something changes
#define ROWS_MAX     10   // failures and running ones that are shown

static const char hint_keys[] = "↑↓ choose, Enter follows its log, Ctrl-C leaves or cancels";
static const char hint_question[] = "Leave the batch running (l), cancel it (c), or go on watching (w)?";

struct batch_watch {
    struct cli *cli;
    struct client *client;
    const char *id;
    struct batch_follow follow;
    struct output out;
    struct keys keys;
    struct batch_log *log; // one that is followed in place of the display; NULL: none
    json_t *running;       // page of executions that run
    uint64_t listed_ms, drawn_ms;
    bool list_due;
    char *chosen;
    // What stands on the terminal: how wide each line is, to know how many rows they take after a resize.
    size_t widths[ROWS_MAX + 8], lines;
    struct buf shown; // the last line on a pipe
    bool asking, cancelled, left;
    bool made;    // just now, by the same command, which has told what is to be said of that
    int end_code; // of `left`
};

// --- Drawing

static void erase(struct batch_watch *watch)
{
    size_t width = 0, height = 0, rows = 0;
    output_terminal_size(watch->out.fd, &width, &height);
    for (size_t i = 0; i < watch->lines; i++) // a terminal that has become narrower has broken the lines
        rows += width > 0 && watch->widths[i] > width ? (watch->widths[i] + width - 1) / width : 1;
    if (rows > 0)
        buf_printf(&watch->out.buf, "\r\033[%zuA\033[J", height > 0 ? MIN(rows, height) : rows);
    watch->lines = 0;
}

// What others write on the terminal does not stand within it; it is drawn again below that.
static void make_room(void *owner)
{
    struct batch_watch *watch = owner;
    if (!watch->out.is_terminal || watch->log)
        return;
    erase(watch);
    output_flush(&watch->out);
    watch->drawn_ms = 0;
}

static struct batch_view view_of(const struct batch_watch *watch)
{
    struct batch_view view = {
        .status = watch->follow.status,
        .passed_ms = batch_follow_age_ms(&watch->follow),
        .running = json_object_get(watch->running, "executions"),
        .listed_ms = (int64_t)(clock_mono_ms() - watch->listed_ms),
        .colour = cli_colour(watch->cli),
        .keys = watch->keys.raw,
        .chosen = watch->chosen,
    };
    size_t height = 0;
    output_terminal_size(watch->out.fd, &view.width, &height);
    view.hint = watch->asking ? hint_question : view.keys ? hint_keys : NULL;
    view.rows = height > 4 ? MIN(height - 4, (size_t)ROWS_MAX) : height > 0 ? 0 : ROWS_MAX;
    return view;
}

static void draw_terminal(struct batch_watch *watch)
{
    CLEANUP(buf_release) struct buf text = {0};
    const struct batch_view view = view_of(watch);
    batch_append_view(&text, &view);
    erase(watch);
    struct str rest = buf_str(&text);
    while (rest.len > 0 && watch->lines < ARRAY_LEN(watch->widths))
        watch->widths[watch->lines++] = text_width(str_split(&rest, '\n'));
    buf_append_str(&watch->out.buf, buf_str(&text));
    watch->drawn_ms = clock_mono_ms();
}

// What only time changes is no change.
static void draw_pipe(struct batch_watch *watch)
{
    CLEANUP(buf_release) struct buf text = {0};
    batch_append_line(&text, watch->follow.status);
    struct str counts = buf_str(&text), before = buf_str(&watch->shown);
    struct str now = str_split(&counts, '|'), then = str_split(&before, '|');
    if (!str_eq(now, then))
        buf_append_str(&watch->out.buf, buf_str(&text));
    buf_reset(&watch->shown);
    buf_append_str(&watch->shown, buf_str(&text));
}

// One that has failed since they were listed is shown once.
static void drop_failed(struct batch_watch *watch)
{
    const json_t *failures = json_object_get(watch->follow.status, "failures");
    json_t *running = json_object_get(watch->running, "executions");
    for (size_t i = json_array_size(running); i-- > 0;) {
        const json_t *id = json_object_get(json_array_get(running, i), "execution_id");
        bool failed = false;
        for (size_t k = 0; k < json_array_size(failures) && !failed; k++)
            failed = json_equal(id, json_object_get(json_array_get(failures, k), "execution_id"));
        if (failed)
            json_array_remove(running, i);
    }
}

// Which ones run is shown where one of them can be chosen.
static void list_running(struct batch_watch *watch)
{
    CLEANUP(free_ptr)
    char *path = xasprintf("/api/v1/batches/%s/executions?status=running,waiting,paused&limit=%d", watch->id, ROWS_MAX);
    CLEANUP(client_response_release) struct client_response response = {0};
    watch->listed_ms = clock_mono_ms();
    watch->list_due = false;
    if (client_request(watch->client, "GET", path, str_n(NULL, 0), NULL, &response) || response.status != 200)
        return;
    json_decref(watch->running);
    watch->running = json_loadb(response.body.data ? response.body.data : "", response.body.len, 0, NULL);
}

static void draw(struct batch_watch *watch)
{
    if (!watch->follow.status || watch->log)
        return;
    if (!watch->out.is_terminal) {
        draw_pipe(watch);
    } else {
        if (watch->keys.raw && watch->list_due && clock_mono_ms() - watch->listed_ms >= LIST_EACH_MS)
            list_running(watch);
        drop_failed(watch);
        draw_terminal(watch);
    }
    output_flush(&watch->out);
}

// --- Leaving and cancelling

static void leave(struct batch_watch *watch, int code)
{
    watch->left = true;
    watch->end_code = code;
}

static void say_how_to_go_on(const struct batch_watch *watch)
{
    CLEANUP(buf_release) struct buf again = {0};
    cli_append_again(watch->cli, &again);
    fprintf(stderr, "runnel: the batch goes on; runnel batch watch%s %s shows it, runnel batch cancel%s %s ends it\n",
            buf_cstr(&again), watch->id, buf_cstr(&again), watch->id);
}

static void cancel(struct batch_watch *watch)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s/cancel", watch->id);
    CLEANUP(json_free) json_t *answer = NULL;
    watch->asking = false;
    erase(watch);
    output_flush(&watch->out);
    int code = cli_call_json(watch->cli, watch->client, "POST", path, str_n(NULL, 0), &answer);
    watch->cancelled = code == 0;
    if (code == 0)
        fprintf(stderr, "runnel: batch %s is cancelled; what runs is ended\n", watch->id);
}

// The first one asks, if there is somebody to ask; the second one leaves.
static void interrupted(struct batch_watch *watch)
{
    if (!watch->asking && watch->keys.raw && watch->out.is_terminal)
        watch->asking = true;
    else
        leave(watch, 130);
}

static void answered(struct batch_watch *watch, char letter)
{
    if (letter == 'c')
        cancel(watch);
    else if (letter == 'l' || letter == 'd')
        leave(watch, 130);
    else
        watch->asking = false;
}

// --- Choosing

static void choose(struct batch_watch *watch, int step)
{
    const struct batch_view view = view_of(watch);
    size_t count = batch_view_count(&view), at = step > 0 ? count - 1 : 0;
    for (size_t i = 0; i < count && watch->chosen; i++)
        if (strcmp(batch_view_id(&view, i), watch->chosen) == 0)
            at = i;
    free_ptr(&watch->chosen);
    if (count > 0)
        watch->chosen = xstrdup(batch_view_id(&view, (at + (step > 0 ? 1 : count - 1)) % count));
}

static void open_log(struct batch_watch *watch)
{
    if (watch->chosen)
        watch->log = batch_log_open(watch->cli, &watch->follow.link, watch->chosen);
}

static void close_log(struct batch_watch *watch)
{
    batch_log_close(&watch->log);
    watch->list_due = true;
}

static void take_key_in_log(struct batch_watch *watch, enum key key)
{
    if (key == KEY_BACK || key == KEY_INTERRUPT || key == KEY_END)
        close_log(watch);
    if (key == KEY_INTERRUPT)
        interrupted(watch);
    if (key == KEY_END)
        leave(watch, 143);
}

static void take_key(struct batch_watch *watch, enum key key)
{
    if (watch->log) {
        take_key_in_log(watch, key);
        return;
    }
    bool asking = watch->asking;
    switch (key) {
    case KEY_UP:
    case KEY_DOWN:
        if (!asking)
            choose(watch, key == KEY_DOWN ? 1 : -1);
        break;
    case KEY_ENTER:
        if (!asking)
            open_log(watch);
        break;
    case KEY_BACK:
    case KEY_INTERRUPT:
        interrupted(watch);
        break;
    case KEY_END:
        leave(watch, 143);
        break;
    case KEY_OTHER:
        if (asking)
            answered(watch, watch->keys.letter);
        break;
    case KEY_RESIZED:
    case KEY_NONE:
        break;
    }
}

static bool take_keys(struct batch_watch *watch)
{
    bool any = false;
    for (enum key key; !watch->left && (key = keys_next(&watch->keys)) != KEY_NONE; any = true)
        take_key(watch, key);
    return any;
}

// --- Watching

static int finish(struct batch_watch *watch)
{
    CLEANUP(buf_release) struct buf text = {0};
    const json_t *status = watch->follow.status;
    int64_t failed = json_integer_value(json_object_get(status, "failed_count"));
    erase(watch);
    output_flush(&watch->out);
    if (json_integer_value(json_object_get(status, "total_count")) == 0 && !watch->made)
        fputs("runnel: the batch has no jobs\n", stderr);
    if (watch->out.is_terminal) {
        batch_append_progress(&text, status, cli_colour(watch->cli), 0);
        // The failures are told by the digest.
        struct str rest = buf_str(&text), bar = str_split(&rest, '\n');
        buf_append_str(&watch->out.buf, bar);
        buf_append_byte(&watch->out.buf, '\n');
    }
    buf_reset(&text);
    batch_append_summary(&text, status, cli_colour(watch->cli));
    buf_append_str(&watch->out.buf, buf_str(&text));
    output_flush(&watch->out);
    if (failed > 0)
        batch_print_digest(watch->cli, watch->client, watch->id);
    return watch->cancelled ? 130 : batch_exit_code(status);
}

static void wait_for_something(struct batch_watch *watch)
{
    struct pollfd fds[] = {
        {.fd = watch->keys.signals, .events = POLLIN},
        {.fd = watch->keys.raw ? watch->keys.tty : -1, .events = POLLIN},
        {.fd = watch->out.is_terminal ? -1 : watch->out.fd}, // reports when nobody reads the pipe any more
    };
    batch_follow_wait(&watch->follow, fds, ARRAY_LEN(fds), DRAW_EACH_MS);
    if (fds[1].revents & (POLLERR | POLLHUP | POLLNVAL))
        watch->keys.raw = false;
    if (fds[2].revents & (POLLERR | POLLNVAL))
        watch->out.closed = true;
}

static void turn(struct batch_watch *watch)
{
    wait_for_something(watch);
    bool keyed = take_keys(watch), changed = watch->follow.changed;
    watch->follow.changed = false;
    watch->list_due |= changed;
    if (watch->log)
        batch_log_step(watch->log);
    if (changed || keyed || (watch->out.is_terminal && clock_mono_ms() - watch->drawn_ms >= DRAW_EACH_MS))
        draw(watch);
}

static int watch_loop(struct batch_watch *watch)
{
    while (!watch->left && !watch->out.closed && !watch->follow.code && (!watch->follow.over || watch->log))
        turn(watch);
    batch_log_close(&watch->log);
    if (watch->follow.over && !watch->left)
        return finish(watch);
    if (watch->left && watch->end_code == 130 && !watch->cancelled)
        say_how_to_go_on(watch);
    return watch->left ? watch->end_code : watch->follow.code;
}

static void log_opened(void *owner)
{
    struct batch_watch *watch = owner;
    if (watch->log)
        batch_log_subscribe(watch->log);
}

static void log_message(void *owner, const char *execution_id, struct str json)
{
    struct batch_watch *watch = owner;
    if (watch->log)
        batch_log_take(watch->log, execution_id, json);
}

int batch_watch(struct cli *cli, struct client *client, const char *batch_id, bool exists)
{
    struct batch_watch watch = {.cli = cli, .client = client, .id = batch_id, .list_due = true, .made = exists};
    output_init(&watch.out, STDOUT_FILENO);
    keys_init(&watch.keys, watch.out.is_terminal);
    int code = batch_follow_init(&watch.follow, cli, client, batch_id, exists);
    watch.follow.owner = &watch;
    watch.follow.speaks = make_room;
    watch.follow.opened = log_opened;
    watch.follow.message = log_message;
    if (code == 0)
        code = watch_loop(&watch);
    keys_release(&watch.keys);
    int written = cli_finish(cli, &watch.out);
    batch_follow_release(&watch.follow);
    output_release(&watch.out);
    buf_release(&watch.shown);
    json_decref(watch.running);
    free_ptr(&watch.chosen);
    return code ? code : written;
}
