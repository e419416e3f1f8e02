// The PROXY protocol: its headers as values, and the gate that reads them from sockets.
#include "net/proxy_gate.h"
#include "net/test_peer.h"

#define V2_SIGNATURE "\r\n\r\n\0\r\nQUIT\n"

static const struct {
    const char *data;
    size_t len;
    int result; // 0, or an error
    const char *source;
    bool https;
} headers[] = {
#define ROW(data, ...)                      \
    {                                       \
        data, sizeof(data) - 1, __VA_ARGS__ \
    }
    ROW("PROXY TCP4 192.0.2.1 192.0.2.2 56324 443\r\n", 0, "192.0.2.1:56324", false),
    ROW("PROXY TCP6 2001:db8::1 2001:db8::2 1 65535\r\n", 0, "[2001:db8::1]:1", false),
    ROW("PROXY UNKNOWN\r\n", 0, NULL, false),
    ROW("PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535\r\n", 0, NULL, false),
    ROW("PROXY TCP4 192.0.2.1 192.0.2.2 56324\r\n", ERR_MALFORMED, NULL, false),
    ROW("PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n", ERR_MALFORMED, NULL, false),
    ROW("PROXY TCP4 192.0.2.1 192.0.2.2 65536 443\r\n", ERR_MALFORMED, NULL, false),
    ROW("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n", ERR_MALFORMED, NULL, false),
    ROW("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n", ERR_MALFORMED, NULL, false),
    ROW("GET /health HTTP/1.1\r\n", ERR_MALFORMED, NULL, false),
    ROW(V2_SIGNATURE "\x21\x11\x00\x0c\xc0\x00\x02\x01\xc0\x00\x02\x02\x12\x34\x01\xbb", 0, "192.0.2.1:4660", false),
    ROW(V2_SIGNATURE "\x21\x21\x00\x24\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"
                     "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x02\x00\x50\x01\xbb",
        0, "[2001:db8::1]:80", false),
    // A further field: the client came by TLS.
    ROW(V2_SIGNATURE "\x21\x11\x00\x14\xc0\x00\x02\x01\xc0\x00\x02\x02\x00\x50\x01\xbb\x20\x00\x05\x01\0\0\0\0", 0,
        "192.0.2.1:80", true),
    ROW(V2_SIGNATURE "\x20\x00\x00\x00", 0, NULL, false),                     // LOCAL
    ROW(V2_SIGNATURE "\x21\x00\x00\x00", 0, NULL, false),                     // unspecified
    ROW(V2_SIGNATURE "\x21\x11\x00\x04\0\0\0\0", ERR_MALFORMED, NULL, false), // shorter than its addresses
    ROW(V2_SIGNATURE "\x31\x11\x00\x0c", ERR_MALFORMED, NULL, false),         // a version of the future
    ROW(V2_SIGNATURE "\x21\x11\xff\xff", ERR_MALFORMED, NULL, false),         // longer than is taken
    ROW("\r\n\r\nGET / HTTP/1.1\r\n", ERR_MALFORMED, NULL, false),
#undef ROW
};

static void headers_are_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        struct proxy_header header = {0};
        char text[NET_ADDRESS_TEXT];
        int result = proxy_header_parse((const uint8_t *)headers[i].data, headers[i].len, &header);
        if (result != headers[i].result)
            fail_msg("row %zu gave %d", i, result);
        if (result)
            continue;
        assert_int_equal(header.has_source, headers[i].source != NULL);
        assert_int_equal(header.https, headers[i].https);
        net_address_format(&header.source, text);
        if (headers[i].source)
            assert_string_equal(text, headers[i].source);
        for (size_t part = 0; part < headers[i].len; part++)
            assert_true(proxy_header_parse((const uint8_t *)headers[i].data, part, &header) > 0);
    }
}

static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    char text[128];
    struct proxy_header header;
    memset(text, 'f', sizeof(text));
    memcpy(text, "PROXY UNKNOWN ", 14);
    assert_true(proxy_header_parse((const uint8_t *)text, 106, &header) > 0);
    assert_int_equal(proxy_header_parse((const uint8_t *)text, 107, &header), ERR_MALFORMED);
}

// --- The gate

struct seen {
    struct loop *loop;
    unsigned passed, refused;
    int fd, err;
    struct proxy_header header;
};

static void on_passed(void *arg, int fd, const struct proxy_header *header)
{
    struct seen *seen = arg;
    seen->passed++;
    seen->fd = fd;
    seen->header = *header;
    loop_stop(seen->loop);
}

static void on_refused(void *arg, const struct net_address *peer, int err)
{
    struct seen *seen = arg;
    (void)peer;
    seen->refused++;
    seen->err = err;
    loop_stop(seen->loop);
}

static struct proxy_gate *gate_new(struct seen *seen, uint64_t timeout_ms)
{
    *seen = (struct seen){.fd = -1};
    assert_int_equal(loop_new(&seen->loop), 0);
    struct proxy_gate_options options = {.loop = seen->loop,
                                         .waiting_max = 2,
                                         .timeout_ms = timeout_ms,
                                         .passed = on_passed,
                                         .refused = on_refused,
                                         .arg = seen};
    return proxy_gate_new(&options);
}

static void the_gate_reads_no_byte_behind_the_header(void **state)
{
    (void)state;
    static const struct net_address nobody;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++) {
        if (headers[i].result)
            continue;
        struct seen seen;
        struct proxy_gate *gate = gate_new(&seen, PEER_PATIENCE_MS);
        int ends[2];
        char rest[16];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
        proxy_gate_accept(gate, ends[0], &nobody);
        for (size_t at = 0; at < headers[i].len; at++) {
            assert_int_equal(send(ends[1], headers[i].data + at, 1, 0), 1);
            if (i % 2 == 0) // byte by byte, or all at once
                loop_turns(seen.loop, 1);
        }
        assert_int_equal(send(ends[1], "rest\n", 5, 0), 5);
        while (!seen.passed && !seen.refused)
            loop_run(seen.loop);
        assert_int_equal(seen.passed, 1);
        assert_int_equal(recv(seen.fd, rest, sizeof(rest), 0), 5);
        assert_memory_equal(rest, "rest\n", 5);
        close_fd(&seen.fd);
        close_fd(&ends[1]);
        proxy_gate_free(&gate);
        loop_free(&seen.loop);
    }
}

static void the_gate_refuses_what_is_no_header_or_late_or_too_many(void **state)
{
    (void)state;
    static const struct {
        const char *sent; // NULL: nothing
        bool ends;
        int err;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", false, ERR_MALFORMED},
        {"PROXY TCP4 ", true, ERR_CLOSED},
        {"PROXY TCP4 ", false, ERR_TIMEOUT},
        {NULL, false, ERR_TIMEOUT},
    };
    static const struct net_address nobody;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct seen seen;
        struct proxy_gate *gate = gate_new(&seen, cases[i].err == ERR_TIMEOUT ? 20 : PEER_PATIENCE_MS);
        struct peer peer;
        proxy_gate_accept(gate, peer_open(&peer, seen.loop), &nobody);
        if (cases[i].sent)
            peer_send_text(&peer, cases[i].sent);
        if (cases[i].ends)
            shutdown(peer.fd, SHUT_WR);
        while (!seen.refused)
            loop_run(seen.loop);
        assert_int_equal(seen.err, cases[i].err);
        peer_wait_end(&peer);
        peer_close(&peer);
        proxy_gate_free(&gate);
        loop_free(&seen.loop);
    }
}

static void the_gate_holds_only_so_many(void **state)
{
    (void)state;
    static const struct net_address nobody;
    struct seen seen;
    struct proxy_gate *gate = gate_new(&seen, PEER_PATIENCE_MS);
    struct peer peers[3];
    for (size_t i = 0; i < ARRAY_LEN(peers); i++)
        proxy_gate_accept(gate, peer_open(&peers[i], seen.loop), &nobody);
    assert_int_equal(seen.refused, 1);
    assert_int_equal(seen.err, ERR_RATE);
    peer_wait_end(&peers[2]);
    proxy_gate_free(&gate); // closes those that wait
    peer_wait_end(&peers[0]);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++)
        peer_close(&peers[i]);
    loop_free(&seen.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_are_read),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(the_gate_reads_no_byte_behind_the_header),
        cmocka_unit_test(the_gate_refuses_what_is_no_header_or_late_or_too_many),
        cmocka_unit_test(the_gate_holds_only_so_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
