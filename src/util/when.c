#include "util/when.h"

#include "util/clock.h"

#include <time.h>

#define SECOND_MS        1000
#define DAY_S            86400
#define AGO_MAX_MS       (36525 * (int64_t)DAY_S * SECOND_MS)
#define DATE_LEN         10 // YYYY-MM-DD
#define EPOCH_DIGITS_MIN 9  // fewer digits could also be a number of records or of minutes

static time_t seconds_of(int64_t real_ms)
{
    return (time_t)((real_ms - (real_ms < 0 ? SECOND_MS - 1 : 0)) / SECOND_MS);
}

static bool broken_down(int64_t real_ms, bool utc, struct tm *ret)
{
    time_t seconds = seconds_of(real_ms);
    return (utc ? gmtime_r(&seconds, ret) : localtime_r(&seconds, ret)) != NULL;
}

static bool same_reading(const struct tm *a, const struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_yday == b->tm_yday && a->tm_hour == b->tm_hour && a->tm_min == b->tm_min &&
           a->tm_sec == b->tm_sec;
}

// --- Reading

// Returns the moment at which local clocks show `wall_ms` (read as if it were UTC). isdst: 0 or 1 for that one, -1 for
// either.
static int64_t local_moment(int64_t wall_ms, bool late, int isdst)
{
    struct tm wall, parts;
    time_t seconds = seconds_of(wall_ms), best = 0;
    bool found = false;
    if (!gmtime_r(&seconds, &wall))
        return wall_ms;
    for (int dst = 0; dst <= 1; dst++) {
        struct tm tried = wall;
        tried.tm_isdst = dst;
        time_t moment = mktime(&tried);
        if ((isdst >= 0 && dst != isdst) || !localtime_r(&moment, &parts) || !same_reading(&parts, &wall))
            continue;
        if (!found || (late ? moment > best : moment < best))
            best = moment;
        found = true;
    }
    if (!found) { // the clock skips this hour
        struct tm tried = wall;
        tried.tm_isdst = -1;
        best = mktime(&tried);
    }
    return (int64_t)best * SECOND_MS + (wall_ms - (int64_t)seconds * SECOND_MS);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_epoch(struct str text, int64_t *ret)
{
    bool marked = text.len > 0 && text.data[0] == '@';
    struct str whole = marked ? str_n(text.data + 1, text.len - 1) : text, fraction;
    fraction = whole;
    whole = str_split(&fraction, '.');
    uint64_t seconds, ms = 0;
    if ((!marked && whole.len < EPOCH_DIGITS_MIN) || whole.len > 11 || !str_to_u64(whole, &seconds))
        return false;
    uint64_t weight = SECOND_MS / 10;
    for (size_t i = 0; i < fraction.len; i++, weight /= 10) {
        if (!is_digit(fraction.data[i]))
            return false;
        ms += (uint64_t)(fraction.data[i] - '0') * weight;
    }
    *ret = (int64_t)(seconds * SECOND_MS + ms);
    return true;
}

// Reads "1h30m": each number has its own unit.
static bool parse_ago(struct str text, int64_t now_ms, int64_t *ret)
{
    int64_t total = 0, part;
    bool any = false;
    if (text.len > 4 && str_eq(str_n(text.data + text.len - 4, 4), STR(" ago")))
        text.len -= 4;
    while (text.len > 0) {
        size_t digits = 0, end;
        while (digits < text.len && is_digit(text.data[digits]))
            digits++;
        for (end = digits; end < text.len && !is_digit(text.data[end]); end++)
            ;
        if (digits == 0 || end == digits || !duration_parse(str_n(text.data, end), &part))
            return false;
        total += part;
        if (total > AGO_MAX_MS)
            return false;
        any = true;
        text = str_n(text.data + end, text.len - end);
    }
    if (any)
        *ret = now_ms - total;
    return any;
}

struct written {
    struct str date, time, zone;
    int days_ago; // for "today" and "yesterday"; -1: not said in words
};

static void take_word(struct str *text, const char *word, int days_ago, struct written *ret)
{
    struct str known = str_of(word);
    bool whole = text->len == known.len || (text->len > known.len && text->data[known.len] == ' ');
    if (ret->days_ago >= 0 || !str_starts(*text, known) || !whole)
        return;
    ret->days_ago = days_ago;
    *text = str_trim(str_n(text->data + known.len, text->len - known.len));
}

static void take_apart(struct str text, struct written *ret)
{
    *ret = (struct written){.days_ago = -1};
    take_word(&text, "today", 0, ret);
    take_word(&text, "yesterday", 1, ret);
    if (ret->days_ago < 0 && text.len >= DATE_LEN && text.data[4] == '-') {
        ret->date = str_n(text.data, DATE_LEN);
        text = str_n(text.data + DATE_LEN, text.len - DATE_LEN);
        if (text.len > 1 && strchr("Tt ", text.data[0]))
            text = str_n(text.data + 1, text.len - 1);
    }
    size_t len = 0;
    while (len < text.len && (is_digit(text.data[len]) || text.data[len] == ':' || text.data[len] == '.'))
        len++;
    ret->time = str_n(text.data, len);
    ret->zone = str_trim(str_n(text.data + len, text.len - len));
}

static size_t count_of(struct str text, char byte)
{
    size_t count = 0;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == byte;
    return count;
}

static bool append_date(const struct written *written, const struct when_options *options, struct buf *out)
{
    struct tm parts;
    char text[16];
    if (written->date.len > 0) {
        buf_append_str(out, written->date);
        return true;
    }
    if (!broken_down(options->now_ms, options->utc, &parts))
        return false;
    time_t noon = timegm(&(struct tm){.tm_year = parts.tm_year, .tm_mon = parts.tm_mon, .tm_mday = parts.tm_mday}) +
                  DAY_S / 2 - MAX(written->days_ago, 0) * DAY_S;
    if (!gmtime_r(&noon, &parts))
        return false;
    buf_append(out, text, strftime(text, sizeof(text), "%Y-%m-%d", &parts));
    return true;
}

// Returns what the text says without its zone, as if it were UTC.
static bool wall_of(const struct written *written, const struct when_options *options, int64_t *ret)
{
    CLEANUP(buf_release) struct buf text = {0};
    if (!append_date(written, options, &text))
        return false;
    buf_append_byte(&text, 'T');
    if (written->time.len > 0)
        buf_append_str(&text, written->time);
    else
        buf_append_text(&text, "00:00");
    if (written->time.len == 0 || count_of(written->time, ':') == 1)
        buf_append_text(&text, ":00");
    buf_append_byte(&text, 'Z');
    return time_parse_rfc3339(buf_str(&text), ret);
}

static bool parse_offset(struct str zone, int64_t *ret_ms)
{
    CLEANUP(buf_release) struct buf text = {0};
    int64_t ms;
    if (zone.len < 3 || (zone.data[0] != '+' && zone.data[0] != '-'))
        return false;
    buf_append_text(&text, "1970-01-01T00:00:00");
    buf_append(&text, zone.data, 3);
    struct str minutes = str_n(zone.data + 3, zone.len - 3);
    if (minutes.len == 0)
        minutes = STR("00");
    if (minutes.data[0] != ':')
        buf_append_byte(&text, ':');
    buf_append_str(&text, minutes);
    if (!time_parse_rfc3339(buf_str(&text), &ms))
        return false;
    *ret_ms = -ms;
    return true;
}

static bool apply_zone(struct str zone, const struct when_options *options, int64_t wall_ms, int64_t *ret)
{
    int64_t offset;
    *ret = wall_ms;
    if (zone.len == 0 && options->utc)
        return true;
    if (str_eq_nocase(zone, STR("z")) || str_eq_nocase(zone, STR("utc")) || str_eq_nocase(zone, STR("gmt")))
        return true;
    if (parse_offset(zone, &offset)) {
        *ret = wall_ms - offset;
        return true;
    }
    if (options->utc)
        return false;
    tzset();
    for (int dst = 0; dst <= 1; dst++) {
        if (zone.len == 0 || !str_eq(zone, str_of(tzname[dst])))
            continue;
        *ret = local_moment(wall_ms, options->late, dst);
        return true;
    }
    if (zone.len == 0)
        *ret = local_moment(wall_ms, options->late, -1);
    return zone.len == 0;
}

bool when_parse(struct str text, const struct when_options *options, int64_t *ret_real_ms)
{
    struct written written;
    int64_t wall_ms, ms;
    text = str_trim(text);
    if (str_eq(text, STR("now"))) {
        *ret_real_ms = options->now_ms;
        return true;
    }
    if (parse_epoch(text, ret_real_ms) || parse_ago(text, options->now_ms, ret_real_ms))
        return true;
    take_apart(text, &written);
    bool dated = written.date.len > 0 || written.days_ago >= 0;
    if ((!dated && written.time.len == 0) || (written.time.len == 0 && written.zone.len > 0))
        return false;
    if (!wall_of(&written, options, &wall_ms) || !apply_zone(written.zone, options, wall_ms, &ms))
        return false;
    bool to_the_second = count_of(written.time, ':') == 2 && count_of(written.time, '.') == 0;
    *ret_real_ms = ms + (options->late && to_the_second ? SECOND_MS - 1 : 0);
    return true;
}

bool when_parse_since(struct str text, int64_t now_ms, int64_t *ret_real_ms)
{
    return time_parse_rfc3339(text, ret_real_ms) || parse_ago(text, now_ms, ret_real_ms);
}

// --- Showing

// Whether local clocks show the same time at another moment, too.
static bool comes_twice(int64_t real_ms, const struct tm *parts)
{
    static const int64_t apart_ms[] = {3600000, -3600000, 1800000, -1800000, 7200000, -7200000};
    struct tm other;
    for (size_t i = 0; i < ARRAY_LEN(apart_ms); i++)
        if (broken_down(real_ms + apart_ms[i], false, &other) && same_reading(parts, &other))
            return true;
    return false;
}

static void append_zone(const struct tm *parts, bool utc, struct buf *out)
{
    buf_append_byte(out, ' ');
    buf_append_text(out, utc ? "UTC" : parts->tm_zone);
}

void when_format(int64_t real_ms, bool utc, struct buf *out)
{
    struct tm parts;
    char text[64];
    if (!broken_down(real_ms, utc, &parts))
        return;
    buf_append(out, text, strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &parts));
    if (utc || comes_twice(real_ms, &parts))
        append_zone(&parts, utc, out);
}

static void append_date_of(const struct tm *parts, struct buf *out)
{
    char month_year[64];
    buf_append_i64(out, parts->tm_mday);
    buf_append_byte(out, ' ');
    buf_append(out, month_year, strftime(month_year, sizeof(month_year), "%b %Y", parts));
}

void when_format_date(int64_t real_ms, bool utc, struct buf *out)
{
    struct tm parts;
    if (broken_down(real_ms, utc, &parts))
        append_date_of(&parts, out);
}

void when_format_short(int64_t real_ms, int64_t now_ms, bool utc, struct buf *out)
{
    struct tm parts, today;
    char text[32];
    if (!broken_down(real_ms, utc, &parts) || !broken_down(now_ms, utc, &today))
        return;
    if (parts.tm_year != today.tm_year)
        append_date_of(&parts, out);
    else if (parts.tm_yday != today.tm_yday)
        buf_append(out, text, strftime(text, sizeof(text), "%e %b %H:%M", &parts));
    else
        buf_append(out, text, strftime(text, sizeof(text), "%H:%M:%S", &parts));
}

void when_lines_append(struct when_lines *lines, int64_t real_ms, int64_t now_ms, struct buf *out, bool *ret_date)
{
    struct tm parts, today;
    char text[16];
    *ret_date = false;
    if (!broken_down(real_ms, lines->utc, &parts))
        return;
    if (!lines->any && broken_down(now_ms, lines->utc, &today)) {
        bool apart = lines->dates_apart;
        *lines = (struct when_lines){.utc = lines->utc,
                                     .dates_apart = apart,
                                     .any = true,
                                     .year = apart ? today.tm_year : parts.tm_year,
                                     .day = apart ? today.tm_yday : parts.tm_yday,
                                     .offset = parts.tm_gmtoff};
    }
    *ret_date = parts.tm_year != lines->year || parts.tm_yday != lines->day;
    if (*ret_date && !lines->dates_apart) {
        append_date_of(&parts, out);
        buf_append_byte(out, ' ');
    }
    buf_append(out, text, strftime(text, sizeof(text), "%H:%M:%S", &parts));
    if (!lines->utc && (parts.tm_gmtoff != lines->offset || comes_twice(real_ms, &parts)))
        append_zone(&parts, false, out);
    lines->year = parts.tm_year;
    lines->day = parts.tm_yday;
    lines->offset = parts.tm_gmtoff;
}
