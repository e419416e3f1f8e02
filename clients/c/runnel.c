// librunnel. It depends on nothing but libc, and keeps one connection for the process.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include "runnel.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define TEXT_MAX   ((size_t)512 * 1024) // of one call, as JSON
#define ANSWER_MAX 4096
#define ERROR_MAX  512
#define EXPORTED   __attribute__((visibility("default")))

static struct connection {
    pthread_mutex_t lock;
    int fd;
    pid_t owner;       // a child made by fork must not speak on its parent's connection
    int64_t silent_ms; // until then the runner is not asked again
} connection = {.lock = PTHREAD_MUTEX_INITIALIZER, .fd = -1};

static __thread char last_error[ERROR_MAX];

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int fail(int result, const char *text)
{
    size_t len = strnlen(text, sizeof(last_error) - 1);
    memcpy(last_error, text, len);
    last_error[len] = '\0';
    return result;
}

// --- JSON

struct text {
    char *data;
    size_t len, capacity;
    bool failed; // too long, or no memory
};

static void put(struct text *text, const char *data, size_t len)
{
    if (text->failed || text->len + len > TEXT_MAX) {
        text->failed = true;
        return;
    }
    if (text->len + len > text->capacity) {
        size_t capacity = (text->len + len) * 2 + 256;
        char *grown = realloc(text->data, capacity);
        if (!grown) {
            text->failed = true;
            return;
        }
        text->data = grown;
        text->capacity = capacity;
    }
    memcpy(text->data + text->len, data, len);
    text->len += len;
}

static void put_text(struct text *text, const char *s)
{
    put(text, s, strlen(s));
}

// Length of the UTF-8 character at `s`, which ends with NUL; 0 if it is none.
static size_t character(const unsigned char *s)
{
    static const struct {
        unsigned char mask, bits;
        unsigned least;
    } kinds[] = {{0x80, 0x00, 0}, {0xe0, 0xc0, 0x80}, {0xf0, 0xe0, 0x800}, {0xf8, 0xf0, 0x10000}};
    for (size_t i = 0; i < 4; i++) {
        if ((s[0] & kinds[i].mask) != kinds[i].bits)
            continue;
        unsigned code = s[0] & (unsigned char)~kinds[i].mask;
        for (size_t j = 1; j <= i; j++) {
            if ((s[j] & 0xc0) != 0x80)
                return 0;
            code = code << 6 | (s[j] & 0x3fu);
        }
        bool valid = code >= kinds[i].least && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
        return valid ? i + 1 : 0;
    }
    return 0;
}

static void put_string(struct text *text, const char *s, size_t len)
{
    put_text(text, "\"");
    for (size_t at = 0; at < len;) {
        const unsigned char *c = (const unsigned char *)s + at;
        size_t whole = character(c);
        char escaped[8];
        if (whole == 0 || whole > len - at) {
            put_text(text, "\xef\xbf\xbd");
            at++;
        } else if (whole > 1 || (*c >= ' ' && *c != '"' && *c != '\\')) {
            put(text, s + at, whole);
            at += whole;
        } else {
            snprintf(escaped, sizeof(escaped), "\\u%04x", *c);
            put_text(text, escaped);
            at++;
        }
    }
    put_text(text, "\"");
}

static void put_name(struct text *text, const char *name)
{
    if (text->len > 0 && text->data[text->len - 1] != '{')
        put_text(text, ",");
    put_text(text, "\"");
    put_text(text, name);
    put_text(text, "\":");
}

static void add_text(struct text *text, const char *name, const char *value)
{
    if (!value)
        return;
    put_name(text, name);
    put_string(text, value, strlen(value));
}

// In thousandths, so that the locale's decimal point does not matter.
static void add_number(struct text *text, const char *name, double value, bool present)
{
    char number[64];
    if (!present || !(value >= 0 && value < 1e12))
        return;
    long long whole = (long long)(value * 1000 + 0.5);
    snprintf(number, sizeof(number), "%lld.%03lld", whole / 1000, whole % 1000);
    put_name(text, name);
    put_text(text, number);
}

static void add_integer(struct text *text, const char *name, int value)
{
    char number[16];
    if (value == 0)
        return;
    snprintf(number, sizeof(number), "%d", value);
    put_name(text, name);
    put_text(text, number);
}

static void add_flag(struct text *text, const char *name, int value)
{
    if (!value)
        return;
    put_name(text, name);
    put_text(text, "true");
}

// In JSON a newline can only stand between values.
static void add_json(struct text *text, const char *name, const char *json)
{
    if (!json)
        return;
    put_name(text, name);
    for (; *json; json++)
        put(text, *json == '\n' || *json == '\r' ? " " : json, 1);
}

static void add_message(struct text *text, const char *message, size_t len)
{
    put_name(text, "message");
    put_string(text, message, len);
}

static void add_record(struct text *text, const struct runnel_record *record)
{
    static const char *const levels[] = {NULL, "DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"};
    size_t level = (size_t)record->level;
    put_text(text, "{");
    if (record->message)
        add_message(text, record->message, strlen(record->message));
    add_text(text, "level", level < sizeof(levels) / sizeof(levels[0]) ? levels[level] : NULL);
    add_text(text, "stream", record->stream);
    add_text(text, "event_type", record->event_type);
    add_text(text, "category", record->category);
    add_text(text, "node_id", record->node_id);
    add_text(text, "node_name", record->node_name);
    add_text(text, "node_type", record->node_type);
    add_integer(text, "step_number", record->step_number);
    add_integer(text, "total_steps", record->total_steps);
    add_number(text, "progress_percentage", record->progress, record->has_progress);
    add_number(text, "duration_seconds", record->duration_seconds, record->duration_seconds > 0);
    add_text(text, "user_friendly_message", record->user_friendly_message);
    add_integer(text, "display_priority", record->display_priority);
    add_flag(text, "is_milestone", record->is_milestone);
    add_flag(text, "continues", record->continues);
    add_json(text, "data", record->data);
    add_text(text, "stack_trace", record->stack_trace);
    add_text(text, "producer", record->producer);
    put_text(text, "}");
}

// --- The connection. Its lock is held.

static void disconnect(void)
{
    if (connection.fd >= 0)
        close(connection.fd);
    connection.fd = -1;
}

// A path that is too long for an address goes through the descriptor of its folder: *ret_folder, or else -1.
static bool make_address(const char *path, struct sockaddr_un *ret, int *ret_folder)
{
    const char *slash = strrchr(path, '/');
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    *ret_folder = -1;
    if (strlen(path) >= sizeof(ret->sun_path)) {
        char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
        *ret_folder = folder ? open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
        free(folder);
        if (*ret_folder < 0)
            return false;
    }
    int len = *ret_folder < 0
                  ? snprintf(ret->sun_path, sizeof(ret->sun_path), "%s", path)
                  : snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", *ret_folder, slash + 1);
    return len < (int)sizeof(ret->sun_path);
}

static int connect_to(int fd, const char *path)
{
    struct sockaddr_un address;
    int folder, err = ENAMETOOLONG, result = -1;
    if (make_address(path, &address, &folder)) {
        result = connect(fd, (struct sockaddr *)&address, sizeof(address));
        err = errno;
    }
    if (folder >= 0)
        close(folder);
    errno = err;
    return result;
}

static int connect_socket(void)
{
    const char *path = getenv("RUNNEL_SOCKET");
    if (connection.fd >= 0 && connection.owner != getpid())
        disconnect();
    if (connection.fd >= 0)
        return RUNNEL_OK;
    if (!path || !*path)
        return fail(RUNNEL_NO_SOCKET, "RUNNEL_SOCKET names no socket");
    connection.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    connection.owner = getpid();
    if (connection.fd >= 0 && connect_to(connection.fd, path) == 0)
        return RUNNEL_OK;
    int result = errno == EAGAIN ? RUNNEL_TIMEOUT : RUNNEL_NO_SOCKET;
    disconnect();
    return fail(result, result == RUNNEL_TIMEOUT ? "the runner takes no connections now" : "nobody listens any more");
}

// Waits until the socket is ready. False at the deadline.
static bool wait_for(short events, int64_t deadline)
{
    for (;;) {
        struct pollfd poll_fd = {.fd = connection.fd, .events = events};
        int64_t left = deadline - now_ms();
        int ready = left > 0 ? poll(&poll_fd, 1, (int)left) : 0;
        if (ready > 0)
            return true;
        if (ready == 0 || errno != EINTR)
            return false;
    }
}

static int send_text(const char *data, size_t len, int64_t deadline)
{
    while (len > 0) {
        ssize_t put_len = send(connection.fd, data, len, MSG_NOSIGNAL);
        if (put_len > 0) {
            data += put_len;
            len -= (size_t)put_len;
        } else if (errno != EAGAIN && errno != EINTR) {
            return fail(RUNNEL_NO_SOCKET, "the runner has ended");
        } else if (errno == EAGAIN && !wait_for(POLLOUT, deadline)) {
            return fail(RUNNEL_TIMEOUT, "the runner does not read");
        }
    }
    return RUNNEL_OK;
}

static int hear_answer(int64_t deadline)
{
    char answer[ANSWER_MAX + 1];
    size_t len = 0;
    while (len == 0 || answer[len - 1] != '\n') {
        ssize_t got = len < ANSWER_MAX ? recv(connection.fd, answer + len, ANSWER_MAX - len, 0) : 0;
        if (got > 0)
            len += (size_t)got;
        else if (got == 0 || (errno != EAGAIN && errno != EINTR))
            return fail(RUNNEL_NO_SOCKET, "the runner ended before it answered; whether it was recorded is not known");
        else if (errno == EAGAIN && !wait_for(POLLIN, deadline))
            return fail(RUNNEL_TIMEOUT, "the runner does not answer; whether it was recorded is not known");
    }
    answer[len - 1] = '\0';
    return strstr(answer, "\"error\"") ? fail(RUNNEL_REFUSED, answer) : RUNNEL_OK;
}

static int exchange(const struct text *text)
{
    if (now_ms() < connection.silent_ms)
        return fail(RUNNEL_TIMEOUT, "the runner did not answer a moment ago");
    int64_t deadline = now_ms() + RUNNEL_TIMEOUT_MS;
    int result = connect_socket();
    if (result == RUNNEL_OK)
        result = send_text(text->data, text->len, deadline);
    if (result == RUNNEL_OK)
        result = hear_answer(deadline);
    if (result == RUNNEL_TIMEOUT)
        connection.silent_ms = now_ms() + RUNNEL_PAUSE_MS;
    if (result == RUNNEL_TIMEOUT || result == RUNNEL_NO_SOCKET)
        disconnect();
    return result;
}

static int deliver(struct text *text)
{
    int saved = errno;
    int result = RUNNEL_TOO_LONG;
    last_error[0] = '\0';
    put_text(text, "]\n");
    if (text->failed) {
        fail(result, "the record takes more than 512 KiB");
    } else {
        pthread_mutex_lock(&connection.lock);
        result = exchange(text);
        pthread_mutex_unlock(&connection.lock);
    }
    free(text->data);
    errno = saved;
    return result;
}

// --- What programs call

EXPORTED int runnel_available(void)
{
    const char *path = getenv("RUNNEL_SOCKET");
    return path && *path;
}

EXPORTED int runnel_emit_all(const struct runnel_record *records, size_t count)
{
    struct text text = {0};
    if (!runnel_available())
        return fail(RUNNEL_NO_SOCKET, "RUNNEL_SOCKET names no socket");
    if (count == 0)
        return RUNNEL_OK;
    put_text(&text, "[");
    for (size_t i = 0; i < count; i++) {
        struct text one = {0};
        add_record(&one, &records[i]);
        text.failed |= one.failed;
        if (i > 0)
            put_text(&text, ",");
        put(&text, one.data ? one.data : "", one.len);
        free(one.data);
    }
    return deliver(&text);
}

EXPORTED int runnel_emit(const struct runnel_record *record)
{
    return runnel_emit_all(record, 1);
}

static void add_lines(struct text *text, enum runnel_level level, char *message)
{
    bool first = true;
    for (char *line = message; line; first = false) {
        char *end = strchr(line, '\n');
        if (end)
            *end = '\0';
        struct text one = {0};
        add_record(&one, &(struct runnel_record){.message = line, .level = level, .continues = !first});
        text->failed |= one.failed;
        put_text(text, first ? "[" : ",");
        put(text, one.data ? one.data : "", one.len);
        free(one.data);
        line = end && end[1] ? end + 1 : NULL;
    }
}

EXPORTED int runnel_vlog(enum runnel_level level, const char *format, va_list arguments)
{
    struct text text = {0};
    char *message = NULL;
    if (!runnel_available())
        return fail(RUNNEL_NO_SOCKET, "RUNNEL_SOCKET names no socket");
    if (vasprintf(&message, format, arguments) < 0)
        return fail(RUNNEL_TOO_LONG, "there is no memory for the text");
    add_lines(&text, level, message);
    free(message);
    return deliver(&text);
}

EXPORTED int runnel_log(enum runnel_level level, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int result = runnel_vlog(level, format, arguments);
    va_end(arguments);
    return result;
}

EXPORTED int runnel_progress(double percent, const char *message)
{
    return runnel_emit(&(struct runnel_record){
        .message = message, .event_type = "node_progress", .has_progress = 1, .progress = percent});
}

EXPORTED const char *runnel_last_error(void)
{
    return last_error;
}

EXPORTED void runnel_close(void)
{
    pthread_mutex_lock(&connection.lock);
    disconnect();
    pthread_mutex_unlock(&connection.lock);
}

EXPORTED const char *runnel_version(void)
{
    return RUNNEL_VERSION;
}
