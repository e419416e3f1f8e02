#include "net/conn.h"
#include "net/listener.h"
#include "net/test_peer.h"

#include <sys/resource.h>

// --- The owner of the connection under test

struct owner {
    struct loop *loop;
    struct conn *conn;
    struct buf got;
    unsigned drained, half_closed, closed;
    int error;
    bool free_in_data, free_in_drained, free_in_closed, echo;
};

static void on_data(void *arg, const uint8_t *data, size_t len)
{
    struct owner *owner = arg;
    buf_append(&owner->got, data, len);
    if (owner->echo)
        conn_write(owner->conn, data, len);
    if (owner->free_in_data)
        conn_free(&owner->conn);
}

static void on_drained(void *arg)
{
    struct owner *owner = arg;
    owner->drained++;
    assert_int_equal(conn_pending(owner->conn), 0);
    if (owner->free_in_drained)
        conn_free(&owner->conn);
}

static void on_half_closed(void *arg)
{
    ((struct owner *)arg)->half_closed++;
}

static void on_closed(void *arg, int err)
{
    struct owner *owner = arg;
    owner->closed++;
    owner->error = err;
    if (owner->free_in_closed)
        conn_free(&owner->conn);
}

static const struct conn_handler handler = {.data = on_data, .drained = on_drained, .closed = on_closed};
static const struct conn_handler half_handler = {
    .data = on_data, .drained = on_drained, .half_closed = on_half_closed, .closed = on_closed};

static void on_accepted(void *arg, int fd)
{
    *(int *)arg = fd;
}

// A connection over TCP on the loopback; returns the accepted end.
static int tcp_pair(struct loop *loop, int *ret_client)
{
    int accepted = -1;
    struct listener *listener = NULL;
    assert_int_equal(listener_new(loop, "127.0.0.1:0", on_accepted, &accepted, &listener), 0);
    *ret_client = connect_loopback(listener_port(listener));
    while (accepted < 0)
        loop_turns(loop, 1);
    listener_free(&listener);
    return accepted;
}

static void owner_open(struct owner *owner, struct peer *peer, bool tcp, const struct conn_handler *callbacks)
{
    *owner = (struct owner){0};
    assert_int_equal(loop_new(&owner->loop), 0);
    int fd, client;
    if (tcp) {
        fd = tcp_pair(owner->loop, &client);
        peer_init(peer, owner->loop, client);
    } else {
        fd = peer_open(peer, owner->loop);
    }
    owner->conn = conn_new(owner->loop, fd, NULL, callbacks, owner);
}

static void owner_close(struct owner *owner, struct peer *peer)
{
    peer_close(peer);
    conn_free(&owner->conn);
    buf_release(&owner->got);
    loop_free(&owner->loop);
}

// --- Sending

static void writes_of_a_turn_arrive_in_order(void **state)
{
    (void)state;
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, true, &handler);
    struct payload *payload = payload_new("0123456789", 10);
    conn_write(owner.conn, "a", 1);
    conn_write(owner.conn, "b", 1);
    conn_write_payload(owner.conn, payload, 0, 3);
    conn_write_payload(owner.conn, payload, 3, 2);
    conn_write_payload(owner.conn, payload, 9, 1);
    conn_write(owner.conn, "c", 1);
    assert_int_equal(conn_pending(owner.conn), 9);
    assert_int_equal(owner.drained, 0);
    peer_wait_bytes(&peer, 9);
    assert_memory_equal(peer.got.data, "ab012349c", 9);
    assert_int_equal(owner.drained, 1);
    assert_int_equal(payload->refs, 1);
    payload_unref(&payload);
    owner_close(&owner, &peer);
}

static uint32_t next_random(uint32_t *random)
{
    return *random = *random * 1664525u + 1013904223u;
}

// Random mix of writes against a reader that stops and goes on: every byte arrives once, in order.
static void write_to_a_slow_reader(bool tcp)
{
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, tcp, &handler);
    enum { SIZE = 1 << 20 };
    CLEANUP(free_ptr) char *bytes = xmalloc(SIZE);
    uint32_t random = 12345;
    for (size_t i = 0; i < SIZE; i++)
        bytes[i] = (char)(next_random(&random) >> 24);
    struct payload *payload = payload_new(bytes, SIZE);
    watch_set(peer.watch, 0);
    CLEANUP(buf_release) struct buf expected = {0};
    bool blocked = false;
    for (int i = 0; i < 3000; i++) {
        size_t offset = (next_random(&random) >> 8) % SIZE;
        size_t len = MIN((size_t)(random >> 4) % 5000, SIZE - offset);
        buf_append(&expected, bytes + offset, len);
        if (i % 3 == 0)
            conn_write(owner.conn, bytes + offset, len);
        else
            conn_write_payload(owner.conn, payload, offset, len);
        if (i % 50 == 0) {
            loop_turns(owner.loop, 1);
            blocked |= conn_pending(owner.conn) > 0;
            watch_set(peer.watch, i % 100 ? WATCH_READ : 0);
        }
    }
    assert_true(blocked);
    watch_set(peer.watch, WATCH_READ);
    peer_wait_bytes(&peer, expected.len);
    loop_turns(owner.loop, 2);
    assert_int_equal(conn_pending(owner.conn), 0);
    assert_int_equal(peer.got.len, expected.len);
    assert_memory_equal(peer.got.data, expected.data, expected.len);
    assert_true(owner.drained > 0);
    assert_int_equal(payload->refs, 1);
    payload_unref(&payload);
    owner_close(&owner, &peer);
}

static void slow_reader_gets_every_byte(void **state)
{
    (void)state;
    write_to_a_slow_reader(false);
    write_to_a_slow_reader(true);
}

static void more_segments_than_one_call_takes_are_sent(void **state)
{
    (void)state;
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, true, &handler);
    struct payload *payload = payload_new("ab", 2);
    for (size_t i = 0; i < 1000; i++)
        conn_write_payload(owner.conn, payload, i % 2u, 1);
    // Neighbouring parts of one payload become one segment: "ab" "ab" …
    peer_wait_bytes(&peer, 1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(peer.got.data[i], "ab"[i % 2]);
    assert_int_equal(payload->refs, 1);
    payload_unref(&payload);
    owner_close(&owner, &peer);
}

// --- Receiving

static void paused_reading_leaves_the_bytes_in_the_socket(void **state)
{
    (void)state;
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, true, &handler);
    conn_pause_read(owner.conn, true);
    peer_send_text(&peer, "hello");
    loop_turns(owner.loop, 5);
    assert_int_equal(owner.got.len, 0);
    conn_pause_read(owner.conn, false);
    loop_turns(owner.loop, 2);
    assert_int_equal(owner.got.len, 5);
    owner_close(&owner, &peer);
}

static void half_closed_peer_can_still_be_written_to(void **state)
{
    (void)state;
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, true, &half_handler);
    peer_send_text(&peer, "question");
    shutdown(peer.fd, SHUT_WR);
    while (owner.half_closed == 0)
        loop_turns(owner.loop, 1);
    assert_int_equal(owner.got.len, 8);
    loop_turns(owner.loop, 3);
    assert_int_equal(owner.half_closed, 1);
    assert_int_equal(owner.closed, 0);
    conn_write(owner.conn, "answer", 6);
    conn_shutdown(owner.conn);
    peer_wait_end(&peer);
    assert_memory_equal(peer.got.data, "answer", 6);
    assert_int_equal(peer.error, 0);
    loop_turns(owner.loop, 1);
    assert_int_equal(owner.closed, 1);
    assert_int_equal(owner.error, ERR_CLOSED);
    owner_close(&owner, &peer);
}

static void end_of_the_peer_closes_an_owner_that_knows_no_half_close(void **state)
{
    (void)state;
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, true, &handler);
    shutdown(peer.fd, SHUT_WR);
    while (owner.closed == 0)
        loop_turns(owner.loop, 1);
    assert_int_equal(owner.error, ERR_CLOSED);
    conn_write(owner.conn, "late", 4);
    assert_int_equal(conn_pending(owner.conn), 0);
    loop_turns(owner.loop, 2);
    assert_int_equal(owner.closed, 1);
    owner_close(&owner, &peer);
}

static void new_handler_hears_of_an_end_that_was_before_it(void **state)
{
    (void)state;
    struct owner owner, second;
    struct peer peer;
    owner_open(&owner, &peer, true, &half_handler);
    shutdown(peer.fd, SHUT_WR);
    while (owner.half_closed == 0)
        loop_turns(owner.loop, 1);
    second = (struct owner){.loop = owner.loop};
    conn_set_handler(owner.conn, &handler, &second);
    loop_turns(owner.loop, 1);
    assert_int_equal(second.closed, 1);
    assert_int_equal(owner.closed, 0);
    owner_close(&owner, &peer);
}

static void reset_is_noticed_while_reading_is_paused(void **state)
{
    (void)state;
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, true, &handler);
    conn_pause_read(owner.conn, true);
    struct linger now = {.l_onoff = 1};
    setsockopt(peer.fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    watch_free(&peer.watch);
    close_fd(&peer.fd);
    for (int i = 0; i < 1000 && owner.closed == 0; i++)
        loop_turns(owner.loop, 1);
    assert_int_equal(owner.closed, 1);
    assert_int_equal(owner.error, -ECONNRESET);
    owner_close(&owner, &peer);
}

static void write_to_a_closed_peer_fails_without_a_signal(void **state)
{
    (void)state;
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, false, &half_handler);
    conn_pause_read(owner.conn, true);
    watch_free(&peer.watch);
    close_fd(&peer.fd);
    conn_write(owner.conn, "x", 1);
    assert_int_equal(owner.closed, 0); // never from within a call
    loop_turns(owner.loop, 1);
    assert_int_equal(owner.closed, 1);
    assert_int_equal(owner.error, -EPIPE);
    owner_close(&owner, &peer);
}

// --- Ending

static void shutdown_sends_all_and_waits_for_the_peer(void **state)
{
    (void)state;
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, true, &handler);
    enum { SIZE = 8 << 20 };
    char *bytes = xcalloc(1, SIZE);
    conn_write(owner.conn, bytes, SIZE);
    free(bytes);
    conn_shutdown(owner.conn);
    peer_send_text(&peer, "nobody reads this");
    peer_wait_end(&peer);
    assert_int_equal(peer.got.len, SIZE);
    assert_int_equal(peer.error, 0);
    loop_turns(owner.loop, 3);
    assert_int_equal(owner.closed, 0);
    assert_int_equal(owner.got.len, 0);
    shutdown(peer.fd, SHUT_WR);
    while (owner.closed == 0)
        loop_turns(owner.loop, 1);
    assert_int_equal(owner.error, ERR_CLOSED);
    owner_close(&owner, &peer);
}

static void connection_may_be_freed_in_each_callback(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct owner owner;
        struct peer peer;
        owner_open(&owner, &peer, false, &handler);
        owner.echo = true;
        owner.free_in_data = which == 0;
        owner.free_in_drained = which == 1;
        owner.free_in_closed = which == 2;
        peer_send_text(&peer, "x");
        if (which == 2)
            shutdown(peer.fd, SHUT_WR);
        peer_wait_end(&peer);
        assert_null(owner.conn);
        owner_close(&owner, &peer);
    }
}

static void peer_is_named_by_address_and_port(void **state)
{
    (void)state;
    struct owner owner;
    struct peer peer;
    owner_open(&owner, &peer, true, &handler);
    struct sockaddr_in address;
    socklen_t len = sizeof(address);
    assert_int_equal(getsockname(peer.fd, (struct sockaddr *)&address, &len), 0);
    char expected[32];
    snprintf(expected, sizeof(expected), "127.0.0.1:%u", ntohs(address.sin_port));
    assert_string_equal(conn_peer(owner.conn), expected);
    owner_close(&owner, &peer);
}

// --- Listeners

static void addresses_are_parsed(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool loopback, good;
    } cases[] = {
        {"127.0.0.1:0", true, true},  {"localhost:0", true, true},       {":0", true, true},
        {"127.8.8.8:0", true, true},  {"[::1]:7117", true, true},        {"0.0.0.0:0", false, true},
        {"[::]:0", false, true},      {"10.0.0.1:80", false, true},      {"127.0.0.1", false, false},
        {"127.0.0.1:", false, false}, {"127.0.0.1:65536", false, false}, {"::1:80", false, false},
        {"name:80", false, false},    {"[::1:80", false, false},         {"", false, false},
    };
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), 0);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(address_is_loopback(cases[i].address), cases[i].loopback);
        if (cases[i].good)
            continue;
        struct listener *listener = NULL;
        assert_int_equal(listener_new(loop, cases[i].address, on_accepted, NULL, &listener), ERR_MALFORMED);
    }
    loop_free(&loop);
}

static void listeners_of_two_loops_share_a_port(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), 0);
    int first = -1, second = -1;
    struct listener *one = NULL, *two = NULL;
    assert_int_equal(listener_new(loop, "127.0.0.1:0", on_accepted, &first, &one), 0);
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%u", listener_port(one));
    assert_int_equal(listener_new(loop, address, on_accepted, &second, &two), 0);
    assert_int_equal(listener_port(two), listener_port(one));
    // The kernel picks one by the client's port: with enough of them both are picked.
    bool picked[2] = {false, false};
    for (int i = 0; i < 200 && !(picked[0] && picked[1]); i++) {
        int fd = connect_loopback(listener_port(one));
        while (first < 0 && second < 0)
            loop_turns(loop, 1);
        picked[first < 0] = true;
        close_fd(&first);
        close_fd(&second);
        close(fd);
    }
    assert_true(picked[0] && picked[1]);
    listener_free(&one);
    listener_free(&two);
    loop_free(&loop);
}

static void inherited_socket_is_duplicated(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), 0);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    int accepted = -1;
    struct listener *listener = NULL;
    assert_int_equal(listener_from_fd(loop, fd, on_accepted, &accepted, &listener), -EINVAL); // it does not listen yet
    assert_int_equal(listen(fd, 5), 0);
    assert_int_equal(listener_from_fd(loop, fd, on_accepted, &accepted, &listener), 0);
    close_fd(&fd);
    int client = connect_loopback(listener_port(listener));
    while (accepted < 0)
        loop_turns(loop, 1);
    close_fd(&client);
    close_fd(&accepted);
    listener_free(&listener);
    loop_free(&loop);
}

struct accepting {
    int fd, failures;
};

static void note_accepted(void *arg, int fd)
{
    ((struct accepting *)arg)->fd = fd;
}

static void count_failure(void *arg, int err)
{
    assert_int_equal(err, -EMFILE);
    ((struct accepting *)arg)->failures++;
}

static void accepting_goes_on_after_descriptors_ran_out(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), 0);
    struct accepting accepting = {.fd = -1};
    struct listener *listener = NULL;
    assert_int_equal(listener_new(loop, "127.0.0.1:0", note_accepted, &accepting, &listener), 0);
    int client = connect_loopback(listener_port(listener));
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = (rlim_t)client; // nothing above what is open
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    listener_on_failure(listener, count_failure);
    while (accepting.failures == 0)
        loop_turns(loop, 1);
    loop_turns(loop, 10);
    assert_int_equal(accepting.failures, 1); // it looks away
    assert_int_equal(accepting.fd, -1);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    while (accepting.fd < 0)
        loop_turns(loop, 1);
    close_fd(&client);
    close_fd(&accepting.fd);
    listener_free(&listener);
    loop_free(&loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_of_a_turn_arrive_in_order),
        cmocka_unit_test(slow_reader_gets_every_byte),
        cmocka_unit_test(more_segments_than_one_call_takes_are_sent),
        cmocka_unit_test(paused_reading_leaves_the_bytes_in_the_socket),
        cmocka_unit_test(half_closed_peer_can_still_be_written_to),
        cmocka_unit_test(end_of_the_peer_closes_an_owner_that_knows_no_half_close),
        cmocka_unit_test(new_handler_hears_of_an_end_that_was_before_it),
        cmocka_unit_test(reset_is_noticed_while_reading_is_paused),
        cmocka_unit_test(write_to_a_closed_peer_fails_without_a_signal),
        cmocka_unit_test(shutdown_sends_all_and_waits_for_the_peer),
        cmocka_unit_test(connection_may_be_freed_in_each_callback),
        cmocka_unit_test(peer_is_named_by_address_and_port),
        cmocka_unit_test(addresses_are_parsed),
        cmocka_unit_test(listeners_of_two_loops_share_a_port),
        cmocka_unit_test(inherited_socket_is_duplicated),
        cmocka_unit_test(accepting_goes_on_after_descriptors_ran_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
