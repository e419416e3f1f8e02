#include "runner/job_secrets.h"

#include "model/secret.h"
#include "util/file.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#define TEXT_MAX (SECRETS_USED_BYTES_MAX * 6 + 65536) // a byte may take six in JSON

int job_secrets_pass(const json_t *values, int *ret_fd)
{
    CLEANUP(close_fd) int fd = memfd_create("runnel-secrets", MFD_CLOEXEC);
    if (fd < 0)
        return -errno;
    char *text = json_dumps(values, JSON_COMPACT);
    int err = file_write_full(fd, text, strlen(text));
    explicit_bzero(text, strlen(text));
    free(text);
    if (err == 0)
        *ret_fd = TAKE_FD(fd);
    return err;
}

static int read_whole(int fd, struct buf *ret)
{
    off_t at = 0;
    ssize_t got;
    do {
        buf_reserve(ret, 65536);
        got = pread(fd, ret->data + ret->len, 65536, at);
        if (got < 0)
            return -errno;
        ret->len += (size_t)got;
        at += got;
    } while (got > 0 && ret->len <= TEXT_MAX);
    return ret->len <= TEXT_MAX ? 0 : ERR_CORRUPT;
}

static int take_values(json_t *values, struct job_secrets *ret)
{
    const char *name;
    json_t *value;
    if (!json_is_object(values))
        return ERR_CORRUPT;
    ret->env = xcalloc(json_object_size(values) + 1, sizeof(*ret->env));
    ret->mask = mask_new();
    json_object_foreach(values, name, value)
    {
        if (!json_is_string(value))
            return ERR_CORRUPT;
        ret->env[ret->count++] = xasprintf("%s=%s", name, json_string_value(value));
        secret_add_forms(ret->mask, str_n(json_string_value(value), json_string_length(value)));
    }
    mask_seal(ret->mask);
    return 0;
}

int job_secrets_take(int fd, struct job_secrets *ret)
{
    CLEANUP(close_fd) int taken = fd;
    CLEANUP(buf_release) struct buf text = {0};
    if (fd < 0)
        return 0;
    int err = read_whole(taken, &text);
    json_t *values = err == 0 ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    if (text.data)
        explicit_bzero(text.data, text.cap);
    if (err == 0)
        err = take_values(values, ret);
    json_decref(values);
    return err;
}

bool job_secrets_set(const struct job_secrets *secrets, const char *variable)
{
    size_t len = strcspn(variable, "=") + 1;
    for (size_t i = 0; i < secrets->count; i++)
        if (strncmp(secrets->env[i], variable, len) == 0)
            return true;
    return false;
}

void job_secrets_release(struct job_secrets *secrets)
{
    for (size_t i = 0; i < secrets->count; i++) {
        explicit_bzero(secrets->env[i], strlen(secrets->env[i]));
        free(secrets->env[i]);
    }
    free(secrets->env);
    mask_free(&secrets->mask);
    *secrets = (struct job_secrets){0};
}
