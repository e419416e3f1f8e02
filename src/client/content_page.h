// Small contents that go to a server together. They are gathered in memory; then the server is asked which of them it
// lacks, and those go in one body. All of it blocks. For one thread.
#pragma once

#include "client/content.h"

#define CONTENT_PAGE_EACH  ((uint64_t)64 * 1024) // bytes of one; what is larger is sent by itself
#define CONTENT_PAGE_COUNT 1000
#define CONTENT_PAGE_BYTES ((size_t)1024 * 1024) // of all of them

struct content_page { // a zeroed one is empty
    struct content contents[CONTENT_PAGE_COUNT];
    size_t count;
    struct buf bytes; // of all of them, in their order
};
void content_page_release(struct content_page *page);
void content_page_reset(struct content_page *page);
bool content_page_has_room(const struct content_page *page, uint64_t size);

// Reads a regular file that has `before->st_size` bytes, which the page has room for, and adds it. Returns ERR_CONFLICT
// if it is not as it was `before` any more, or -errno; then nothing is added.
struct stat;
int content_page_read(struct content_page *page, int fd, const struct stat *before);
void content_page_drop_last(struct content_page *page);

// Gives the server what it lacks of them. Returns 0 when it has all of them; else the error of the answer, with its
// text in *ret_text, or that of client_request. Nothing of a body that was refused is there.
int content_page_send(const struct content_page *page, struct client *client, struct buf *ret_text);
