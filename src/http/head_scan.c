#include "http/head_scan.h"

#include "http/http.h"
#include "util/error.h"
#include "util/str.h"

#define LINE_EXTRA 64 // for the method, the version and spaces, in addition to the URL

static int scan_line_end(struct head_scan *scan)
{
    bool empty = scan->line_len == 0;
    bool end = scan->in_headers && empty;
    scan->line_len = 0;
    scan->in_headers = true;
    return end ? HEAD_END : HEAD_MORE;
}

bool http_is_token(uint8_t byte)
{
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
    return letter || (byte && strchr("!#$%&'*+-.^_`|~", byte));
}

static bool method_served(struct str method)
{
    static const char *const served[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    for (size_t i = 0; i < ARRAY_LEN(served); i++)
        if (str_eq(method, str_of(served[i])))
            return true;
    return false;
}

static int scan_method(struct head_scan *scan, uint8_t byte)
{
    if (byte == ' ')
        return method_served(str_n(scan->method, scan->method_len)) ? HEAD_MORE : ERR_NOT_IMPLEMENTED;
    if (!http_is_token(byte))
        return ERR_MALFORMED;
    if (scan->method_len == HEAD_METHOD_MAX)
        return ERR_NOT_IMPLEMENTED;
    scan->method[scan->method_len++] = (char)byte;
    return HEAD_MORE;
}

static int scan_request_line(struct head_scan *scan, uint8_t byte, size_t url_max)
{
    if (byte == ' ' && (scan->line_len == 0 || scan->after_space))
        return ERR_MALFORMED;
    if (scan->spaces == 0) {
        int err = scan_method(scan, byte);
        if (err < 0)
            return err;
    }
    scan->after_space = byte == ' ';
    if (byte == ' ')
        scan->spaces++;
    else if (scan->spaces == 1 && ++scan->url_len > url_max)
        return ERR_URI_TOO_LONG;
    return ++scan->line_len > url_max + LINE_EXTRA ? ERR_URI_TOO_LONG : HEAD_MORE;
}

static int scan_byte(struct head_scan *scan, uint8_t byte, size_t url_max, size_t headers_max)
{
    uint8_t previous = scan->previous;
    scan->previous = byte;
    if (byte == 0 || (previous == '\r') != (byte == '\n'))
        return ERR_MALFORMED;
    if (scan->in_headers && ++scan->headers_len > headers_max)
        return ERR_HEADERS_TOO_LARGE;
    if (byte == '\n')
        return scan_line_end(scan);
    if (byte == '\r')
        return HEAD_MORE;
    if (!scan->in_headers)
        return scan_request_line(scan, byte, url_max);
    if (scan->line_len++ == 0 && (byte == ' ' || byte == '\t' || byte == ':'))
        return ERR_MALFORMED;
    return HEAD_MORE;
}

int head_scan_feed(struct head_scan *scan, const uint8_t *data, size_t len, size_t url_max, size_t headers_max,
                   size_t *ret_len)
{
    for (size_t i = 0; i < len; i++) {
        int result = scan_byte(scan, data[i], url_max, headers_max);
        if (result == HEAD_MORE)
            continue;
        *ret_len = result == HEAD_END ? i + 1 : i;
        return result;
    }
    *ret_len = len;
    return HEAD_MORE;
}
