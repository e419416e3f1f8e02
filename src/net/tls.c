#include "net/tls_private.h"
#include "util/error.h"

#include <errno.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

struct tls_server {
    atomic_uint refs;     // its own, and one for each session, because a session uses `socket_method`
    pthread_mutex_t lock; // protects `ctx`
    SSL_CTX *ctx;
    BIO_METHOD *socket_method;
    char *cert_file, *key_file;
};

struct tls_session {
    struct tls_server *server;
    SSL *ssl;
    const char *reason; // of the last failure; OpenSSL's static text
    bool wants_write;
};

// --- Socket BIO. OpenSSL's own one calls write(2), which raises SIGPIPE.

static int fd_of_bio(BIO *bio)
{
    return (int)(intptr_t)BIO_get_data(bio);
}

static int socket_write(BIO *bio, const char *data, int len)
{
    BIO_clear_retry_flags(bio);
    ssize_t sent = send(fd_of_bio(bio), data, (size_t)len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && BIO_sock_should_retry(-1))
        BIO_set_retry_write(bio);
    return (int)sent;
}

static int socket_read(BIO *bio, char *out, int len)
{
    BIO_clear_retry_flags(bio);
    ssize_t got = recv(fd_of_bio(bio), out, (size_t)len, MSG_DONTWAIT);
    if (got < 0 && BIO_sock_should_retry(-1))
        BIO_set_retry_read(bio);
    else if (got == 0)
        BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
    return (int)got;
}

static long socket_control(BIO *bio, int command, long number, void *pointer)
{
    (void)number;
    (void)pointer;
    if (command == BIO_CTRL_EOF)
        return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
    return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *new_socket_method(void)
{
    BIO_METHOD *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "socket without SIGPIPE");
    if (!method)
        abort();
    BIO_meth_set_write(method, socket_write);
    BIO_meth_set_read(method, socket_read);
    BIO_meth_set_ctrl(method, socket_control);
    return method;
}

// --- Server context

static int select_protocol(SSL *ssl, const unsigned char **ret, unsigned char *ret_len, const unsigned char *offered,
                           unsigned offered_len, void *arg)
{
    static const unsigned char ours[] = "\x08http/1.1";
    (void)ssl;
    (void)arg;
    unsigned char *selected = NULL;
    if (SSL_select_next_proto(&selected, ret_len, ours, sizeof(ours) - 1, offered, offered_len) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_ALERT_FATAL;
    *ret = selected;
    return SSL_TLSEXT_ERR_OK;
}

// A key that needs a passphrase is an error. OpenSSL would ask for it on the terminal.
static int no_passphrase(char *out, int size, int writing, void *arg)
{
    (void)out;
    (void)size;
    (void)writing;
    (void)arg;
    return 0;
}

static void append_openssl_errors(struct buf *out)
{
    for (unsigned long code; (code = ERR_get_error()) != 0;) {
        char text[256];
        ERR_error_string_n(code, text, sizeof(text));
        buf_printf(out, ": %s", text);
    }
}

static int load_ctx(const struct tls_server *server, struct buf *ret_error, SSL_CTX **ret)
{
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (!ctx)
        return ERR_NOMEM;
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    // For TLS 1.2, only ciphers that encrypt and authenticate in one step (AEAD) and have forward secrecy. TLS 1.3 has
    // no others.
    if (SSL_CTX_set_cipher_list(ctx, "ECDHE+AESGCM:ECDHE+CHACHA20") != 1)
        abort();
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE |
                                 SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(ctx,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
    SSL_CTX_set_alpn_select_cb(ctx, select_protocol, NULL);

    const char *failed = NULL;
    if (SSL_CTX_use_certificate_chain_file(ctx, server->cert_file) != 1)
        failed = server->cert_file;
    else if (SSL_CTX_use_PrivateKey_file(ctx, server->key_file, SSL_FILETYPE_PEM) != 1 ||
             SSL_CTX_check_private_key(ctx) != 1)
        failed = server->key_file;
    if (failed) {
        if (ret_error) {
            buf_append_text(ret_error, failed);
            append_openssl_errors(ret_error);
        }
        ERR_clear_error();
        SSL_CTX_free(ctx);
        return ERR_INVALID;
    }
    *ret = ctx;
    return 0;
}

static void server_unref(struct tls_server *server)
{
    if (atomic_fetch_sub_explicit(&server->refs, 1, memory_order_acq_rel) != 1)
        return;
    SSL_CTX_free(server->ctx);
    BIO_meth_free(server->socket_method);
    pthread_mutex_destroy(&server->lock);
    free(server->cert_file);
    free(server->key_file);
    free(server);
}

int tls_server_new(const char *cert_file, const char *key_file, struct buf *ret_error, struct tls_server **ret)
{
    struct tls_server *server = xcalloc(1, sizeof(*server));
    atomic_init(&server->refs, 1);
    pthread_mutex_init(&server->lock, NULL);
    server->socket_method = new_socket_method();
    server->cert_file = xstrdup(cert_file);
    server->key_file = xstrdup(key_file);
    int err = load_ctx(server, ret_error, &server->ctx);
    if (err < 0) {
        server_unref(server);
        return err;
    }
    *ret = server;
    return 0;
}

int tls_server_reload(struct tls_server *server, struct buf *ret_error)
{
    SSL_CTX *fresh = NULL;
    int err = load_ctx(server, ret_error, &fresh);
    if (err < 0)
        return err;
    pthread_mutex_lock(&server->lock);
    SSL_CTX *old = server->ctx;
    server->ctx = fresh;
    pthread_mutex_unlock(&server->lock);
    SSL_CTX_free(old);
    return 0;
}

void tls_server_free(struct tls_server **server)
{
    if (*server)
        server_unref(TAKE_PTR(*server));
}

// --- Sessions

struct tls_session *tls_session_new(struct tls_server *server, int fd)
{
    struct tls_session *session = xcalloc(1, sizeof(*session));
    pthread_mutex_lock(&server->lock);
    session->ssl = SSL_new(server->ctx);
    pthread_mutex_unlock(&server->lock);
    BIO *bio = BIO_new(server->socket_method);
    if (!session->ssl || !bio)
        abort();
    atomic_fetch_add_explicit(&server->refs, 1, memory_order_relaxed);
    session->server = server;
    BIO_set_data(bio, (void *)(intptr_t)fd);
    BIO_set_init(bio, 1);
    SSL_set_bio(session->ssl, bio, bio);
    SSL_set_accept_state(session->ssl);
    return session;
}

void tls_session_free(struct tls_session **session_ptr)
{
    struct tls_session *session = *session_ptr;
    if (!session)
        return;
    *session_ptr = NULL;
    SSL_free(session->ssl);
    server_unref(session->server);
    free(session);
}

// `result` <= 0 is what an operation returned. Gives the negative code, or 0 for the peer's end.
static int failure(struct tls_session *session, int result)
{
    switch (SSL_get_error(session->ssl, result)) {
    case SSL_ERROR_WANT_WRITE:
        session->wants_write = true;
        return -EAGAIN;
    case SSL_ERROR_WANT_READ:
        return -EAGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return 0;
    case SSL_ERROR_SYSCALL:
        return errno ? -errno : -ECONNRESET;
    default:
        session->reason = ERR_reason_error_string(ERR_peek_error());
        return -EPROTO;
    }
}

int tls_session_handshake(struct tls_session *session)
{
    ERR_clear_error();
    errno = 0;
    session->wants_write = false;
    int result = SSL_do_handshake(session->ssl);
    if (result == 1)
        return 0;
    int err = failure(session, result);
    return err ? err : ERR_CLOSED;
}

const char *tls_session_handshake_failure(const struct tls_session *session)
{
    if (session->reason)
        return session->reason;
    return BIO_number_read(SSL_get_rbio(session->ssl)) > 0 ? "the connection ended within it" : NULL;
}

ssize_t tls_session_read(struct tls_session *session, void *out, size_t len)
{
    ERR_clear_error();
    errno = 0;
    session->wants_write = false;
    int result = SSL_read(session->ssl, out, (int)MIN(len, (size_t)INT32_MAX));
    return result > 0 ? result : failure(session, result);
}

ssize_t tls_session_write(struct tls_session *session, const void *data, size_t len)
{
    ERR_clear_error();
    errno = 0;
    session->wants_write = false;
    int result = SSL_write(session->ssl, data, (int)MIN(len, (size_t)INT32_MAX));
    if (result > 0)
        return result;
    int err = failure(session, result);
    return err ? err : -EPIPE;
}

bool tls_session_wants_write(const struct tls_session *session)
{
    return session->wants_write;
}

bool tls_session_has_input(const struct tls_session *session)
{
    return SSL_has_pending(session->ssl) == 1;
}

void tls_session_say_goodbye(struct tls_session *session)
{
    ERR_clear_error();
    SSL_shutdown(session->ssl);
    ERR_clear_error();
}
