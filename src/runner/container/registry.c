#include "runner/container/registry.h"

#include "model/secret.h"
#include "util/base64.h"
#include "util/json_writer.h"
#include "util/private_file.h"

#include <jansson.h>

#define HUB         "docker.io"
#define HUB_LIBRARY HUB "/library/"
#define HUB_ADDRESS "https://index.docker.io/v1/" // what the registry of Docker is called in logins

struct registry_file {
    json_t *root;
};

// --- Names

static const char *canonical_host(struct str host)
{
    static const char *const names[] = {HUB, "index.docker.io", "registry-1.docker.io"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (str_eq(host, str_of(names[i])))
            return HUB;
    }
    return NULL;
}

static struct str host_of(struct str name)
{
    const char *slash = str_find(name, '/');
    return slash ? str_n(name.data, (size_t)(slash - name.data)) : name;
}

static void append_canonical(struct buf *out, struct str name)
{
    struct str host = host_of(name);
    const char *canonical = canonical_host(host);
    if (canonical)
        buf_append_text(out, canonical);
    else
        buf_append_str(out, host);
    buf_append(out, name.data + host.len, name.len - host.len);
}

void registry_image_name(const char *image, struct buf *out)
{
    const char *slash = strrchr(image, '/'), *last = slash ? slash + 1 : image;
    struct str name = str_n(image, (size_t)(last - image) + strcspn(last, ":@"));
    struct str first = host_of(name);
    bool has_host =
        first.len < name.len && (str_find(first, '.') || str_find(first, ':') || str_eq(first, STR("localhost")));
    if (!has_host)
        buf_append_text(out, first.len < name.len ? HUB "/" : HUB_LIBRARY);
    append_canonical(out, name);
}

// What an entry is for: "registry", or "registry/path". Docker has written addresses, too, of which the host counts.
static void append_entry_name(struct buf *out, const char *key)
{
    const char *scheme = strstr(key, "://");
    struct str name = str_of(scheme ? scheme + 3 : key);
    if (scheme)
        name = host_of(name);
    while (name.len > 0 && name.data[name.len - 1] == '/')
        name.len--;
    append_canonical(out, name);
}

static bool fits(struct str entry, struct str image)
{
    return entry.len > 0 && str_starts(image, entry) && (image.len == entry.len || image.data[entry.len] == '/');
}

// --- The file

static void forget(struct buf *buf)
{
    if (buf->data)
        explicit_bzero(buf->data, buf->cap);
    buf_release(buf);
}

static const char *text(const json_t *entry, const char *name)
{
    const char *value = json_string_value(json_object_get(entry, name));
    return value && value[0] ? value : NULL;
}

// "user:password" of `auth`. False if it is there and is something else.
static bool decode(const json_t *entry, struct buf *ret)
{
    const char *encoded = text(entry, "auth");
    size_t len = encoded ? strlen(encoded) : 0;
    if (len == 0)
        return true;
    buf_reserve(ret, len + 1);
    size_t size = len;
    if (len > REGISTRY_LOGIN_MAX || !base64_decode(str_of(encoded), (uint8_t *)ret->data, &size))
        return false;
    while (size > 0 && ret->data[size - 1] == 0) // Docker has written some
        size--;
    ret->len = size;
    return utf8_valid(ret->data, size) && !memchr(ret->data, 0, size) && memchr(ret->data, ':', size);
}

static const char *entry_problem(const json_t *entry)
{
    CLEANUP(buf_release) struct buf both = {0};
    if (!json_is_object(entry))
        return "is not an object";
    bool good = decode(entry, &both);
    if (both.data)
        explicit_bzero(both.data, both.cap);
    return good ? NULL : "has an `auth` that is not USER:PASSWORD in base64";
}

struct registry_file *registry_file_parse(struct str content, struct buf *reason)
{
    json_t *root = json_loadb(content.data ? content.data : "", content.len, JSON_REJECT_DUPLICATES, NULL);
    const json_t *entries = json_object_get(root, "auths");
    const char *key, *problem = NULL;
    json_t *entry;
    if (!json_is_object(root) || (entries && !json_is_object(entries)))
        problem = "it is not a JSON object with `auths`, as `docker login` writes it";
    if (problem)
        buf_append_text(reason, problem);
    json_object_foreach((json_t *)(uintptr_t)entries, key, entry)
    {
        const char *wrong = problem ? NULL : entry_problem(entry);
        if (!wrong)
            continue;
        problem = wrong;
        buf_append_text(reason, "its entry ");
        buf_append_utf8(reason, str_n(key, utf8_prefix(key, strlen(key), 128)));
        buf_printf(reason, " %s", wrong);
    }
    if (problem) {
        json_decref(root);
        return NULL;
    }
    struct registry_file *file = xcalloc(1, sizeof(*file));
    file->root = root;
    return file;
}

struct registry_file *registry_file_load(const char *path, struct buf *reason)
{
    struct buf content = {0};
    const char *problem = private_file_read(path, REGISTRY_FILE_MAX, &content);
    struct registry_file *file = NULL;
    if (problem)
        buf_append_text(reason, problem);
    else
        file = registry_file_parse(buf_str(&content), reason);
    forget(&content);
    return file;
}

static bool has_login(const json_t *entry)
{
    return text(entry, "auth") || text(entry, "password") || text(entry, "identitytoken") ||
           text(entry, "registrytoken");
}

size_t registry_file_count(const struct registry_file *file)
{
    const char *key;
    json_t *entry;
    size_t count = 0;
    json_object_foreach(json_object_get(file->root, "auths"), key, entry) count += has_login(entry);
    return count;
}

void registry_file_free(struct registry_file **file_ptr)
{
    struct registry_file *file = TAKE_PTR(*file_ptr);
    if (!file)
        return;
    json_decref(file->root);
    free(file);
}

// --- A login

static void add_token(struct json_writer *json, struct mask *mask, const json_t *entry, const char *name)
{
    const char *token = text(entry, name);
    if (!token)
        return;
    json_add_text(json, name, token);
    secret_add_forms(mask, str_of(token));
}

// What the engine is to send: {"username","password","serveraddress"}, or a token.
static void write_login(const json_t *entry, struct str name, struct mask *mask, struct buf *out)
{
    struct buf both = {0};
    struct str host = host_of(name), user = str_of(text(entry, "username")), password = str_of(text(entry, "password"));
    if (decode(entry, &both) && both.len > 0) {
        password = buf_str(&both);
        user = str_split(&password, ':');
        secret_add_forms(mask, buf_str(&both));
    }
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    json_add_str(&json, "username", user);
    json_add_str(&json, "password", password);
    json_add_str(&json, "serveraddress", str_eq(host, STR(HUB)) ? STR(HUB_ADDRESS) : host);
    if (password.len > 0)
        secret_add_forms(mask, password);
    add_token(&json, mask, entry, "identitytoken");
    add_token(&json, mask, entry, "registrytoken");
    json_close(&json);
    json_writer_end(&json);
    forget(&both);
}

// Engines want the alphabet of URLs, with padding.
static void append_base64url(struct buf *out, struct str bytes)
{
    buf_reserve(out, BASE64_LEN(bytes.len) + 1);
    size_t len = base64_encode(bytes.data, bytes.len, out->data);
    for (size_t i = 0; i < len; i++) {
        char digit = out->data[i];
        out->data[i] = (char)(digit == '+' ? '-' : digit == '/' ? '_' : digit);
    }
    out->len = len;
}

static void take_login(const json_t *entry, struct registry_login *ret)
{
    struct buf login = {0};
    ret->mask = mask_new();
    write_login(entry, buf_str(&ret->name), ret->mask, &login);
    append_base64url(&ret->header, buf_str(&login));
    mask_add(ret->mask, buf_str(&ret->header));
    mask_seal(ret->mask);
    if (ret->header.len > REGISTRY_LOGIN_MAX) // engines do not take such a head
        forget(&ret->header);
    forget(&login);
}

void registry_login_find(const struct registry_file *file, const char *image, struct registry_login *ret)
{
    CLEANUP(buf_release) struct buf wanted = {0};
    const json_t *best = NULL;
    const char *key;
    json_t *entry;
    *ret = (struct registry_login){0};
    registry_image_name(image, &wanted);
    json_object_foreach(json_object_get(file->root, "auths"), key, entry)
    {
        CLEANUP(buf_release) struct buf name = {0};
        append_entry_name(&name, key);
        if (!fits(buf_str(&name), buf_str(&wanted)) || name.len <= ret->name.len)
            continue;
        best = entry;
        buf_reset(&ret->name);
        buf_append_str(&ret->name, buf_str(&name));
    }
    if (!best)
        buf_append_str(&ret->name, host_of(buf_str(&wanted)));
    else if (has_login(best))
        take_login(best, ret);
    else
        ret->elsewhere = true;
}

void registry_login_release(struct registry_login *login)
{
    forget(&login->header);
    buf_release(&login->name);
    mask_free(&login->mask);
    *login = (struct registry_login){0};
}
