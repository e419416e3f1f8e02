#include "bus/redis_address.h"

#include "util/error.h"
#include "util/file.h"

#define PORT      6379
#define LOGIN_MAX ((size_t)16 * 1024)

static int refuse(struct buf *ret_error, const char *why)
{
    buf_append_text(ret_error, why);
    return ERR_INVALID;
}

// `size`: with room for the NUL.
static bool copy(struct str from, char *to, size_t size)
{
    return from.len > 0 && !str_find(from, '\0') && str_put(to, size, from);
}

static bool is_number(struct str text, uint64_t least, uint64_t most, int *ret)
{
    uint64_t number;
    if (!str_to_u64(text, &number) || number < least || number > most)
        return false;
    *ret = (int)number;
    return true;
}

// HOST, HOST:PORT, [ADDRESS] or [ADDRESS]:PORT.
static bool read_host(struct str text, struct redis_address *ret)
{
    const char *end = text.len > 0 && text.data[0] == '[' ? memchr(text.data, ']', text.len) : NULL;
    struct str host, port;
    if (end) {
        host = str_n(text.data + 1, (size_t)(end - text.data) - 1);
        port = str_n(end + 1, text.len - host.len - 2);
    } else {
        const char *colon = str_find(text, ':');
        host = str_n(text.data, colon ? (size_t)(colon - text.data) : text.len);
        port = str_n(text.data + host.len, text.len - host.len);
    }
    ret->port = PORT;
    bool has_port = port.len > 0;
    if (has_port && (port.data[0] != ':' || !is_number(str_n(port.data + 1, port.len - 1), 1, 65535, &ret->port)))
        return false;
    return copy(host, ret->host, sizeof(ret->host));
}

static int read_url(struct str rest, struct redis_address *ret, struct buf *ret_error)
{
    int database = 0;
    if (str_find(rest, '@'))
        return refuse(ret_error, "a user or a password belongs into the file of bus_credentials, not into the address");
    if (str_find(rest, '?'))
        return refuse(ret_error, "the address of a Redis has nothing behind a '?'");
    struct str host = str_split(&rest, '/');
    if (rest.len > 0 && !is_number(rest, 0, INT32_MAX, &database))
        return refuse(ret_error, "the database of a Redis is a number");
    return read_host(host, ret)
               ? 0
               : refuse(ret_error, "the address of a Redis is redis://HOST:PORT, rediss://HOST:PORT or unix:/PATH");
}

int redis_address_read(const char *text, struct redis_address *ret, struct buf *ret_error)
{
    static const struct str url = STR("redis://"), tls = STR("rediss://"), socket = STR("unix:");
    struct str address = str_of(text);
    *ret = (struct redis_address){.tls = str_starts(address, tls)};
    if (str_starts(address, url))
        return read_url(str_n(address.data + url.len, address.len - url.len), ret, ret_error);
    if (ret->tls)
        return read_url(str_n(address.data + tls.len, address.len - tls.len), ret, ret_error);
    struct str path = str_starts(address, socket) ? str_n(text + socket.len, address.len - socket.len) : str_n(NULL, 0);
    if (path.len == 0 || path.data[0] != '/' || !copy(path, ret->path, sizeof(ret->path)))
        return refuse(ret_error, "the socket of a Redis is unix:/PATH, whose path has at most 107 bytes");
    return 0;
}

int redis_login_read(const char *file, struct redis_login *ret, struct buf *ret_error)
{
    *ret = (struct redis_login){0};
    if (!file[0])
        return 0;
    int err = file_read_all(file, LOGIN_MAX, &ret->text);
    if (err < 0) {
        buf_printf(ret_error, "the file of bus_credentials cannot be read: %s", error_text(err));
        return ERR_INVALID;
    }
    struct str line = str_trim(buf_str(&ret->text));
    ret->password = line;
    if (line.len > 0 && memchr(line.data, ':', line.len)) {
        ret->user = str_split(&line, ':');
        ret->password = line;
    }
    if (ret->password.len > 0 && !memchr(line.data, '\n', line.len))
        return 0;
    return refuse(ret_error, "the file of bus_credentials must have one line: PASSWORD, or USER:PASSWORD");
}

void redis_login_release(struct redis_login *login)
{
    if (login->text.cap > 0)
        explicit_bzero(login->text.data, login->text.cap);
    buf_release(&login->text);
    *login = (struct redis_login){0};
}
