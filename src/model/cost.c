#include "model/cost.h"

#define MICROS          INT64_C(1000000)
#define HUNDREDTH       (MICROS / 100)
#define HOUR_MS         INT64_C(3600000)
#define RATE_DIGITS_MAX 7 // before the point
#define DECIMALS_MAX    6

int64_t cost_micros(int64_t duration_ms, int64_t rate_micros_per_hour)
{
    if (duration_ms <= 0 || rate_micros_per_hour <= 0)
        return 0;
    __int128 hundredths =
        ((__int128)duration_ms * rate_micros_per_hour + HOUR_MS * HUNDREDTH - 1) / (HOUR_MS * HUNDREDTH);
    return (int64_t)MIN(hundredths, INT64_MAX / HUNDREDTH) * HUNDREDTH;
}

void cost_append(struct buf *out, struct str currency, int64_t micros)
{
    int64_t hundredths = (micros + HUNDREDTH - 1) / HUNDREDTH;
    buf_printf(out, "%.*s%lld.%02lld", STR_ARGS(currency), (long long)(hundredths / 100),
               (long long)(hundredths % 100));
}

bool cost_rate_parse(struct str text, int64_t *ret_micros)
{
    uint64_t whole, decimals = 0;
    struct str part = text, integer = str_split(&part, '.');
    if (integer.len > RATE_DIGITS_MAX || part.len > DECIMALS_MAX || !str_to_u64(integer, &whole))
        return false;
    if (part.data && !str_to_u64(part, &decimals)) // a point has digits behind it
        return false;
    for (size_t i = part.len; i < DECIMALS_MAX; i++)
        decimals *= 10;
    int64_t micros = (int64_t)whole * MICROS + (int64_t)decimals;
    if (micros > COST_RATE_MAX)
        return false;
    *ret_micros = micros;
    return true;
}
