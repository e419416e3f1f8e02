// A log as it comes from the server, in whichever way: everything goes through here to the printer, and by one cursor.
#pragma once

#include "cli/chunk_stream.h"
#include "cli/cli_private.h"
#include "cli/log_printer.h"
#include "model/status.h"

struct log_state {
    bool known, connected, away; // away: it was there
    enum execution_status status;
};

struct log_reader {
    struct cli *cli;
    struct log_printer *printer;
    struct client *client;
    struct client_options options;
    struct client *exact_client; // for bytes that JSON cannot hold, while `client` is busy; NULL until needed
    struct record_parser *parser;
    struct chunk_stream chunks;
    struct buf line; // an unfinished line of NDJSON
    const char *execution_id;
    const char *position; // where to begin: "from=0", "tail=5", "since=…"
    const char *filters;  // "" or "&name=value…"
    bool has_until;       // nothing that is later is wanted, so following ends when it has passed
    int64_t until_ms;     // real time
    char incarnation[32]; // that the position is from
    char answering[32]; // that of the store which answers now; taken over with the first that is heard, which tells of
                        // a gap
    // The chunk that exact bytes were last taken from.
    struct chunk *exact;
    uint64_t exact_first;

    const char *name; // in what is said about it, when there are several; or NULL
    struct log_state state;
    bool ends_when_lost, gave_up; // following ends when the execution is lost
    bool reached;                 // the server has answered before
    bool lost_told;               // the notice of the present loss was given
    unsigned failures;            // tries in a row without anything
    bool progress;                // records came since the present try began
    bool broke_off;               // the present try was answered, and then cut
    bool foreign;                 // the present try was refused by something that is no Runnel server
    struct buf refusal;           // what a server said that cannot serve now, until it can
    bool complete;                // the log has ended and all of it was printed
    char *status;                 // of the job, when complete
    bool has_exit_code;
    int job_exit_code;
    int fatal; // an error that no further try can mend
    struct buf fatal_text;
};

int log_reader_init(struct log_reader *reader, struct cli *cli, struct log_printer *printer, const char *execution_id);
void log_reader_release(struct log_reader *reader);

// Everything that follows the cursor, up to the log's present end, tried again until it is whole. 0 or an exit code.
int log_reader_read(struct log_reader *reader);
// Until the log has ended, or nobody reads any more. 0 or an exit code.
int log_reader_follow(struct log_reader *reader);

// --- Between the ways of reading (log_reader.c, log_follow.c)

// "…&name=value" of where to go on, filters and incarnation.
void log_reader_append_query(const struct log_reader *reader, struct buf *path);
// One object: a record, or what a follower is told. False when reading should stop.
bool log_reader_object(struct log_reader *reader, struct str json);
enum log_pass {
    LOG_PASS_WHOLE, // the answer came to its end
    LOG_PASS_CUT,   // it did not, or there was none
    LOG_PASS_STOP,  // fatal, complete, or nobody reads
};
// One GET …/logs as NDJSON or as chunks.
enum log_pass log_reader_pass(struct log_reader *reader, const char *format, bool follow, uint64_t idle_ms);
// Asks for the status: complete, if the log is sealed and was read to its end. LOG_PASS_CUT when there was no answer.
enum log_pass log_reader_ask_status(struct log_reader *reader);
// The answer has the form of a Runnel server's refusal.
bool log_reader_is_ours(const struct client_response *response);
// A try ended without being whole. Tells it once, and waits before the next one: not at all at first. False: nobody
// reads any more.
bool log_reader_wait_retry(struct log_reader *reader, bool notice);
bool log_reader_wait(struct log_reader *reader, uint64_t ms); // false: nobody reads any more
bool log_reader_error_is_final(int err);
// Status and runner as they are now; says on stderr what that means to who follows.
void log_reader_take_state(struct log_reader *reader, const char *status_text, bool connected);
void log_reader_say(const struct log_reader *reader, const char *text); // "runnel: …" on stderr
bool log_reader_until_passed(const struct log_reader *reader);
// At most so long, but not beyond that moment.
uint64_t log_reader_wait_most(const struct log_reader *reader, uint64_t ms);
