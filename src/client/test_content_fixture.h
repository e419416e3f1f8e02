// A client of the server of contents, with what tests of contents and of pages of them have beside it.
#pragma once

#include "client/content_page.h"
#include "client/test_content_server.h"

struct fixture {
    struct content_server server;
    struct client *client;
    struct content_page page;
    struct buf text;
};

static inline int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    content_server_start(&fixture->server);
    assert_int_equal(client_new(&(struct client_options){.url = fixture->server.url}, &fixture->client), 0);
    *state = fixture;
    return 0;
}

static inline int tear_down(void **state)
{
    struct fixture *fixture = *state;
    client_free(&fixture->client);
    content_server_stop(&fixture->server);
    content_page_release(&fixture->page);
    buf_release(&fixture->text);
    free(fixture);
    return 0;
}
