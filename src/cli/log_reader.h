// Reads a log from the server. All ways of reading go through here to the printer, with one cursor.
#pragma once

#include "cli/chunk_stream.h"
#include "cli/cli_private.h"
#include "cli/log_printer.h"
#include "cli/log_state.h"

// Why the job waits is told while nothing of it has come.
struct log_waits {
    bool open;             // it may still wait, and people want to know
    uint64_t due_ms;       // when to look next (clock_mono_ms)
    struct buf told;       // what was told last
    struct client *client; // the reader's is busy with the log; NULL until it is needed
};

struct log_reader {
    struct cli *cli;
    struct log_printer *printer;
    struct client *client;
    struct client_options options;
    struct client *exact_client; // for bytes that JSON cannot hold, while `client` is busy; NULL until it is needed
    struct record_parser *parser;
    struct chunk_stream chunks;
    struct buf line; // an unfinished line of NDJSON
    const char *execution_id;
    const char *position; // where to begin: "from=0", "tail=5", "since=…"
    const char *filters;  // "" or "&name=value…"
    bool has_until;       // later lines are not wanted, so following ends when the moment has passed
    int64_t until_ms;     // realtime
    char incarnation[32]; // the one that the position belongs to
    // That of the store that answers now; it becomes `incarnation` with the first record or message, which may tell a
    // gap.
    char answering[32];
    // The chunk from which exact bytes were last taken.
    struct chunk *exact;
    uint64_t exact_first;

    const char *name; // shown in messages when there are several logs; may be NULL
    struct log_state state;
    struct log_waits waits;
    bool ends_when_lost, gave_up; // ends_when_lost: following ends when the execution is lost
    bool reached;                 // the server has answered before
    bool lost_told;               // people were told about the present loss
    unsigned failures;            // attempts in a row that brought nothing
    bool progress;                // the present attempt has brought records
    bool broke_off;               // the present attempt was answered, and then cut
    bool foreign;                 // the present attempt was refused by something that is not a Runnel server
    struct buf refusal;           // what a server said that cannot serve now; emptied when it can
    bool complete;                // the log has ended and was printed completely
    char *status;                 // of the job, when complete
    bool has_exit_code;
    int job_exit_code;
    int fatal; // an error that no further attempt can mend
    struct buf fatal_text;
};

int log_reader_init(struct log_reader *reader, struct cli *cli, struct log_printer *printer, const char *execution_id);
void log_reader_release(struct log_reader *reader);

// Reads everything after the cursor, up to the present end of the log. Tries again until it is complete. Returns 0 or
// an exit code.
int log_reader_read(struct log_reader *reader);
// Follows until the log has ended or nobody reads the output any more. Returns 0 or an exit code.
int log_reader_follow(struct log_reader *reader);

// --- Between the ways of reading (log_reader.c, log_follow.c).

// Appends "…&name=value": where to continue, filters and incarnation.
void log_reader_append_query(const struct log_reader *reader, struct buf *path);
// Takes one object: a record, or something that a follower is told. Returns false when reading must stop.
bool log_reader_object(struct log_reader *reader, struct str json);
enum log_pass {
    LOG_PASS_WHOLE, // the answer came to its end
    LOG_PASS_CUT,   // the answer was cut, or there was none
    LOG_PASS_STOP,  // fatal, or complete, or nobody reads
};
// Makes one GET …/logs, as NDJSON or as chunks.
enum log_pass log_reader_pass(struct log_reader *reader, const char *format, bool follow, uint64_t idle_ms);
// Reads what there is, as NDJSON, and asks for the status. A log that is sealed by then is read once more: then the
// reader is complete. LOG_PASS_CUT: there was no whole answer to one of the questions.
enum log_pass log_reader_poll(struct log_reader *reader, uint64_t idle_ms);
// True if the answer has the form of a Runnel server's refusal.
bool log_reader_is_ours(const struct client_response *response);
// An attempt has ended too early. Says so once, and waits before the next one; the first time it does not wait. Returns
// false if nobody reads the output any more.
bool log_reader_wait_retry(struct log_reader *reader, bool notice);
bool log_reader_wait(struct log_reader *reader, uint64_t ms); // returns false if nobody reads the output any more
bool log_reader_error_is_final(int err);
// --- log_waits.c: says on stderr why the job waits, once it has done so for two seconds, and when the reason changes
void log_waits_init(struct log_waits *waits); // one that is not initialised says nothing
void log_waits_release(struct log_waits *waits);
void log_waits_look(struct log_reader *reader); // asks for the status when that is due; blocks for the answer
void log_waits_take(struct log_reader *reader, const json_t *status); // the object of …/status

// Takes the present status and runner (true, false, or null). Says on stderr what that means for people who follow.
void log_reader_take_state(struct log_reader *reader, const char *status_text, const json_t *connected);
void log_reader_say(const struct log_reader *reader, const char *text); // writes "runnel: …" to stderr
bool log_reader_until_passed(const struct log_reader *reader);
// Returns at most `ms`, but not beyond the moment `until`.
uint64_t log_reader_wait_most(const struct log_reader *reader, uint64_t ms);
