#include "client/content_page.h"

#include "net/digest.h"
#include "util/id.h"

#include <errno.h>
#include <jansson.h>
#include <sys/stat.h>
#include <unistd.h>

#define MISSING_PATH "/api/v1/blobs/missing"
#define MANY_PATH    "/api/v1/blobs"
#define HEAD_LINE    (CONTENT_HASH_LEN + 24)

void content_page_release(struct content_page *page)
{
    buf_release(&page->bytes);
    page->count = 0;
}

void content_page_reset(struct content_page *page)
{
    buf_reset(&page->bytes);
    page->count = 0;
}

bool content_page_has_room(const struct content_page *page, uint64_t size)
{
    size_t taken = page->bytes.len + (page->count + 1) * HEAD_LINE;
    return page->count < CONTENT_PAGE_COUNT && taken <= CONTENT_PAGE_BYTES && size <= CONTENT_PAGE_BYTES - taken;
}

// --- Gathering

static int read_bytes(int fd, size_t size, struct buf *out)
{
    buf_reserve(out, size + 1);
    for (size_t at = 0; at < size;) {
        ssize_t got = pread(fd, out->data + out->len, size - at, (off_t)at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : ERR_CONFLICT;
        out->len += (size_t)got;
        at += (size_t)got;
    }
    return 0;
}

int content_page_read(struct content_page *page, int fd, const struct stat *before)
{
    size_t start = page->bytes.len, size = (size_t)before->st_size;
    uint8_t digest[32];
    int err = read_bytes(fd, size, &page->bytes);
    if (err == 0 && !content_unchanged(fd, before))
        err = ERR_CONFLICT;
    if (err < 0) {
        page->bytes.len = start;
        return err;
    }
    struct content *content = &page->contents[page->count++];
    sha256(page->bytes.data + start, size, digest);
    hex_encode(digest, sizeof(digest), content->hash);
    content->size = size;
    return 0;
}

void content_page_drop_last(struct content_page *page)
{
    page->count--;
    page->bytes.len -= (size_t)page->contents[page->count].size;
}

// --- To the server

static int request(struct client *client, const char *path, const struct buf *body, const char *type,
                   struct client_response *response, struct buf *ret_text)
{
    int err = client_request(client, "POST", path, buf_str(body), type, response);
    if (err < 0)
        buf_append_text(ret_text, client_cause(response, err));
    return err < 0 ? err : client_response_error(response, ret_text);
}

static int ask(const struct content_page *page, struct client *client, json_t **ret, struct buf *ret_text)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(buf_release) struct buf body = {0};
    buf_append_text(&body, "{\"hashes\":[");
    for (size_t i = 0; i < page->count; i++)
        buf_printf(&body, "%s\"%s\"", i > 0 ? "," : "", page->contents[i].hash);
    buf_append_text(&body, "]}");
    int err = request(client, MISSING_PATH, &body, NULL, &response, ret_text);
    if (err < 0)
        return err;
    json_t *answer = json_loadb(response.body.len > 0 ? response.body.data : "", response.body.len, 0, NULL);
    *ret = json_incref(json_object_get(answer, "missing"));
    json_decref(answer);
    if (!json_is_array(*ret))
        buf_append_text(ret_text, "the server does not say what it lacks");
    return json_is_array(*ret) ? 0 : ERR_MALFORMED;
}

// The answer has them in the order of the question.
static void write_missing(const struct content_page *page, const json_t *missing, struct buf *out)
{
    size_t at = 0, next = 0;
    for (size_t i = 0; i < page->count; i++) {
        const struct content *content = &page->contents[i];
        const char *wanted = json_string_value(json_array_get(missing, next));
        if (wanted && strcmp(wanted, content->hash) == 0) {
            buf_printf(out, "%s %llu\n", content->hash, (unsigned long long)content->size);
            buf_append(out, page->bytes.data + at, (size_t)content->size);
            next++;
        }
        at += (size_t)content->size;
    }
}

int content_page_send(const struct content_page *page, struct client *client, struct buf *ret_text)
{
    CLEANUP(client_response_release) struct client_response response = {0};
    CLEANUP(buf_release) struct buf body = {0};
    json_t *missing = NULL;
    int err = page->count > 0 ? ask(page, client, &missing, ret_text) : 0;
    if (err == 0)
        write_missing(page, missing, &body);
    json_decref(missing);
    if (err < 0 || body.len == 0)
        return err;
    return request(client, MANY_PATH, &body, "Content-Type: application/octet-stream", &response, ret_text);
}
