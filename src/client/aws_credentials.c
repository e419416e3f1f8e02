#include "client/aws_credentials.h"

#include "util/file.h"

#include <string.h>

#define FILE_MAX ((size_t)64 * 1024)

static void wipe(struct buf *secret)
{
    if (secret->cap > 0)
        explicit_bzero(secret->data, secret->cap);
    buf_release(secret);
}

void aws_credentials_release(struct aws_credentials *credentials)
{
    wipe(&credentials->key_id);
    wipe(&credentials->secret);
    wipe(&credentials->session_token);
}

static int judge(struct aws_credentials *credentials, const char *where, struct buf *ret_error)
{
    if (credentials->key_id.len && credentials->secret.len)
        return 0;
    aws_credentials_release(credentials);
    buf_printf(ret_error, "%s has no access key with its secret key", where);
    return ERR_INVALID;
}

// --- The file

static struct buf *field_of(struct aws_credentials *credentials, struct str name)
{
    if (str_eq_nocase(name, STR("aws_access_key_id")))
        return &credentials->key_id;
    if (str_eq_nocase(name, STR("aws_secret_access_key")))
        return &credentials->secret;
    return str_eq_nocase(name, STR("aws_session_token")) ? &credentials->session_token : NULL;
}

static void take_line(struct aws_credentials *credentials, struct str line)
{
    struct str name = str_trim(str_split(&line, '='));
    struct buf *field = field_of(credentials, name);
    if (!field)
        return;
    wipe(field);
    buf_append_str(field, str_trim(line));
}

int aws_credentials_parse(struct str text, const char *profile, struct aws_credentials *ret, struct buf *ret_error)
{
    CLEANUP(free_ptr) char *wanted = xasprintf("[%s]", profile[0] ? profile : "default");
    bool within = false;
    while (text.len) {
        struct str line = str_trim(str_split(&text, '\n'));
        if (line.len == 0 || line.data[0] == '#' || line.data[0] == ';')
            continue;
        if (line.data[0] == '[')
            within = str_eq(line, str_of(wanted));
        else if (within)
            take_line(ret, line);
    }
    return judge(ret, wanted, ret_error);
}

static int read_file(const char *path, const char *profile, struct aws_credentials *ret, struct buf *ret_error)
{
    struct buf text = {0}, error = {0};
    int err = file_read_all(path, FILE_MAX, &text);
    if (err < 0) {
        buf_printf(ret_error, "%s: %s", path, error_text(err));
        err = ERR_INVALID;
    } else {
        err = aws_credentials_parse(buf_str(&text), profile, ret, &error);
        if (err)
            buf_printf(ret_error, "%s: %s", path, buf_cstr(&error));
    }
    wipe(&text);
    buf_release(&error);
    return err;
}

// --- The environment

static void take_variable(struct buf *field, const char *name)
{
    const char *value = getenv(name);
    if (value)
        buf_append_text(field, value);
}

int aws_credentials_read(const char *path, const char *profile, struct aws_credentials *ret, struct buf *ret_error)
{
    *ret = (struct aws_credentials){0};
    if (path[0])
        return read_file(path, profile, ret, ret_error);
    take_variable(&ret->key_id, "AWS_ACCESS_KEY_ID");
    take_variable(&ret->secret, "AWS_SECRET_ACCESS_KEY");
    take_variable(&ret->session_token, "AWS_SESSION_TOKEN");
    return judge(ret, "the environment", ret_error);
}
