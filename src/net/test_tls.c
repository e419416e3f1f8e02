#include "net/conn.h"
#include "net/test_peer.h"
#include "net/tls.h"
#include "util/buf.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <pthread.h>

// --- Certificates

static char folder[] = "/tmp/runnel-test-tls-XXXXXX";
static char cert_file[64], key_file[64];

static void write_certificate(const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_set_version(cert, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), -60);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_NAME *subject = X509_get_subject_name(cert);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(cert, subject);
    assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
    FILE *file = fopen(cert_file, "w");
    assert_non_null(file);
    PEM_write_X509(file, cert);
    fclose(file);
    file = fopen(key_file, "w");
    assert_non_null(file);
    PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
    fclose(file);
    X509_free(cert);
    EVP_PKEY_free(key);
}

static int make_folder(void **state)
{
    (void)state;
    if (!mkdtemp(folder))
        return -1;
    snprintf(cert_file, sizeof(cert_file), "%s/cert.pem", folder);
    snprintf(key_file, sizeof(key_file), "%s/key.pem", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(cert_file);
    unlink(key_file);
    return rmdir(folder);
}

static struct tls_server *new_server(const char *name)
{
    struct tls_server *tls = NULL;
    write_certificate(name);
    assert_int_equal(tls_server_new(cert_file, key_file, NULL, &tls), 0);
    return tls;
}

// --- A client on a thread of its own, with OpenSSL's blocking calls

#define ECHO_SIZE ((size_t)3 * 1024 * 1024)

struct client {
    struct loop *loop;
    pthread_t thread;
    int fd;
    const char *protocol; // offered by ALPN, with its length in front
    bool echo;            // send ECHO_SIZE bytes and read them back
    // What it saw
    bool connected, same, clean_end;
    char name[64], selected[16];
};

static bool read_all(SSL *ssl, unsigned char *bytes, size_t len)
{
    for (size_t got = 0; got < len;) {
        int n = SSL_read(ssl, bytes + got, (int)(len - got));
        if (n <= 0)
            return false;
        got += (size_t)n;
    }
    return true;
}

static void client_echo(struct client *client, SSL *ssl)
{
    // Written in parts and read in between, as neither side buffers it all.
    unsigned char part[10000], back[10000];
    client->same = true;
    for (size_t at = 0; at < ECHO_SIZE; at += sizeof(part)) {
        for (size_t i = 0; i < sizeof(part); i++)
            part[i] = (unsigned char)((at + i) * 2654435761u >> 24);
        if (SSL_write(ssl, part, sizeof(part)) != sizeof(part))
            client->same = false;
        if (!read_all(ssl, back, sizeof(back)) || memcmp(part, back, sizeof(part)) != 0) {
            client->same = false;
            return;
        }
    }
}

static void client_talk(struct client *client, SSL *ssl)
{
    if (client->protocol)
        SSL_set_alpn_protos(ssl, (const unsigned char *)client->protocol, (unsigned)strlen(client->protocol));
    SSL_set_fd(ssl, client->fd);
    client->connected = SSL_connect(ssl) == 1;
    if (!client->connected)
        return;
    X509 *cert = SSL_get1_peer_certificate(ssl);
    X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, client->name, sizeof(client->name));
    X509_free(cert);
    const unsigned char *selected = NULL;
    unsigned len = 0;
    SSL_get0_alpn_selected(ssl, &selected, &len);
    memcpy(client->selected, selected ? selected : (const unsigned char *)"", len);
    if (client->echo)
        client_echo(client, ssl);
    SSL_write(ssl, "bye", 3);
    char rest[16];
    int n;
    while ((n = SSL_read(ssl, rest, sizeof(rest))) > 0)
        ;
    client->clean_end = SSL_get_error(ssl, n) == SSL_ERROR_ZERO_RETURN;
}

static void *client_run(void *arg)
{
    struct client *client = arg;
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    SSL *ssl = SSL_new(ctx);
    client_talk(client, ssl);
    SSL_free(ssl);
    SSL_CTX_free(ctx);
    ERR_clear_error();
    close(client->fd);
    loop_stop(client->loop);
    return NULL;
}

// --- The server's side: sends everything back, and shuts down after "bye"

struct server {
    struct conn *conn;
    size_t received;
    unsigned closed;
    int error;
};

static void on_data(void *owner, const uint8_t *data, size_t len)
{
    struct server *server = owner;
    server->received += len;
    bool bye = len >= 3 && memcmp(data + len - 3, "bye", 3) == 0;
    // Both ways of writing, so that a record holds parts of several segments.
    struct payload *payload = payload_new(data, len);
    conn_write(server->conn, data, len / 3);
    conn_write_payload(server->conn, payload, len / 3, len - len / 3);
    payload_unref(&payload);
    if (bye)
        conn_shutdown(server->conn);
}

static void on_closed(void *owner, int err)
{
    struct server *server = owner;
    server->closed++;
    server->error = err;
}

static const struct conn_handler handler = {.data = on_data, .closed = on_closed};

static void meet(struct tls_server *tls, struct client *client, struct server *server)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    assert_int_equal(loop_new(&client->loop), 0);
    client->fd = ends[0];
    server->conn = conn_new(client->loop, ends[1], tls, &handler, server);
    assert_int_equal(pthread_create(&client->thread, NULL, client_run, client), 0);
    loop_run(client->loop);
    pthread_join(client->thread, NULL);
    for (int i = 0; i < 100 && server->closed == 0; i++)
        loop_turns(client->loop, 1);
    conn_free(&server->conn);
    loop_free(&client->loop);
}

static void bytes_make_the_round_trip(void **state)
{
    (void)state;
    struct tls_server *tls = new_server("round-trip");
    struct client client = {.echo = true, .protocol = "\x02h2\x08http/1.1"};
    struct server server = {0};
    meet(tls, &client, &server);
    assert_true(client.connected);
    assert_string_equal(client.name, "round-trip");
    assert_string_equal(client.selected, "http/1.1");
    assert_true(client.same);
    assert_true(client.clean_end);
    assert_true(server.received >= ECHO_SIZE + 3);
    assert_int_equal(server.closed, 1);
    assert_int_equal(server.error, ERR_CLOSED);
    tls_server_free(&tls);
}

static void client_without_alpn_is_served_and_one_with_another_protocol_is_not(void **state)
{
    (void)state;
    struct tls_server *tls = new_server("alpn");
    struct client without = {0}, other = {.protocol = "\x02h2"};
    struct server first = {0}, second = {0};
    meet(tls, &without, &first);
    assert_true(without.connected);
    meet(tls, &other, &second);
    assert_false(other.connected);
    assert_int_equal(second.received, 0);
    assert_int_equal(second.closed, 1);
    tls_server_free(&tls);
}

static void reload_changes_the_certificate_of_new_connections(void **state)
{
    (void)state;
    struct tls_server *tls = new_server("old");
    struct client before = {0}, after = {0}, still = {0};
    struct server servers[3] = {0};
    meet(tls, &before, &servers[0]);
    assert_string_equal(before.name, "old");
    write_certificate("new");
    assert_int_equal(tls_server_reload(tls, NULL), 0);
    meet(tls, &after, &servers[1]);
    assert_string_equal(after.name, "new");
    FILE *file = fopen(key_file, "w");
    fputs("no key\n", file);
    fclose(file);
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(tls_server_reload(tls, &error), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&error), key_file));
    meet(tls, &still, &servers[2]);
    assert_string_equal(still.name, "new");
    tls_server_free(&tls);
}

static void session_outlives_its_server(void **state)
{
    (void)state;
    struct tls_server *tls = new_server("gone");
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), 0);
    struct peer peer;
    struct server server = {0};
    server.conn = conn_new(loop, peer_open(&peer, loop), tls, &handler, &server);
    tls_server_free(&tls);
    loop_turns(loop, 1);
    conn_free(&server.conn);
    peer_close(&peer);
    loop_free(&loop);
}

static void plain_bytes_fail_the_handshake(void **state)
{
    (void)state;
    struct tls_server *tls = new_server("plain");
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), 0);
    struct peer peer;
    struct server server = {0};
    server.conn = conn_new(loop, peer_open(&peer, loop), tls, &handler, &server);
    peer_send_text(&peer, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    for (int i = 0; i < 10 && server.closed == 0; i++)
        loop_turns(loop, 1);
    assert_int_equal(server.error, -EPROTO);
    assert_int_equal(server.received, 0);
    conn_free(&server.conn);
    peer_close(&peer);
    loop_free(&loop);
    tls_server_free(&tls);
}

static void missing_files_are_an_error_with_a_text(void **state)
{
    (void)state;
    struct tls_server *tls = NULL;
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(tls_server_new("/nowhere/cert.pem", "/nowhere/key.pem", &error, &tls), ERR_INVALID);
    assert_null(tls);
    assert_non_null(strstr(buf_cstr(&error), "/nowhere/cert.pem"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_make_the_round_trip),
        cmocka_unit_test(client_without_alpn_is_served_and_one_with_another_protocol_is_not),
        cmocka_unit_test(reload_changes_the_certificate_of_new_connections),
        cmocka_unit_test(session_outlives_its_server),
        cmocka_unit_test(plain_bytes_fail_the_handshake),
        cmocka_unit_test(missing_files_are_an_error_with_a_text),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
