// Records of one execution on stdout, in one of three forms. Each is printed once: what lies below the cursor is left out.
#pragma once

#include "cli/output.h"
#include "model/record.h"

enum log_form {
    LOG_FORM_BYTES, // the job's output exactly as it was
    LOG_FORM_LINES, // [10:30:15] [stdout] message
    LOG_FORM_JSON,
};

struct log_printer {
    enum log_form form;
    bool colour;
    bool escape; // the lines go to a terminal
    bool events; // LOG_FORM_BYTES: events, too, each on a line
    bool split;  // stderr records go to `err`
    struct output out, err;
    char *execution_id;
    bool any;      // something is known about where it stands:
    uint64_t next; // the next sequence number wanted
};

void log_printer_init(struct log_printer *printer, const char *execution_id);
void log_printer_release(struct log_printer *printer);
// True if the record was not printed before; then the cursor is behind it.
bool log_printer_wants(const struct log_printer *printer, uint64_t sequence_number);
// `json` is the record's object as it came, or empty: then it is made.
void log_printer_record(struct log_printer *printer, uint64_t sequence_number, const struct record *record,
                        struct str json);
void log_printer_moved(struct log_printer *printer, uint64_t next); // what lies below `next` was looked at
void log_printer_flush(struct log_printer *printer);
bool log_printer_ended(const struct log_printer *printer); // nobody reads any more, or writing fails
