#include "cli/batch_watch.h"

#include "cli/batch_display.h"
#include "cli/terminal.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define POLL_MS       2000 // also how often the display is drawn anew at least
#define POLL_SOON_MS  250  // while it changes
#define DIGEST_MOST   200  // failures that are looked at
#define DIGEST_GROUPS 10
#define LAST_LINE_MAX 200

struct batch_watch {
    struct cli *cli;
    struct client *client;
    const char *id;
    struct output out;
    size_t lines;     // of the bar that stands on the terminal
    struct buf shown; // the last line on a pipe
    int signals;      // readable when Ctrl-C came; -1: not looked at
};

static int get_status(struct batch_watch *watch, json_t **ret)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s/status", watch->id);
    return cli_get_json(watch->cli, watch->client, path, ret);
}

// --- Drawing

static void erase(struct batch_watch *watch)
{
    if (watch->lines > 0)
        buf_printf(&watch->out.buf, "\033[%zuA\033[J", watch->lines);
    watch->lines = 0;
}

static void draw(struct batch_watch *watch, const json_t *status)
{
    CLEANUP(buf_release) struct buf text = {0};
    size_t width = 0, height = 0;
    if (watch->out.is_terminal) {
        output_terminal_size(watch->out.fd, &width, &height);
        batch_append_progress(&text, status, cli_colour(watch->cli), width);
        erase(watch);
        for (size_t i = 0; i < text.len; i++)
            watch->lines += text.data[i] == '\n';
        buf_append_str(&watch->out.buf, buf_str(&text));
    } else {
        batch_append_line(&text, status);
        struct str counts = buf_str(&text), before = buf_str(&watch->shown);
        // What only time changes is no change.
        struct str now = str_split(&counts, '|'), then = str_split(&before, '|');
        if (!str_eq(now, then))
            buf_append_str(&watch->out.buf, buf_str(&text));
        buf_reset(&watch->shown);
        buf_append_str(&watch->shown, buf_str(&text));
    }
    output_flush(&watch->out);
}

// --- Ctrl-C

static int open_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGWINCH);
    sigprocmask(SIG_BLOCK, &set, NULL);
    return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

static void close_signals(struct batch_watch *watch)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGWINCH);
    close_fd(&watch->signals);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

// True if Ctrl-C came meanwhile.
static bool wait_for_change(struct batch_watch *watch, int ms)
{
    struct signalfd_siginfo info;
    struct pollfd fds[] = {{.fd = watch->signals, .events = POLLIN}, {.fd = watch->out.fd, .events = 0}};
    bool interrupted = false;
    poll(fds, watch->out.is_terminal ? 1 : 2, ms);
    while (watch->signals >= 0 && read(watch->signals, &info, sizeof(info)) == sizeof(info))
        interrupted |= info.ssi_signo == SIGINT;
    if (fds[1].revents & (POLLERR | POLLHUP))
        watch->out.closed = true;
    return interrupted;
}

static int cancel(struct batch_watch *watch)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/batches/%s/cancel", watch->id);
    CLEANUP(json_free) json_t *answer = NULL;
    int code = cli_call_json(watch->cli, watch->client, "POST", path, str_n(NULL, 0), &answer);
    if (code == 0)
        fprintf(stderr, "runnel: batch %s is cancelled\n", watch->id);
    return code;
}

// True if the watching is over.
static bool ask(struct batch_watch *watch)
{
    char answer[16] = "";
    if (!isatty(STDIN_FILENO) || !isatty(STDERR_FILENO)) {
        fprintf(stderr, "runnel: the batch goes on; runnel batch watch %s shows it, runnel batch cancel %s ends it\n",
                watch->id, watch->id);
        return true;
    }
    fputs("\nLeave the batch running (l), cancel it (c), or go on watching (w)? ", stderr);
    if (!fgets(answer, sizeof(answer), stdin))
        return true;
    if ((answer[0] | 0x20) == 'c') {
        cancel(watch);
        return true;
    }
    watch->lines = 0;
    return (answer[0] | 0x20) != 'w';
}

// --- Watching

static int finish(struct batch_watch *watch, const json_t *status)
{
    CLEANUP(buf_release) struct buf text = {0};
    int64_t failed = json_integer_value(json_object_get(status, "failed_count"));
    if (json_integer_value(json_object_get(status, "total_count")) == 0)
        fputs("runnel: the batch has no jobs\n", stderr);
    erase(watch);
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
        batch_print_digest(watch->cli, watch->client, watch->id, failed);
    return batch_exit_code(status);
}

static int watch_loop(struct batch_watch *watch)
{
    for (;;) {
        CLEANUP(json_free) json_t *status = NULL;
        int code = get_status(watch, &status);
        if (code)
            return code;
        if (batch_over(status))
            return finish(watch, status);
        draw(watch, status);
        if (watch->out.closed)
            return 0;
        bool runs = json_integer_value(json_object_get(status, "running_count")) > 0;
        if (wait_for_change(watch, runs ? POLL_SOON_MS : POLL_MS) && ask(watch))
            return 130;
    }
}

int batch_watch(struct cli *cli, struct client *client, const char *batch_id)
{
    struct batch_watch watch = {.cli = cli, .client = client, .id = batch_id, .signals = open_signals()};
    output_init(&watch.out, STDOUT_FILENO);
    int code = watch_loop(&watch);
    int written = cli_finish(cli, &watch.out);
    output_release(&watch.out);
    buf_release(&watch.shown);
    close_signals(&watch);
    return code ? code : written;
}

// --- What failed, and how

struct group {
    char *line, *example;
    int64_t exit_code; // -1: none
    char *status;
    size_t count;
};

struct digest {
    struct group groups[DIGEST_MOST];
    size_t count;
};

static void digest_release(struct digest *digest)
{
    for (size_t i = 0; i < digest->count; i++) {
        free(digest->groups[i].line);
        free(digest->groups[i].example);
        free(digest->groups[i].status);
    }
}

static char *last_line(struct cli *cli, struct client *client, const char *id)
{
    CLEANUP(free_ptr) char *path = xasprintf("/api/v1/executions/%s/logs?tail=1&stream=stderr", id);
    CLEANUP(json_free) json_t *page = NULL;
    if (cli_get_json(cli, client, path, &page))
        return xstrdup("");
    const json_t *record = json_array_get(json_object_get(page, "logs"), 0);
    const char *message = json_string_value(json_object_get(record, "message"));
    return xstrndup(message ? message : "", message ? MIN(strlen(message), (size_t)LAST_LINE_MAX) : 0);
}

static void digest_add(struct digest *digest, const json_t *execution, char *line)
{
    const json_t *code = json_object_get(execution, "exit_code");
    int64_t exit_code = json_is_integer(code) ? (int64_t)json_integer_value(code) : -1;
    const char *status = json_string_value(json_object_get(execution, "status"));
    for (size_t i = 0; i < digest->count; i++) {
        struct group *group = &digest->groups[i];
        if (group->exit_code != exit_code || strcmp(group->status, status) != 0 || strcmp(group->line, line) != 0)
            continue;
        group->count++;
        free(line);
        return;
    }
    digest->groups[digest->count++] = (struct group){
        .line = line,
        .example = xstrdup(json_string_value(json_object_get(execution, "execution_id"))),
        .exit_code = exit_code,
        .status = xstrdup(status),
        .count = 1,
    };
}

static int by_count(const void *a, const void *b)
{
    const struct group *x = a, *y = b;
    return (x->count < y->count) - (x->count > y->count);
}

static void digest_print(const struct digest *digest, int64_t failed, size_t looked_at)
{
    CLEANUP(buf_release) struct buf text = {0};
    buf_append_text(&text, "\nFailures:\n");
    for (size_t i = 0; i < MIN(digest->count, (size_t)DIGEST_GROUPS); i++) {
        const struct group *group = &digest->groups[i];
        buf_printf(&text, "  %zu × ", group->count);
        if (group->exit_code >= 0)
            buf_printf(&text, "exit code %lld", (long long)group->exit_code);
        else
            buf_append_text(&text, group->status);
        if (group->line[0]) {
            buf_append_text(&text, ": ");
            terminal_append(&text, str_of(group->line));
        }
        buf_printf(&text, "\n      runnel logs %s\n", group->example);
    }
    if (digest->count > DIGEST_GROUPS)
        buf_printf(&text, "  and %zu other kinds\n", digest->count - DIGEST_GROUPS);
    if ((int64_t)looked_at < failed)
        buf_printf(&text, "  (of the latest %zu)\n", looked_at);
    fputs(buf_cstr(&text), stdout);
    fflush(stdout);
}

int batch_print_digest(struct cli *cli, struct client *client, const char *batch_id, int64_t failed)
{
    CLEANUP(digest_release) struct digest digest = {0};
    CLEANUP(json_free) json_t *list = NULL;
    CLEANUP(buf_release) struct buf path = {0};
    buf_append_text(&path, "/api/v1/executions");
    query_append(&path, "batch_id", batch_id);
    query_append(&path, "status", "failed,timed_out,lost,cancelled");
    query_append(&path, "limit", "200");
    int code = cli_get_json(cli, client, buf_cstr(&path), &list);
    const json_t *executions = json_object_get(list, "executions");
    size_t looked_at = 0;
    for (size_t i = 0; code == 0 && i < json_array_size(executions) && i < DIGEST_MOST; i++) {
        const json_t *execution = json_array_get(executions, i);
        if (json_is_string(json_object_get(execution, "retried_as")))
            continue; // another attempt counts
        digest_add(&digest, execution,
                   last_line(cli, client, json_string_value(json_object_get(execution, "execution_id"))));
        looked_at++;
    }
    qsort(digest.groups, digest.count, sizeof(digest.groups[0]), by_count);
    if (looked_at > 0)
        digest_print(&digest, failed, looked_at);
    return code;
}
