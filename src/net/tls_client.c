#include "net/tls_client.h"

#include "util/clock.h"
#include "util/error.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>

struct tls_client {
    SSL_CTX *ctx;
    SSL *ssl;
    int fd;
    uint64_t wait_ms;
};

static int failed(struct buf *ret_reason, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    buf_append_text(ret_reason, what);
    if (reason)
        buf_printf(ret_reason, ": %s", reason);
    ERR_clear_error();
    return ERR_UNAVAILABLE;
}

static int trust(struct tls_client *it, const char *ca_file, struct buf *ret_reason)
{
    if (ca_file[0] && SSL_CTX_load_verify_file(it->ctx, ca_file) != 1)
        return failed(ret_reason, "the file of its authorities cannot be used");
    if (!ca_file[0] && SSL_CTX_set_default_verify_paths(it->ctx) != 1)
        return failed(ret_reason, "the system's authorities cannot be used");
    SSL_CTX_set_verify(it->ctx, SSL_VERIFY_PEER, NULL);
    return 0;
}

// Only a name is sent to the server, which may have certificates for several.
static int expect_host(struct tls_client *it, const char *host, struct buf *ret_reason)
{
    struct in6_addr address;
    bool is_address = inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1;
    int done = is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(it->ssl), host)
                          : SSL_set1_host(it->ssl, host) && SSL_set_tlsext_host_name(it->ssl, host);
    return done ? 0 : failed(ret_reason, "no certificate can be for the host's name");
}

// Waits for what the last call has not found. Returns ERR_TIMEOUT, or ERR_UNAVAILABLE if that call has failed.
static int wait_for_peer(const struct tls_client *it, int rc, uint64_t until_ms)
{
    int error = SSL_get_error(it->ssl, rc);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return ERR_UNAVAILABLE;
    struct pollfd peer = {.fd = it->fd, .events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT};
    uint64_t now_ms = clock_mono_ms();
    return now_ms < until_ms && poll(&peer, 1, (int)(until_ms - now_ms)) > 0 ? 0 : ERR_TIMEOUT;
}

static int shake_hands(struct tls_client *it, struct buf *ret_reason)
{
    uint64_t until_ms = clock_mono_ms() + it->wait_ms;
    int rc, err = 0;
    ERR_clear_error();
    while (err == 0 && (rc = SSL_connect(it->ssl)) != 1)
        err = wait_for_peer(it, rc, until_ms);
    if (err == 0)
        return 0;
    long verdict = SSL_get_verify_result(it->ssl);
    if (err == ERR_TIMEOUT)
        buf_append_text(ret_reason, "it does not answer with TLS");
    else if (verdict != X509_V_OK)
        buf_printf(ret_reason, "its certificate is not trusted: %s", X509_verify_cert_error_string(verdict));
    else
        failed(ret_reason, "it cannot be spoken to with TLS");
    ERR_clear_error();
    return ERR_UNAVAILABLE;
}

int tls_client_open(const struct tls_client_options *options, struct buf *ret_reason, struct tls_client **ret)
{
    CLEANUP(tls_client_free) struct tls_client *it = xcalloc(1, sizeof(*it));
    it->fd = options->fd;
    it->wait_ms = options->wait_ms;
    it->ctx = SSL_CTX_new(TLS_client_method());
    if (!it->ctx || SSL_CTX_set_min_proto_version(it->ctx, TLS1_2_VERSION) != 1)
        return failed(ret_reason, "TLS cannot be set up");
    SSL_CTX_set_mode(it->ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    int err = trust(it, options->ca_file, ret_reason);
    if (err < 0)
        return err;
    it->ssl = SSL_new(it->ctx);
    if (!it->ssl || SSL_set_fd(it->ssl, it->fd) != 1 || fcntl(it->fd, F_SETFL, fcntl(it->fd, F_GETFL) | O_NONBLOCK) < 0)
        return failed(ret_reason, "TLS cannot be set up");
    err = expect_host(it, options->host, ret_reason);
    if (err == 0)
        err = shake_hands(it, ret_reason);
    if (err == 0)
        *ret = TAKE_PTR(it);
    return err;
}

void tls_client_free(struct tls_client **client)
{
    struct tls_client *gone = TAKE_PTR(*client);
    if (!gone)
        return;
    if (gone->ssl && SSL_is_init_finished(gone->ssl))
        SSL_shutdown(gone->ssl);
    SSL_free(gone->ssl);
    SSL_CTX_free(gone->ctx);
    ERR_clear_error();
    free(gone);
}

ssize_t tls_client_read(struct tls_client *client, void *out, size_t len)
{
    uint64_t until_ms = clock_mono_ms() + client->wait_ms;
    int rc, err = 0;
    ERR_clear_error();
    while (err == 0 && (rc = SSL_read(client->ssl, out, (int)MIN(len, (size_t)INT32_MAX))) <= 0) {
        if (SSL_get_error(client->ssl, rc) == SSL_ERROR_ZERO_RETURN)
            return 0;
        err = wait_for_peer(client, rc, until_ms);
    }
    return err < 0 ? err : rc;
}

int tls_client_write(struct tls_client *client, const void *data, size_t len)
{
    uint64_t until_ms = clock_mono_ms() + client->wait_ms;
    const char *from = data;
    int err = 0;
    ERR_clear_error();
    while (err == 0 && len > 0) {
        int rc = SSL_write(client->ssl, from, (int)MIN(len, (size_t)INT32_MAX));
        if (rc <= 0) {
            err = wait_for_peer(client, rc, until_ms);
            continue;
        }
        from += rc;
        len -= (size_t)rc;
    }
    return err;
}

bool tls_client_has_input(const struct tls_client *client)
{
    return SSL_pending(client->ssl) > 0;
}
