// Where the chunks of an execution are, if a store keeps them in parts (sql_statement_of): its number says so.
#pragma once

#include <stdint.h>

#define LOG_PART_BITS 32 // of the number, within its part

static inline int64_t log_part(int64_t row)
{
    return row >> LOG_PART_BITS;
}
