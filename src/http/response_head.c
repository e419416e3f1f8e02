#include "http/response_head.h"

#include "util/error.h"

#include <llhttp.h>

struct reading {
    void (*header)(void *arg, struct str name, struct str value);
    void *arg;
    struct str name, value;
    bool complete;
};

// The parts of one name or value lie next to each other in the head.
static int on_field(llhttp_t *parser, const char *data, size_t len)
{
    struct reading *reading = parser->data;
    if (!reading->name.data)
        reading->name.data = data;
    reading->name.len = (size_t)(data + len - reading->name.data);
    return 0;
}

static int on_value(llhttp_t *parser, const char *data, size_t len)
{
    struct reading *reading = parser->data;
    if (!reading->value.data)
        reading->value.data = data;
    reading->value.len = (size_t)(data + len - reading->value.data);
    return 0;
}

static int on_value_complete(llhttp_t *parser)
{
    struct reading *reading = parser->data;
    if (!reading->value.data) // the value is empty
        reading->value = str_n(reading->name.data + reading->name.len, 0);
    reading->header(reading->arg, reading->name, str_trim(reading->value));
    reading->name = reading->value = (struct str){0};
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct reading *reading = parser->data;
    reading->complete = true;
    return HPE_PAUSED; // the parser must not read what follows the head
}

int http_response_head_parse(struct str head, int *ret_status,
                             void (*header)(void *arg, struct str name, struct str value), void *arg)
{
    static const llhttp_settings_t settings = {
        .on_header_field = on_field,
        .on_header_value = on_value,
        .on_header_value_complete = on_value_complete,
        .on_headers_complete = on_headers_complete,
    };
    struct reading reading = {.header = header, .arg = arg};
    llhttp_t parser;
    llhttp_init(&parser, HTTP_RESPONSE, &settings);
    parser.data = &reading;
    llhttp_execute(&parser, head.data, head.len);
    if (!reading.complete || parser.http_major != 1)
        return ERR_MALFORMED;
    *ret_status = parser.status_code;
    return 0;
}
