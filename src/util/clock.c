#include "util/clock.h"

#define SECOND_MS 1000
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    ((int64_t)24 * HOUR_MS)

#define YEAR_0_MS       (-62167219200000)
#define YEAR_9999_MS    253402300799999
#define DURATION_MAX_MS (36525 * DAY_MS)

static struct timespec now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time;
}

int64_t clock_real_ms(void)
{
    struct timespec time = now(CLOCK_REALTIME);
    return (int64_t)time.tv_sec * SECOND_MS + time.tv_nsec / 1000000;
}

uint64_t clock_mono_ns(void)
{
    struct timespec time = now(CLOCK_MONOTONIC);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

uint64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
}

uint64_t clock_boot_ms(void)
{
    struct timespec time = now(CLOCK_BOOTTIME);
    return (uint64_t)time.tv_sec * SECOND_MS + (uint64_t)time.tv_nsec / 1000000;
}

// The proleptic Gregorian calendar, in years that begin in March. So the leap day is the last day of its year (Howard
// Hinnant, "chrono-compatible low-level date algorithms"). An era is 400 years.
#define ERA_DAYS        146097
#define EPOCH_FROM_ERA0 719468 // days from 0000-03-01 to 1970-01-01

static int64_t days_from_civil(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t year_of_era = year - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - EPOCH_FROM_ERA0;
}

static void civil_from_days(int64_t days, unsigned *ret_year, unsigned *ret_month, unsigned *ret_day)
{
    days += EPOCH_FROM_ERA0;
    int64_t era = (days >= 0 ? days : days - (ERA_DAYS - 1)) / ERA_DAYS;
    int64_t day_of_era = days - era * ERA_DAYS;
    int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t shifted_month = (5 * day_of_year + 2) / 153;
    unsigned month = (unsigned)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
    *ret_day = (unsigned)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
    *ret_month = month;
    *ret_year = (unsigned)(year_of_era + era * 400 + (month <= 2));
}

static void put_digits(char *out, unsigned count, unsigned value)
{
    while (count-- > 0) {
        out[count] = (char)('0' + value % 10);
        value /= 10;
    }
}

void time_format_rfc3339(int64_t real_ms, char out[TIME_RFC3339_LEN])
{
    unsigned year, month, day;
    real_ms = MAX(MIN(real_ms, YEAR_9999_MS), YEAR_0_MS);
    int64_t days = (real_ms >= 0 ? real_ms : real_ms - (DAY_MS - 1)) / DAY_MS;
    unsigned ms = (unsigned)(real_ms - days * DAY_MS);
    civil_from_days(days, &year, &month, &day);
    memcpy(out, "YYYY-MM-DDTHH:MM:SS.mmmZ", TIME_RFC3339_LEN);
    put_digits(out, 4, year);
    put_digits(out + 5, 2, month);
    put_digits(out + 8, 2, day);
    put_digits(out + 11, 2, ms / HOUR_MS);
    put_digits(out + 14, 2, ms / MINUTE_MS % 60);
    put_digits(out + 17, 2, ms / SECOND_MS % 60);
    put_digits(out + 20, 3, ms % SECOND_MS);
}

// Takes exactly `count` digits from the front of *s.
static bool take_number(struct str *s, size_t count, int64_t max, int64_t *ret)
{
    uint64_t value;
    if (s->len < count || !str_to_u64(str_n(s->data, count), &value) || (int64_t)value > max)
        return false;
    *s = str_n(s->data + count, s->len - count);
    *ret = (int64_t)value;
    return true;
}

// Takes one byte if it is among `allowed`; returns it, or 0.
static char take_byte(struct str *s, const char *allowed)
{
    if (s->len == 0 || !s->data[0] || !strchr(allowed, s->data[0]))
        return 0;
    char byte = s->data[0];
    *s = str_n(s->data + 1, s->len - 1);
    return byte;
}

static bool take_date(struct str *s, int64_t *ret_days)
{
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int64_t year, month, day;
    if (!take_number(s, 4, 9999, &year) || !take_byte(s, "-") || !take_number(s, 2, 12, &month) || !take_byte(s, "-") ||
        !take_number(s, 2, 31, &day) || month == 0 || day == 0)
        return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > month_days[month - 1] + (month == 2 && leap))
        return false;
    *ret_days = days_from_civil(year, month, day);
    return true;
}

static bool take_time(struct str *s, int64_t *ret_ms)
{
    int64_t hour, minute, second, ms = 0;
    // RFC 3339 has leap seconds. A leap second counts as the second after it.
    if (!take_number(s, 2, 23, &hour) || !take_byte(s, ":") || !take_number(s, 2, 59, &minute) || !take_byte(s, ":") ||
        !take_number(s, 2, 60, &second))
        return false;
    if (take_byte(s, ".")) {
        int64_t digit, weight = 100;
        if (!take_number(s, 1, 9, &digit))
            return false;
        do {
            ms += digit * weight;
            weight /= 10;
        } while (take_number(s, 1, 9, &digit));
    }
    *ret_ms = hour * HOUR_MS + minute * MINUTE_MS + second * SECOND_MS + ms;
    return true;
}

static bool take_zone(struct str *s, int64_t *ret_offset_ms)
{
    int64_t hour, minute;
    *ret_offset_ms = 0;
    if (s->len == 0 || take_byte(s, "Zz"))
        return true;
    char sign = take_byte(s, "+-");
    if (!sign || !take_number(s, 2, 23, &hour) || !take_byte(s, ":") || !take_number(s, 2, 59, &minute))
        return false;
    *ret_offset_ms = (hour * HOUR_MS + minute * MINUTE_MS) * (sign == '-' ? -1 : 1);
    return true;
}

bool time_parse_rfc3339(struct str s, int64_t *ret_real_ms)
{
    int64_t days, ms, offset_ms;
    if (!take_date(&s, &days) || !take_byte(&s, "Tt ") || !take_time(&s, &ms) || !take_zone(&s, &offset_ms) ||
        s.len > 0)
        return false;
    *ret_real_ms = days * DAY_MS + ms - offset_ms;
    return true;
}

bool duration_parse(struct str s, int64_t *ret_ms)
{
    static const struct {
        struct str suffix;
        int64_t ms;
    } units[] = {{{"", 0}, SECOND_MS}, {{"ms", 2}, 1},     {{"s", 1}, SECOND_MS}, {{"m", 1}, MINUTE_MS},
                 {{"h", 1}, HOUR_MS},  {{"d", 1}, DAY_MS}, {{"w", 1}, 7 * DAY_MS}};
    size_t digits = 0;
    uint64_t number;
    while (digits < s.len && s.data[digits] >= '0' && s.data[digits] <= '9')
        digits++;
    if (!str_to_u64(str_n(s.data, digits), &number))
        return false;
    struct str suffix = str_n(s.data + digits, s.len - digits);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        if (!str_eq(units[i].suffix, suffix))
            continue;
        if (number > (uint64_t)(DURATION_MAX_MS / units[i].ms))
            return false;
        *ret_ms = (int64_t)number * units[i].ms;
        return true;
    }
    return false;
}

void duration_format(int64_t ms, struct buf *out)
{
    static const struct {
        int64_t ms;
        char suffix;
    } units[] = {{DAY_MS, 'd'}, {HOUR_MS, 'h'}, {MINUTE_MS, 'm'}, {SECOND_MS, 's'}};
    bool started = false;
    ms = MAX(ms, 0);
    for (size_t i = 0; i < ARRAY_LEN(units); i++) {
        int64_t count = ms / units[i].ms;
        ms %= units[i].ms;
        if (!started && count == 0 && units[i].suffix != 's')
            continue;
        if (started)
            buf_append_byte(out, ' ');
        buf_append_i64(out, count);
        buf_append_byte(out, units[i].suffix);
        started = true;
    }
}
