// Records of one execution on stdout, in one of three forms. Each is printed once: what lies below the cursor is left
// out.
#pragma once

#include "cli/log_line.h"
#include "cli/output.h"

enum log_form {
    LOG_FORM_BYTES, // the job's output exactly as it was
    LOG_FORM_LINES, // [10:30:15] [stdout] message
    LOG_FORM_JSON,
    LOG_FORM_COUNT, // the number of lines, at the end
};

struct log_select;

// A line that is printed only when it is whole.
struct log_held {
    struct buf text;
    int64_t time_ms; // of its first record
    bool any;
};

struct log_printer {
    enum log_form form;
    struct log_line lines[2]; // LOG_FORM_LINES, on stdout and stderr
    bool exact;               // bytes that are not UTF-8 go out as they are
    bool events;              // LOG_FORM_BYTES: events, too, each on a line
    bool split;               // stderr records go to `err`
    struct output out, err;
    char *execution_id;
    // Before each line; then only whole lines are printed, as other logs go to the same place. NULL: none.
    char *prefix;
    struct log_held held[STREAM_COUNT];
    uint64_t count;                // of lines, LOG_FORM_COUNT
    bool count_open[STREAM_COUNT]; // a further one has begun
    struct log_select *select;     // what is printed of what comes; NULL: all. Owned.
    bool any;                      // something is known about where it stands:
    uint64_t next;                 // the next sequence number wanted
};

void log_printer_init(struct log_printer *printer, const char *execution_id);
void log_printer_release(struct log_printer *printer);
void log_printer_lines(struct log_printer *printer, bool colour, bool utc); // LOG_FORM_LINES
// True if the record was not printed before; then the cursor is behind it.
bool log_printer_wants(const struct log_printer *printer, uint64_t sequence_number);
// `json` is the record's object as it came, or empty: then it is made.
void log_printer_record(struct log_printer *printer, uint64_t sequence_number, const struct record *record,
                        struct str json);
// Hands a record on that was selected; `record` NULL: something was left out here (log_select_fn).
void log_printer_show(void *printer, uint64_t sequence_number, const struct record *record, struct str json);
void log_printer_moved(struct log_printer *printer, uint64_t next); // what lies below `next` was looked at
void log_printer_flush(struct log_printer *printer);
// Nothing more comes: lines that go on end here.
void log_printer_finish(struct log_printer *printer);
bool log_printer_ended(const struct log_printer *printer); // nobody reads any more
