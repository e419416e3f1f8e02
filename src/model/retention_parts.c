#include "model/retention_parts.h"

#define UNSET UINT64_MAX // no text says so

struct unit {
    uint64_t of;
    const char *word;
};

static const struct unit ages[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
static const struct unit sizes[] = {{1ull << 40, "T"}, {1ull << 30, "G"}, {1ull << 20, "M"}, {1ull << 10, "K"}};

size_t retention_parts(const struct retention *retention, struct retention_part ret[RETENTION_PARTS_MAX])
{
    const struct retention_part limits[] = {
        {"executions", RETENTION_COUNT, retention->executions_max},
        {"bytes", RETENTION_SIZE, retention->bytes_max},
        {"log_records", RETENTION_COUNT, retention->log.records_max},
        {"log_bytes", RETENTION_SIZE, retention->log.bytes_max},
    };
    size_t count = 0;
    for (enum execution_status status = 0; status < STATUS_COUNT; status++)
        if (status_terminal(status) || status == STATUS_LOST)
            ret[count++] =
                (struct retention_part){status_word(status), RETENTION_AGE, (uint64_t)retention->age_ms[status]};
    for (size_t i = 0; i < ARRAY_LEN(limits); i++)
        ret[count++] = limits[i];
    return count;
}

void retention_parts_named(struct str text, bool ret[RETENTION_PARTS_MAX])
{
    struct retention_part parts[RETENTION_PARTS_MAX];
    struct retention set = {.executions_max = UNSET, .bytes_max = UNSET, .log = {UNSET, UNSET}};
    for (enum execution_status status = 0; status < STATUS_COUNT; status++)
        set.age_ms[status] = -1;
    retention_parse(text, &set);
    size_t count = retention_parts(&set, parts);
    for (size_t i = 0; i < count; i++)
        ret[i] = parts[i].value != UNSET;
}

void retention_part_append(const struct retention_part *part, struct buf *out)
{
    const struct unit *units = part->unit == RETENTION_AGE ? ages : sizes;
    size_t count = part->unit == RETENTION_AGE ? ARRAY_LEN(ages) : part->unit == RETENTION_SIZE ? ARRAY_LEN(sizes) : 0;
    for (size_t i = 0; i < count && part->value > 0; i++) {
        if (part->value % units[i].of != 0)
            continue;
        buf_printf(out, "%llu%s", (unsigned long long)(part->value / units[i].of), units[i].word);
        return;
    }
    buf_printf(out, "%llu", (unsigned long long)part->value);
}
