// Follows a log: by WebSocket; if that is blocked, by one long HTTP answer; if that is blocked, too, by asking again
// and again. All three continue from the same cursor, so a change between them loses nothing and repeats nothing.
#include "cli/log_reader.h"
#include "util/clock.h"

#include <poll.h>

#define DEAD_LINE_MS   60000 // the server pings every 20 s
#define STREAM_IDLE_MS 30000
#define POLL_EACH_MS   10000
#define LOOK_EACH_MS   1000
#define GOOD_MS        10000 // an attempt that lasted so long counts as good

enum way { WAY_WEBSOCKET, WAY_STREAM, WAY_POLL };

// The result of one attempt.
enum outcome {
    OUTCOME_DONE,    // complete, or fatal, or nobody reads
    OUTCOME_LOST,    // the connection was lost after it had been good
    OUTCOME_BLOCKED, // this way does not work here
    OUTCOME_WAITING, // polling: everything so far was read, and the log goes on
};

// --- WebSocket

struct listening {
    struct log_reader *reader;
    bool stop;
};

static void take_message(void *arg, int opcode, struct str data)
{
    struct listening *listening = arg;
    (void)opcode;
    if (!listening->stop)
        listening->stop = !log_reader_object(listening->reader, data);
}

// Takes a close code. After some codes a new attempt is useless.
static void take_close(struct log_reader *reader, unsigned code)
{
    static const struct {
        unsigned code;
        int err;
        const char *text; // NULL: the error's own text
    } closes[] = {
        {4401, ERR_UNAUTHORIZED, NULL},
        {4403, ERR_FORBIDDEN, NULL},
        {4404, ERR_NOT_FOUND, "no such execution"},
        {4410, ERR_EXPIRED, NULL},
    };
    for (size_t i = 0; i < ARRAY_LEN(closes); i++) {
        if (closes[i].code != code)
            continue;
        reader->fatal = closes[i].err;
        buf_append_text(&reader->fatal_text, closes[i].text ? closes[i].text : error_text(closes[i].err));
    }
}

static bool wait_for_frames(struct log_reader *reader, struct client_ws *ws)
{
    struct pollfd watched[2] = {
        {.fd = client_ws_fd(ws), .events = (short)(POLLIN | (client_ws_pending(ws) > 0 ? POLLOUT : 0))},
        {.fd = reader->printer->out.fd}, // reports an error when nobody reads the pipe any more
    };
    poll(watched, 2, (int)log_reader_wait_most(reader, LOOK_EACH_MS));
    if (watched[1].revents & (POLLERR | POLLNVAL)) {
        reader->printer->out.closed = true;
        return false;
    }
    if (watched[0].revents & POLLOUT)
        client_ws_flush(ws);
    return clock_mono_ms() - client_ws_last_receive_ms(ws) < DEAD_LINE_MS;
}

static void listen_to(struct log_reader *reader, struct client_ws *ws)
{
    struct listening listening = {.reader = reader};
    unsigned code = 0;
    for (;;) {
        int err = client_ws_receive(ws, take_message, &listening, &code);
        log_printer_flush(reader->printer);
        if (listening.stop || log_printer_ended(reader->printer) || log_reader_until_passed(reader))
            return;
        if (err == ERR_CLOSED)
            take_close(reader, code);
        if (err || !wait_for_frames(reader, ws))
            return;
        log_waits_look(reader);
    }
}

static bool is_over(const struct log_reader *reader)
{
    return reader->complete || reader->fatal || log_printer_ended(reader->printer) || reader->gave_up ||
           log_reader_until_passed(reader);
}

static enum outcome follow_websocket(struct log_reader *reader)
{
    CLEANUP(buf_release) struct buf path = {0};
    CLEANUP(client_response_release) struct client_response response = {0};
    struct client_ws *ws = NULL;
    buf_printf(&path, "/ws/executions/%s/logs?", reader->execution_id);
    size_t start = path.len;
    log_reader_append_query(reader, &path);
    memmove(path.data + start, path.data + start + 1, path.len - start - 1); // removes the first '&'
    path.len--;

    reader->progress = false;
    int err = client_ws_open(&reader->options, buf_cstr(&path), NULL, &response, &ws);
    if (err == 0) {
        reader->reached = true;
        buf_reset(&reader->refusal);
        if (response.incarnation[0])
            memcpy(reader->answering, response.incarnation, sizeof(reader->answering));
        listen_to(reader, ws);
        client_ws_close(&ws, 1000);
        return is_over(reader) ? OUTCOME_DONE : OUTCOME_LOST;
    }
    // A proxy that does not know WebSocket gives a foreign answer, or none; or it passes on the request without its
    // upgrade.
    if (err == ERR_UPGRADE)
        return OUTCOME_BLOCKED;
    bool ours = log_reader_is_ours(&response);
    if (ours) {
        struct buf *text = log_reader_error_is_final(err) ? &reader->fatal_text : &reader->refusal;
        buf_reset(text);
        client_response_error(&response, text);
        reader->fatal = log_reader_error_is_final(err) ? err : 0;
        reader->reached = true;
    } else if (response.status == 0 && err == ERR_WRONG_SERVER) { // the other ways would get the same answer
        buf_printf(&reader->fatal_text, "%s: %s", reader->options.url, client_cause(&response, err));
        reader->fatal = err;
    }
    return is_over(reader) ? OUTCOME_DONE : reader->reached ? OUTCOME_LOST : OUTCOME_BLOCKED;
}

// --- HTTP

static enum outcome follow_poll_once(struct log_reader *reader)
{
    enum log_pass pass = log_reader_poll(reader, STREAM_IDLE_MS);
    return pass == LOG_PASS_STOP ? OUTCOME_DONE : pass == LOG_PASS_WHOLE ? OUTCOME_WAITING : OUTCOME_LOST;
}

// Reads one long answer. If it ends without having brought anything, the status tells whether there was something to
// bring. If there was, or if the stream is refused, then something on the way blocks long answers, and polling is used.
static enum outcome follow_stream(struct log_reader *reader, enum way *way, bool *ret_progress)
{
    enum log_pass pass =
        log_reader_pass(reader, "ndjson", true, MAX(log_reader_wait_most(reader, STREAM_IDLE_MS), (uint64_t)1));
    bool gave = reader->progress, foreign = reader->foreign;
    *ret_progress = gave;
    if (pass == LOG_PASS_STOP)
        return OUTCOME_DONE;
    if (gave)
        return OUTCOME_LOST;
    enum outcome outcome = follow_poll_once(reader);
    *ret_progress |= reader->progress;
    if (outcome == OUTCOME_WAITING && (foreign || reader->progress))
        *way = WAY_POLL;
    return outcome;
}

int log_reader_follow(struct log_reader *reader)
{
    enum way way = WAY_WEBSOCKET;
    while (!is_over(reader)) {
        enum outcome outcome = OUTCOME_LOST;
        uint64_t begun = clock_mono_ms();
        bool progress = false;
        switch (way) {
        case WAY_WEBSOCKET:
            outcome = follow_websocket(reader);
            progress = reader->progress;
            break;
        case WAY_STREAM:
            outcome = follow_stream(reader, &way, &progress);
            break;
        case WAY_POLL:
            outcome = follow_poll_once(reader);
            progress = reader->progress;
            break;
        }
        if (outcome == OUTCOME_DONE || is_over(reader))
            break;
        if (outcome == OUTCOME_BLOCKED) {
            way = WAY_STREAM;
            continue;
        }
        if (progress || clock_mono_ms() - begun >= GOOD_MS) {
            reader->failures = 0;
            reader->lost_told = false;
        }
        bool go_on = way == WAY_POLL && outcome == OUTCOME_WAITING
                         ? log_reader_wait(reader, POLL_EACH_MS)
                         : log_reader_wait_retry(reader, outcome == OUTCOME_LOST);
        if (!go_on)
            break;
    }
    // Lines that were written before that moment and had not arrived are there now.
    if ((reader->gave_up || log_reader_until_passed(reader)) && !reader->complete && !reader->fatal &&
        !log_printer_ended(reader->printer))
        return log_reader_read(reader);
    return reader->fatal ? cli_fail(reader->cli, reader->fatal, "%s", buf_cstr(&reader->fatal_text)) : 0;
}
