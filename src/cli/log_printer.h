// Writes the records of one execution to stdout, in one of three forms. Each is printed once: records below the cursor
// are skipped.
#pragma once

#include "cli/log_line.h"
#include "cli/output.h"

enum log_form {
    LOG_FORM_BYTES, // the job's output, exactly as it was
    LOG_FORM_LINES, // [10:30:15] [stdout] message
    LOG_FORM_JSON,
    LOG_FORM_COUNT, // only the number of lines, at the end
};

struct log_select;

// A line that is printed when it is complete.
struct log_held {
    struct buf text;
    int64_t time_ms; // time of its first record
    bool any;
};

struct log_printer {
    enum log_form form;
    struct log_line lines[2]; // LOG_FORM_LINES, on stdout and stderr
    bool exact;               // bytes that are not UTF-8 are written unchanged
    bool events;              // for LOG_FORM_BYTES: events are printed, too, each on a line
    bool split;               // records of stderr go to `err`
    struct output out, err;
    char *execution_id;
    // Text before each line. With a prefix, only complete lines are printed, because other logs go to the same place.
    // NULL: none.
    char *prefix;
    struct log_held held[STREAM_COUNT];
    uint64_t count;                // of lines, for LOG_FORM_COUNT
    bool count_open[STREAM_COUNT]; // another line has begun
    struct log_select *select;     // chooses what is printed; NULL: everything. Owned.
    bool any;                      // the position is known:
    uint64_t next;                 // the next sequence number wanted
};

void log_printer_init(struct log_printer *printer, const char *execution_id);
void log_printer_release(struct log_printer *printer);
void log_printer_lines(struct log_printer *printer, bool colour, bool utc); // for LOG_FORM_LINES
// True if the record was not printed before. Then the cursor moves behind it.
bool log_printer_wants(const struct log_printer *printer, uint64_t sequence_number);
// `json` is the record's object as it came; if it is empty, it is made.
void log_printer_record(struct log_printer *printer, uint64_t sequence_number, const struct record *record,
                        struct str json);
// Prints a record that was selected. `record` NULL: something was left out here (log_select_fn).
void log_printer_show(void *printer, uint64_t sequence_number, const struct record *record, struct str json);
void log_printer_moved(struct log_printer *printer, uint64_t next); // tells that everything below `next` was looked at
void log_printer_flush(struct log_printer *printer);
// Nothing more comes: open lines end here.
void log_printer_finish(struct log_printer *printer);
bool log_printer_ended(const struct log_printer *printer); // nobody reads the output any more
