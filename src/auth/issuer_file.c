// The file of issuers, and the files of keys that it names.
#include "auth/issuer.h"
#include "net/digest.h"
#include "util/file.h"
#include "util/private_file.h"
#include "util/settings_file.h"

#include <errno.h>
#include <sys/stat.h>

#define VALUE_MAX  4096
#define PATH_PARTS 8
#define FILE_MAX   65536 // bytes of a secret or a PEM file

enum setting_index {
#define SETTING_ENUM(kind, name, def, least, most, help) SETTING_##name,
    ISSUER_SETTINGS(SETTING_ENUM)
#undef SETTING_ENUM
        SETTING_COUNT
};

#define DEFAULT_T(def) def
#define DEFAULT_L(def) def
#define DEFAULT_N(def) #def
#define DEFAULT_B(def) (def ? "yes" : "no")

const struct issuer_setting issuer_settings[] = {
#define SETTING_ENTRY(kind_, name_, def, least_, most_, help_) \
    {.name = #name_,                                           \
     .default_text = DEFAULT_##kind_(def),                     \
     .help = help_,                                            \
     .kind = #kind_[0],                                        \
     .least = least_,                                          \
     .most = most_},
    ISSUER_SETTINGS(SETTING_ENTRY)
#undef SETTING_ENTRY
        {.name = NULL},
};

static const size_t setting_offsets[] = {
#define SETTING_OFFSET(kind, name, def, least, most, help) offsetof(struct issuer, name),
    ISSUER_SETTINGS(SETTING_OFFSET)
#undef SETTING_OFFSET
};

static void *field_of(struct issuer *issuer, size_t setting)
{
    return (char *)issuer + setting_offsets[setting];
}

// --- Values

static void list_release(struct issuer_list *list)
{
    while (list->count > 0)
        free(list->items[--list->count]);
}

static int refuse(struct buf *ret_error, const char *name, const char *must)
{
    buf_printf(ret_error, "%s must be %s", name, must);
    return ERR_INVALID;
}

static int set_number(const struct issuer_setting *setting, int64_t *field, const char *value, struct buf *ret_error)
{
    int64_t number;
    if (str_to_i64(str_of(value), &number) && number >= setting->least && number <= setting->most) {
        *field = number;
        return 0;
    }
    buf_printf(ret_error, "%s must be a whole number from %lld to %lld", setting->name, (long long)setting->least,
               (long long)setting->most);
    return ERR_INVALID;
}

static int set_yes_no(const struct issuer_setting *setting, bool *field, const char *value, struct buf *ret_error)
{
    bool yes = strcmp(value, "yes") == 0 || strcmp(value, "true") == 0;
    if (!yes && strcmp(value, "no") != 0 && strcmp(value, "false") != 0)
        return refuse(ret_error, setting->name, "yes or no");
    *field = yes;
    return 0;
}

static int set_list(const struct issuer_setting *setting, struct issuer_list *field, const char *const *values,
                    size_t count, struct buf *ret_error)
{
    list_release(field);
    if (count > ISSUER_LIST_MAX)
        return refuse(ret_error, setting->name, "at most 32 texts");
    while (field->count < count) {
        field->items[field->count] = xstrdup(values[field->count]);
        field->count++;
    }
    return 0;
}

static int set_value(struct issuer *issuer, size_t i, const char *const *values, size_t count, struct buf *ret_error)
{
    const struct issuer_setting *setting = &issuer_settings[i];
    for (size_t n = 0; n < count; n++)
        if (strlen(values[n]) > VALUE_MAX || !values[n][0])
            return refuse(ret_error, setting->name, "a text of 1 to 4096 bytes; leave it out to have none");
    switch (setting->kind) {
    case 'N':
        return set_number(setting, field_of(issuer, i), values[0], ret_error);
    case 'B':
        return set_yes_no(setting, field_of(issuer, i), values[0], ret_error);
    case 'L':
        return set_list(setting, field_of(issuer, i), values, count, ret_error);
    default:
        free(*(char **)field_of(issuer, i));
        *(char **)field_of(issuer, i) = xstrdup(values[0]);
        return 0;
    }
}

static void set_default(struct issuer *issuer, size_t i)
{
    CLEANUP(buf_release) struct buf error = {0};
    const char *text = issuer_settings[i].default_text;
    if (issuer_settings[i].kind == 'T')
        *(char **)field_of(issuer, i) = xstrdup(text);
    else if (issuer_settings[i].kind != 'L')
        set_value(issuer, i, &text, 1, &error);
}

static struct issuer *issuer_new(const char *name)
{
    struct issuer *issuer = xcalloc(1, sizeof(*issuer));
    issuer->name = xstrdup(name);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        set_default(issuer, i);
    return issuer;
}

static void issuer_free(struct issuer *issuer)
{
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (issuer_settings[i].kind == 'T')
            free(*(char **)field_of(issuer, i));
        else if (issuer_settings[i].kind == 'L')
            list_release(field_of(issuer, i));
    }
    jose_keys_release(&issuer->keys);
    free(issuer->name);
    free(issuer);
}

void issuer_file_release(struct issuer_file *file)
{
    while (file->count > 0)
        issuer_free(file->items[--file->count]);
}

// --- What must hold of a whole section

// What people may write themselves must never decide about them.
static bool path_good(const char *path)
{
    struct str rest = str_of(path);
    size_t parts = 0;
    while (rest.len > 0) {
        struct str part = str_split(&rest, '.');
        if (part.len == 0 || ++parts > PATH_PARTS || str_eq(part, STR("user_metadata")))
            return false;
    }
    return true;
}

#define PATH_MUST \
    "a path of at most 8 names with dots between them, and not beneath user_metadata, which users may change"

static bool role_word(const char *text, bool none_too)
{
    enum role role;
    return (none_too && strcmp(text, "none") == 0) || (role_parse(str_of(text), &role) && role != ROLE_OPERATOR);
}

static int check_roles(const struct issuer *issuer, struct buf *ret_error)
{
    for (size_t i = 0; i < issuer->roles.count; i++) {
        const char *is = strrchr(issuer->roles.items[i], '=');
        if (!is || is == issuer->roles.items[i] || !role_word(is + 1, true))
            return refuse(ret_error, "roles", "WORD=ROLE each, with ROLE viewer, user, service, admin or none");
    }
    if (issuer->role[0] && !role_word(issuer->role, false))
        return refuse(ret_error, "role", "viewer, user, service or admin");
    enum role role;
    for (size_t i = 0; i < issuer->audience_optional.count; i++)
        if (!issuer_role_of(issuer, str_of(issuer->audience_optional.items[i]), &role))
            return refuse(ret_error, "audience_optional", "words that `roles` has");
    for (size_t i = 0; i < issuer->subject_optional.count; i++)
        if (!issuer_role_of(issuer, str_of(issuer->subject_optional.items[i]), &role) || role == ROLE_USER)
            return refuse(ret_error, "subject_optional", "words that `roles` has, and that do not mean user");
    return 0;
}

static int check_issuer(const struct issuer *issuer, struct buf *ret_error)
{
    bool keys = issuer->secret_file.count > 0 || issuer->public_key_file.count > 0 || issuer->jwks_file[0] ||
                issuer->jwks_url[0];
    if (issuer->iss.count == 0)
        return refuse(ret_error, "iss", "set: it is what the claim `iss` of its tokens says");
    if (issuer->audience.count == 0)
        return refuse(ret_error, "audience", "set: it is what the claim `aud` of its tokens says");
    if (!keys)
        return refuse(ret_error, "one of secret_file, public_key_file, jwks_file and jwks_url", "set");
    if (!issuer->account[0] && !issuer->account_claim[0])
        return refuse(ret_error, "account or account_claim", "set: it says whose the tokens are");
    if (issuer->account[0] && !id_account_valid(str_of(issuer->account)))
        return refuse(ret_error, "account", "the name of an account");
    if (!path_good(issuer->account_claim))
        return refuse(ret_error, "account_claim", PATH_MUST);
    if (!path_good(issuer->role_claim))
        return refuse(ret_error, "role_claim", PATH_MUST);
    if (strlen(issuer->user_prefix) > 64)
        return refuse(ret_error, "user_prefix", "at most 64 bytes");
    return check_roles(issuer, ret_error);
}

// --- Keys

static int file_problem(struct buf *ret_error, const char *path, const char *problem)
{
    buf_printf(ret_error, "%s: %s", path, problem);
    return ERR_INVALID;
}

// Editors end a file with a newline, which is no part of a secret.
static struct str without_newline(const struct buf *text)
{
    size_t len = text->len;
    if (len > 0 && text->data[len - 1] == '\n')
        len--;
    if (len > 0 && len < text->len && text->data[len - 1] == '\r')
        len--;
    return str_n(text->data, len);
}

static int add_secret(struct jose_keys *keys, const char *path, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf text = {0}, error = {0};
    const char *problem = private_file_read(path, FILE_MAX, &text);
    int err =
        problem ? file_problem(ret_error, path, problem) : jose_keys_add_secret(keys, without_newline(&text), &error);
    if (text.data)
        explicit_bzero(text.data, text.cap);
    return err && !problem ? file_problem(ret_error, path, buf_cstr(&error)) : err;
}

static int add_pem(struct jose_keys *keys, const char *path, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf text = {0}, error = {0};
    int err = file_read_all(path, FILE_MAX, &text);
    if (err)
        return file_problem(ret_error, path, strerror(-err));
    err = jose_keys_add_pem(keys, buf_str(&text), &error);
    return err ? file_problem(ret_error, path, buf_cstr(&error)) : 0;
}

// Symmetric keys in it count only if the file is for its owner alone.
static int add_set(struct jose_keys *keys, const char *path, struct buf *ret_error)
{
    struct stat info;
    CLEANUP(buf_release) struct buf text = {0}, error = {0};
    int err = file_read_all(path, JOSE_SET_MAX, &text);
    if (err == 0 && stat(path, &info) < 0)
        err = -errno;
    if (err)
        return file_problem(ret_error, path, strerror(-err));
    err = jose_keys_add_set(keys, buf_str(&text), (info.st_mode & 077) == 0, &error);
    return err ? file_problem(ret_error, path, buf_cstr(&error)) : 0;
}

static int load_keys(struct issuer *issuer, struct buf *ret_error)
{
    int err = 0;
    for (size_t i = 0; i < issuer->secret_file.count && err == 0; i++)
        err = add_secret(&issuer->keys, issuer->secret_file.items[i], ret_error);
    for (size_t i = 0; i < issuer->public_key_file.count && err == 0; i++)
        err = add_pem(&issuer->keys, issuer->public_key_file.items[i], ret_error);
    if (issuer->jwks_file[0] && err == 0)
        err = add_set(&issuer->keys, issuer->jwks_file, ret_error);
    return err;
}

// --- The file

static struct issuer *section_of(struct issuer_file *file, const char *title)
{
    for (size_t i = 0; i < file->count; i++)
        if (strcmp(file->items[i]->name, title) == 0)
            return file->items[i];
    if (file->count == ISSUERS_MAX)
        return NULL;
    return file->items[file->count++] = issuer_new(title);
}

static int take_value(void *arg, const struct settings_value *value, struct buf *ret_error)
{
    struct issuer *issuer = section_of(arg, value->title);
    if (!issuer)
        return refuse(ret_error, "the number of issuers", "at most 32");
    if (value->unset.data)
        return settings_refuse_unset(value->unset, ret_error);
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (strcmp(value->name, issuer_settings[i].name) == 0)
            return set_value(issuer, i, value->values, value->count, ret_error);
    return ERR_INVALID;
}

static void print_text(struct sha256_stream *stream, const char *text)
{
    sha256_add(stream, text, strlen(text) + 1);
}

// Tokens of an issuer whose settings have changed must be judged anew.
static void print_settings(struct issuer *issuer)
{
    struct sha256_stream *stream = sha256_begin();
    print_text(stream, issuer->name);
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        const void *field = field_of(issuer, i);
        const struct issuer_list *list = field;
        print_text(stream, issuer_settings[i].name);
        if (issuer_settings[i].kind == 'T')
            print_text(stream, *(char *const *)field);
        else if (issuer_settings[i].kind == 'L')
            for (size_t n = 0; n < list->count; n++)
                print_text(stream, list->items[n]);
        else
            sha256_add(stream, field, issuer_settings[i].kind == 'N' ? sizeof(int64_t) : sizeof(bool));
    }
    sha256_end(&stream, issuer->print);
}

static void default_roles(struct issuer *issuer)
{
    static const char *const words[] = {"service_role=service", "authenticated=user", "anon=none"};
    CLEANUP(buf_release) struct buf error = {0};
    if (issuer->roles.count == 0)
        set_value(issuer, SETTING_roles, words, ARRAY_LEN(words), &error);
}

static int finish_issuer(struct issuer *issuer, struct buf *ret_error)
{
    CLEANUP(buf_release) struct buf error = {0};
    default_roles(issuer);
    int err = check_issuer(issuer, &error);
    if (err == 0)
        err = load_keys(issuer, &error);
    if (err)
        buf_printf(ret_error, "issuer \"%s\": %s", issuer->name, buf_cstr(&error));
    else
        print_settings(issuer);
    return err;
}

static int load(const char *path, struct issuer_file *ret, struct buf *ret_error)
{
    struct settings_name names[SETTING_COUNT + 1] = {0};
    for (size_t i = 0; i < SETTING_COUNT; i++)
        names[i] = (struct settings_name){.name = issuer_settings[i].name, .is_list = issuer_settings[i].kind == 'L'};
    const struct settings_form form = {.section = "issuer", .in_section = names};
    if (settings_file_read(path, &form, take_value, ret, ret_error))
        return ERR_INVALID;
    CLEANUP(buf_release) struct buf error = {0};
    int err = ret->count > 0 ? 0 : refuse(&error, "at least one section `issuer \"NAME\" { … }`", "in it");
    for (size_t i = 0; i < ret->count && err == 0; i++)
        err = finish_issuer(ret->items[i], &error);
    if (err)
        buf_printf(ret_error, "%s: %s", path, buf_cstr(&error));
    return err;
}

int issuer_file_load(const char *path, struct issuer_file *ret, struct buf *ret_error)
{
    struct issuer_file file = {0};
    int err = load(path, &file, ret_error);
    if (err)
        issuer_file_release(&file);
    else
        *ret = file;
    return err;
}
