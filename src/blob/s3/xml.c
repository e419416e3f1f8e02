#include "blob/s3/xml.h"

struct scan {
    struct str rest;
    struct str names[S3_XML_DEPTH_MAX];
    unsigned depth;
    bool had_root;
    struct buf text; // since the last tag
    const struct s3_xml_reader *reader;
};

static bool starts(const struct scan *scan, const char *text)
{
    return str_starts(scan->rest, str_of(text));
}

static void skip(struct scan *scan, size_t len)
{
    scan->rest = str_n(scan->rest.data + len, scan->rest.len - len);
}

// Passes over everything up to the end of `mark`. Returns false if it does not come.
static bool skip_past(struct scan *scan, const char *mark)
{
    const char *found = memmem(scan->rest.data, scan->rest.len, mark, strlen(mark));
    if (!found)
        return false;
    skip(scan, (size_t)(found - scan->rest.data) + strlen(mark));
    return true;
}

// --- Texts

static bool append_character(struct buf *out, uint64_t code)
{
    if (code == 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return false;
    if (code < 0x80) {
        buf_append_byte(out, (char)code);
        return true;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    buf_append_byte(out, (char)(leads[more] | code >> (6 * more)));
    while (more-- > 0)
        buf_append_byte(out, (char)(0x80 | (code >> (6 * more) & 0x3f)));
    return true;
}

static bool read_number(struct str digits, unsigned base, uint64_t *ret)
{
    *ret = 0;
    for (size_t i = 0; i < digits.len; i++) {
        char c = ascii_lower(digits.data[i]);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a') + 10
                                                : 16;
        if (digit >= base)
            return false;
        *ret = *ret * base + digit;
    }
    return digits.len > 0 && digits.len <= 8;
}

static bool append_entity(struct buf *out, struct str name)
{
    static const struct {
        const char *name;
        char byte;
    } known[] = {{"amp", '&'}, {"lt", '<'}, {"gt", '>'}, {"quot", '"'}, {"apos", '\''}};
    uint64_t code;
    for (size_t i = 0; i < ARRAY_LEN(known); i++)
        if (str_eq(name, str_of(known[i].name)))
            return append_character(out, (uint8_t)known[i].byte);
    if (!str_starts(name, STR("#")))
        return false;
    bool hex = str_starts(name, STR("#x"));
    struct str digits = str_n(name.data + 1 + hex, name.len - 1 - hex);
    return read_number(digits, hex ? 16 : 10, &code) && append_character(out, code);
}

static bool take_text(struct scan *scan)
{
    while (scan->rest.len > 0 && scan->rest.data[0] != '<') {
        if (scan->text.len > S3_XML_TEXT_MAX)
            return false;
        if (scan->rest.data[0] != '&') {
            buf_append_byte(&scan->text, scan->rest.data[0]);
            skip(scan, 1);
            continue;
        }
        skip(scan, 1);
        const char *end = memchr(scan->rest.data, ';', MIN(scan->rest.len, (size_t)12));
        if (!end || !append_entity(&scan->text, str_n(scan->rest.data, (size_t)(end - scan->rest.data))))
            return false;
        skip(scan, (size_t)(end - scan->rest.data) + 1);
    }
    return scan->depth > 0 || str_trim(buf_str(&scan->text)).len == 0;
}

// --- Tags

static bool is_name_byte(char c)
{
    char lower = ascii_lower(c);
    return (lower >= 'a' && lower <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.' || c == ':';
}

// Without what says which namespace it is of.
static bool take_name(struct scan *scan, struct str *ret)
{
    size_t len = 0;
    while (len < scan->rest.len && len <= S3_XML_NAME_MAX && is_name_byte(scan->rest.data[len]))
        len++;
    *ret = str_n(scan->rest.data, len);
    skip(scan, len);
    const char *colon = memrchr(ret->data, ':', len);
    if (colon)
        *ret = str_n(colon + 1, (size_t)(ret->data + len - colon) - 1);
    return ret->len > 0 && len <= S3_XML_NAME_MAX;
}

static bool end_element(struct scan *scan)
{
    scan->reader->element(scan->reader->arg, scan->names, scan->depth, buf_str(&scan->text));
    buf_reset(&scan->text);
    scan->depth--;
    return true;
}

// Passes over attributes. Their values may hold '>'.
static bool skip_attributes(struct scan *scan, bool *ret_empty)
{
    *ret_empty = false;
    while (scan->rest.len > 0) {
        char c = scan->rest.data[0];
        skip(scan, 1);
        if (c == '>')
            return true;
        if (c == '<')
            return false;
        *ret_empty = c == '/';
        if ((c == '"' || c == '\'') && !skip_past(scan, c == '"' ? "\"" : "'"))
            return false;
    }
    return false;
}

static bool take_open_tag(struct scan *scan)
{
    struct str name;
    bool empty, room = scan->depth < S3_XML_DEPTH_MAX && (scan->depth > 0 || !scan->had_root);
    if (!room || !take_name(scan, &name) || !skip_attributes(scan, &empty))
        return false;
    scan->had_root = true;
    scan->names[scan->depth++] = name;
    buf_reset(&scan->text);
    return !empty || end_element(scan);
}

static bool take_close_tag(struct scan *scan)
{
    struct str name;
    bool empty;
    return scan->depth > 0 && take_name(scan, &name) && str_eq(name, scan->names[scan->depth - 1]) &&
           skip_attributes(scan, &empty) && !empty && end_element(scan);
}

static bool take_tag(struct scan *scan)
{
    if (starts(scan, "<?"))
        return skip_past(scan, "?>");
    if (starts(scan, "<!--")) {
        skip(scan, 4);
        return skip_past(scan, "-->");
    }
    bool closes = starts(scan, "</");
    skip(scan, closes ? 2 : 1);
    return closes ? take_close_tag(scan) : take_open_tag(scan); // <! has no name
}

int s3_xml_read(struct str document, const struct s3_xml_reader *reader)
{
    struct scan scan = {.rest = document, .reader = reader};
    bool good = true;
    if (starts(&scan, "\xef\xbb\xbf"))
        skip(&scan, 3);
    while (good && scan.rest.len > 0)
        good = scan.rest.data[0] == '<' ? take_tag(&scan) : take_text(&scan);
    buf_release(&scan.text);
    return good && scan.had_root && scan.depth == 0 ? 0 : ERR_MALFORMED;
}
