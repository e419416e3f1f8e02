#include "model/retention.h"

#include "util/clock.h"

#define PARTS_MAX 16

static bool parse_bytes(struct str text, uint64_t *ret)
{
    static const char units[] = "KMGT";
    unsigned shift = 0;
    const char *unit = text.len > 0 ? strchr(units, ascii_upper(text.data[text.len - 1])) : NULL;
    if (unit && *unit) {
        shift = 10 * (unsigned)(unit - units + 1);
        text.len--;
    }
    uint64_t number;
    if (!str_to_u64(text, &number) || number > ((uint64_t)INT64_MAX >> shift))
        return false;
    *ret = number << shift;
    return true;
}

static bool parse_count(struct str text, uint64_t *ret)
{
    return str_to_u64(text, ret) && *ret <= INT64_MAX;
}

// 0 is no limit. A smaller one than `least` is refused, and not taken for more than it says.
static bool at_least(uint64_t limit, uint64_t least)
{
    return limit == 0 || limit >= least;
}

static bool is_log_part(struct str name)
{
    return str_eq(name, STR("log_records")) || str_eq(name, STR("log_bytes"));
}

static bool parse_log_part(struct str name, struct str value, struct retention_log *log)
{
    if (str_eq(name, STR("log_records")))
        return parse_count(value, &log->records_max) && at_least(log->records_max, RETENTION_LOG_RECORDS_LEAST);
    return parse_bytes(value, &log->bytes_max) && at_least(log->bytes_max, RETENTION_LOG_BYTES_LEAST);
}

// A number without a unit would be seconds elsewhere; here it is most likely a mistake for days, and what it would
// remove does not come back.
static bool parse_age(struct str text, int64_t *ret_ms)
{
    bool has_unit = text.len > 0 && (text.data[text.len - 1] < '0' || text.data[text.len - 1] > '9');
    return (has_unit || str_eq(text, STR("0"))) && duration_parse(text, ret_ms);
}

static bool may_be_kept_by(enum execution_status status)
{
    return status_terminal(status) || status == STATUS_LOST;
}

// A part with a name. `named`: one bit for each status that the text has named.
static bool parse_named(struct str name, struct str value, struct retention *retention, unsigned *named)
{
    enum execution_status status;
    if (str_eq(name, STR("executions")))
        return parse_count(value, &retention->executions_max);
    if (str_eq(name, STR("bytes")))
        return parse_bytes(value, &retention->bytes_max);
    if (is_log_part(name))
        return parse_log_part(name, value, &retention->log);
    if (!status_parse(name, &status) || !may_be_kept_by(status))
        return false;
    *named |= 1u << status;
    return parse_age(value, &retention->age_ms[status]);
}

static bool parse_part(struct str part, struct retention *retention, int64_t *age_ms, unsigned *named)
{
    struct str rest = part, name = str_trim(str_split(&rest, '='));
    return rest.data ? parse_named(name, str_trim(rest), retention, named) : parse_age(name, age_ms);
}

bool retention_parse(struct str text, struct retention *retention)
{
    struct retention parsed = *retention;
    int64_t age_ms = -1;
    unsigned named = 0, parts = 0;
    if (text.len == 0 || text.len > RETENTION_TEXT_MAX)
        return false;
    while (text.data) {
        struct str part = str_trim(str_split(&text, ','));
        if (++parts > PARTS_MAX || !parse_part(part, &parsed, &age_ms, &named))
            return false;
    }
    for (enum execution_status status = 0; status < STATUS_COUNT && age_ms >= 0; status++)
        if (!(named & 1u << status))
            parsed.age_ms[status] = age_ms;
    *retention = parsed;
    return true;
}

static bool parse_own_part(struct str part, struct retention_own *own)
{
    struct str rest = part, name = str_trim(str_split(&rest, '='));
    if (!rest.data) {
        own->has_age = true;
        return parse_age(name, &own->age_ms);
    }
    own->has_records |= str_eq(name, STR("log_records"));
    own->has_bytes |= str_eq(name, STR("log_bytes"));
    return is_log_part(name) && parse_log_part(name, str_trim(rest), &own->log);
}

struct retention_own retention_own_over(const struct retention_own *own, const struct retention_own *other)
{
    struct retention_own both = *own;
    if (!own->has_age) {
        both.has_age = other->has_age;
        both.age_ms = other->age_ms;
    }
    if (!own->has_records) {
        both.has_records = other->has_records;
        both.log.records_max = other->log.records_max;
    }
    if (!own->has_bytes) {
        both.has_bytes = other->has_bytes;
        both.log.bytes_max = other->log.bytes_max;
    }
    return both;
}

bool retention_own_parse(struct str text, struct retention_own *ret)
{
    struct retention_own own = {0};
    unsigned parts = 0;
    bool good = text.len > 0 && text.len <= RETENTION_TEXT_MAX;
    while (good && text.data)
        good = ++parts <= PARTS_MAX && parse_own_part(str_trim(str_split(&text, ',')), &own);
    *ret = good ? own : (struct retention_own){0};
    return good;
}

int64_t retention_expires_ms(const struct retention *retention, const struct retention_facts *facts)
{
    if (!facts->sealed || facts->purged || facts->pinned)
        return 0;
    int64_t age_ms = facts->own.has_age ? facts->own.age_ms : retention->age_ms[facts->status];
    return age_ms > 0 ? facts->sealed_ms + age_ms : 0;
}

bool retention_due(const struct retention *retention, const struct retention_facts *facts, int64_t now_ms)
{
    int64_t expires_ms = retention_expires_ms(retention, facts);
    return expires_ms > 0 && expires_ms <= now_ms;
}

int64_t retention_sealed_by(const struct retention *retention, int64_t now_ms)
{
    int64_t shortest_ms = 0;
    for (enum execution_status status = 0; status < STATUS_COUNT; status++) {
        int64_t age_ms = retention->age_ms[status];
        if (may_be_kept_by(status) && age_ms > 0 && (shortest_ms == 0 || age_ms < shortest_ms))
            shortest_ms = age_ms;
    }
    return shortest_ms > 0 ? now_ms - shortest_ms : INT64_MIN;
}

bool retention_limits(const struct retention *retention)
{
    return retention->executions_max > 0 || retention->bytes_max > 0;
}

bool retention_beyond(const struct retention *retention, struct retention_tally *tally, uint64_t bytes)
{
    tally->executions++;
    tally->bytes = bytes > UINT64_MAX - tally->bytes ? UINT64_MAX : tally->bytes + bytes;
    return (retention->executions_max > 0 && tally->executions > retention->executions_max) ||
           (retention->bytes_max > 0 && tally->bytes > retention->bytes_max);
}

struct retention_log retention_log_of(const struct retention *rules, const struct retention_own *own)
{
    return (struct retention_log){
        .records_max = own->has_records ? own->log.records_max : rules->log.records_max,
        .bytes_max = own->has_bytes ? own->log.bytes_max : rules->log.bytes_max,
    };
}

bool retention_log_limits(const struct retention_log *limits)
{
    return limits->records_max > 0 || limits->bytes_max > 0;
}

bool retention_log_beyond(const struct retention_log *limits, uint64_t records, uint64_t bytes)
{
    return (limits->records_max > 0 && records > limits->records_max) ||
           (limits->bytes_max > 0 && bytes > limits->bytes_max);
}

bool retention_log_lets_go(const struct retention_log *limits, uint64_t records_left, uint64_t bytes_left)
{
    return (limits->records_max > 0 && records_left >= limits->records_max) ||
           (limits->bytes_max > 0 && bytes_left >= limits->bytes_max);
}
