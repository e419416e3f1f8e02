// The parts of retention's rules one by one, each with its name and the text that sets it: for whoever shows them.
#pragma once

#include "model/retention.h"

enum retention_unit { RETENTION_AGE, RETENTION_COUNT, RETENTION_SIZE };

struct retention_part {
    const char *name; // a status, or executions, bytes, log_records, log_bytes
    enum retention_unit unit;
    uint64_t value; // of an age in ms; 0: for ever, or no limit
};

#define RETENTION_PARTS_MAX (STATUS_COUNT + 4)

// Returns how many there are: the same ones, in the same order, for all rules.
size_t retention_parts(const struct retention *retention, struct retention_part ret[RETENTION_PARTS_MAX]);
// Which of those parts a text sets by itself; none if it is malformed.
void retention_parts_named(struct str text, bool ret[RETENTION_PARTS_MAX]);
// As retention_parse reads it: "30d", "10000", "100G", "0".
void retention_part_append(const struct retention_part *part, struct buf *out);
