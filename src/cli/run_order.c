#include "cli/run_order.h"

#include "cli/batch_items.h"
#include "cli/run_inputs.h"
#include "model/config_limits.h"
#include "model/secret.h"
#include "util/file.h"
#include "util/id.h"

#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#define STDIN_MAX  ((size_t)1024 * 1024)
#define MEMORY_MIN (256 * 1024) // bytes; less is a unit that was forgotten

#define WHAT_TO_RUN "say what to run: runnel run SCRIPT [ARGS], or runnel run -- COMMAND [ARGS]"

// What makes no sense as an empty text, and what it is.
static const struct {
    const char *option, *what;
} filled[] = {
    {"image", "an image such as debian:12"},
    {"cwd", "a folder of the worker's machine"},
    {"label", "a word such as gpu"},
    {"batch", "a file or a pattern such as 'data/*.csv'"},
    {"runtime", "a runtime such as python:3.11"},
    {"input", "a file or a folder"},
};

static int check_filled(struct cli *cli, json_t *order)
{
    (void)order;
    for (size_t i = 0; i < ARRAY_LEN(filled); i++) {
        const char *const *values;
        size_t count = cli_values(cli, filled[i].option, &values);
        for (size_t j = 0; j < count; j++) {
            if (str_trim(str_of(values[j])).len == 0)
                return cli_usage_error(cli, "--%s wants %s, not an empty text", filled[i].option, filled[i].what);
        }
    }
    const char *id = cli_value(cli, "id");
    if (id && !id_execution_valid(str_of(id)))
        return cli_usage_error(cli,
                               "--id wants letters, digits and any of ._:- behind a first letter or digit, at "
                               "most 255 of them, not \"%s\"",
                               id);
    return 0;
}

// What would be without any effect.
static int check_batch_only(struct cli *cli, json_t *order)
{
    static const char *const options[] = {"parallel", "max-fails", "keep-open"};
    (void)order;
    for (size_t i = 0; i < ARRAY_LEN(options) && !batch_wanted(cli) && !cli_value(cli, "add-to"); i++) {
        if (cli_flag(cli, options[i]))
            return cli_usage_error(cli, "--%s is for a batch, which --batch, --each-line, --each-json or --range makes",
                                   options[i]);
    }
    return 0;
}

// --- Pairs

// `value` NULL: the variable is taken from our own environment.
static int add_pair(struct cli *cli, json_t *object, const char *option, const char *pair, bool from_environment)
{
    const char *equals = strchr(pair, '=');
    if (!utf8_valid(pair, strlen(pair)) || equals == pair || (!equals && !from_environment))
        return cli_usage_error(cli, "%s wants KEY=VALUE, not \"%s\"", option, pair);
    CLEANUP(free_ptr) char *name = equals ? xstrndup(pair, (size_t)(equals - pair)) : xstrdup(pair);
    const char *value = equals ? equals + 1 : getenv(name);
    if (!value)
        return cli_usage_error(cli, "%s %s: there is no such variable in the environment", option, name);
    json_object_set_new(object, name, json_string(value));
    return 0;
}

static int add_pairs(struct cli *cli, json_t *order, const char *name, const char *option, const char *shown,
                     bool from_environment)
{
    const char *const *pairs;
    size_t count = cli_values(cli, option, &pairs);
    CLEANUP(json_free) json_t *object = json_object();
    for (size_t i = 0; i < count; i++) {
        int code = add_pair(cli, object, shown, pairs[i], from_environment);
        if (code)
            return code;
    }
    if (count > 0)
        json_object_set(order, name, object);
    return 0;
}

int run_order_metadata(struct cli *cli, json_t *object)
{
    return add_pairs(cli, object, "metadata", "metadata", "-m", false);
}

// --- Values

static void add_text(struct cli *cli, json_t *order, const char *name, const char *option)
{
    const char *value = cli_value(cli, option);
    if (value)
        json_object_set_new(order, name, json_string(value));
}

static void add_texts(struct cli *cli, json_t *order, const char *name, const char *option)
{
    const char *const *values;
    size_t count = cli_values(cli, option, &values);
    if (count == 0)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        struct str rest = str_of(values[i]);
        while (rest.len > 0) {
            struct str item = str_trim(str_split(&rest, ','));
            json_array_append_new(list, json_stringn(item.data, item.len));
        }
    }
    json_object_set_new(order, name, list);
}

static int add_duration(struct cli *cli, json_t *order, const char *name, const char *option, bool whole)
{
    const char *value = cli_value(cli, option);
    int64_t ms;
    if (!value)
        return 0;
    if (!duration_parse(str_of(value), &ms) || (whole && ms > 0 && ms < 1000))
        return cli_usage_error(cli, "--%s wants a duration such as 90s or 10m, not \"%s\"", option, value);
    json_object_set_new(order, name,
                        whole ? json_integer((json_int_t)((ms + 999) / 1000)) : json_real((double)ms / 1000));
    return 0;
}

static int add_whole(struct cli *cli, json_t *order, const char *name, const char *option)
{
    const char *value = cli_value(cli, option);
    int64_t number;
    if (!value)
        return 0;
    if (!str_to_i64(str_of(value), &number))
        return cli_usage_error(cli, "--%s wants a whole number, not \"%s\"", option, value);
    json_object_set_new(order, name, json_integer((json_int_t)number));
    return 0;
}

static int add_cpus(struct cli *cli, json_t *order)
{
    const char *value = cli_value(cli, "cpus");
    char *end = NULL;
    double cpus = value ? strtod(value, &end) : 0;
    if (!value)
        return 0;
    if (end == value || *end || !(cpus >= 0 && cpus <= 10000))
        return cli_usage_error(cli, "--cpus wants a number such as 2 or 0.5, not \"%s\"", value);
    json_object_set_new(order, "cpus", json_real(cpus));
    return 0;
}

// "512M", "1.5G", "1GiB", bytes.
static int add_memory(struct cli *cli, json_t *order)
{
    static const char units[] = "KMGT";
    const char *value = cli_value(cli, "memory");
    char *end = NULL;
    double bytes = value ? strtod(value, &end) : 0;
    if (!value)
        return 0;
    const char *unit = *end ? strchr(units, *end & ~0x20) : NULL;
    for (const char *at = units; unit && at <= unit; at++)
        bytes *= 1024;
    const char *rest = unit ? end + 1 : end;
    bool good = end != value && (!*rest || (unit && (strcasecmp(rest, "B") == 0 || strcasecmp(rest, "iB") == 0)));
    if (!good || !(bytes >= 0 && bytes < 9e18))
        return cli_usage_error(cli, "--memory wants bytes, such as 512M or 1.5G, not \"%s\"", value);
    if (bytes > 0 && bytes < MEMORY_MIN)
        return cli_usage_error(cli, "--memory %s is less than any program needs; say 512M for 512 mebibytes", value);
    json_object_set_new(order, "memory", json_integer((json_int_t)bytes));
    return 0;
}

// NAME, or NAME=VARIABLE, or SECRET_RUN_TOKEN in place of a name.
static int add_secrets(struct cli *cli, json_t *order)
{
    const char *const *uses;
    struct str name, variable;
    size_t count = cli_values(cli, "secret", &uses);
    CLEANUP(json_free) json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        if (!secret_use_parse(str_of(uses[i]), &name, &variable))
            return cli_usage_error(
                cli,
                "--secret wants NAME or NAME=VARIABLE, each of letters, digits and _, or @run for the token of the run "
                "itself; not \"%s\"",
                uses[i]);
        json_array_append_new(list, json_string(uses[i]));
    }
    if (count > 0)
        json_object_set(order, "secrets", list);
    return 0;
}

// ID, or ID:ok, ID:any, ID:failed.
static int add_after(struct cli *cli, json_t *order)
{
    const char *const *values;
    size_t count = cli_values(cli, "after", &values);
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const char *colon = strrchr(values[i], ':');
        bool has_wish =
            colon && (strcmp(colon, ":ok") == 0 || strcmp(colon, ":any") == 0 || strcmp(colon, ":failed") == 0);
        size_t len = has_wish ? (size_t)(colon - values[i]) : strlen(values[i]);
        if (!id_execution_valid(str_n(values[i], len))) {
            json_decref(list);
            return cli_usage_error(cli,
                                   "--after wants the ID of an execution or a batch, with :ok, :any or :failed behind "
                                   "it if need be, not \"%s\"",
                                   values[i]);
        }
        json_array_append_new(list, json_pack("{s:s%,s:s}", "id", values[i], len, "on", has_wish ? colon + 1 : "ok"));
    }
    if (count > 0)
        json_object_set(order, "after", list);
    json_decref(list);
    return 0;
}

static int add_stdin(struct cli *cli, json_t *order)
{
    CLEANUP(buf_release) struct buf text = {0};
    const char *path = cli_value(cli, "stdin");
    if (!path)
        return 0;
    int err = file_read_all(strcmp(path, "-") == 0 ? "/dev/stdin" : path, STDIN_MAX, &text);
    if (err < 0)
        return cli_usage_error(cli, "--stdin %s: %s", path, err == -EFBIG ? "it may have 1 MiB" : strerror(-err));
    if (!utf8_valid(text.data, text.len) || (text.len > 0 && memchr(text.data, 0, text.len)))
        return cli_usage_error(cli, "--stdin %s: it must be text in UTF-8", path);
    json_object_set_new(order, "stdin", json_stringn(text.len > 0 ? text.data : "", text.len));
    return 0;
}

// --- What is run

static json_t *list_of(char *const *words, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, json_string(words[i]));
    return list;
}

static json_t *inputs_of(json_t *order)
{
    json_t *inputs = json_object_get(order, "inputs");
    if (!inputs)
        json_object_set_new(order, "inputs", inputs = json_array());
    return inputs;
}

static int add_script(struct cli *cli, json_t *order, const char *path)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    json_object_set_new(order, "script_filename", json_string(name));
    return inputs_add_as(cli, inputs_of(order), path, name);
}

static int add_inputs(struct cli *cli, json_t *order)
{
    const char *const *paths;
    size_t count = cli_values(cli, "input", &paths);
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++)
        code = inputs_add(cli, inputs_of(order), paths[i]);
    return code;
}

static int check_script(struct cli *cli, const char *path)
{
    struct stat found;
    if (!*path)
        return cli_usage_error(cli, "the name of the script is an empty text; " WHAT_TO_RUN);
    if (stat(path, &found) < 0 && errno != ENOENT && errno != ENOTDIR)
        return cli_usage_error(cli, "%s: %s", path, strerror(errno));
    if (stat(path, &found) < 0)
        return cli_usage_error(cli, "%s: there is no such script; `runnel run -- %s …` runs a program", path, path);
    if (S_ISDIR(found.st_mode))
        return cli_usage_error(cli,
                               "%s is a folder, and no script; name the file in it that is to be run, and send "
                               "the others with --input",
                               path);
    if (!S_ISREG(found.st_mode))
        return cli_usage_error(cli, "%s is no regular file, so it cannot be sent as a script", path);
    if (access(path, R_OK) < 0)
        return cli_usage_error(cli, "%s cannot be read, so it cannot be sent: %s", path, strerror(errno));
    return 0;
}

static int add_command(struct cli *cli, json_t *order, char *const *words, size_t count)
{
    if (!words[0][0])
        return cli_usage_error(cli, "the name of the program is an empty text; " WHAT_TO_RUN);
    if (cli_value(cli, "runtime"))
        return cli_usage_error(cli, "--runtime says what runs a script, and what stands behind -- is run as it is; "
                                    "leave one of them out");
    json_object_set_new(order, "command", list_of(words, count));
    return 0;
}

// SCRIPT [ARGS], SCRIPT -- ARGS, or -- COMMAND. In a batch, what stands between SCRIPT and -- are its files.
static int add_what(struct cli *cli, json_t *order)
{
    char *const *operands;
    size_t count = cli_operands(cli, &operands), before = cli->parsed.operands_before_end;
    if (count == 0 && !cli_value(cli, "image"))
        return cli_usage_error(cli, WHAT_TO_RUN);
    for (size_t i = 0; i < count; i++)
        if (!utf8_valid(operands[i], strlen(operands[i])))
            return cli_usage_error(cli, "\"%s\" is not UTF-8", operands[i]);
    if (before == 0)
        return count > 0 ? add_command(cli, order, operands, count) : 0;
    int code = check_script(cli, operands[0]);
    if (code)
        return code;
    size_t first_arg = cli_value(cli, "batch") ? before : 1;
    if (count > first_arg)
        json_object_set_new(order, "args", list_of(operands + first_arg, count - first_arg));
    return add_script(cli, order, operands[0]);
}

int run_order_read(struct cli *cli, json_t **ret)
{
    CLEANUP(json_free) json_t *order = json_object();
    static int (*const steps[])(struct cli *, json_t *) = {
        check_filled, check_batch_only, add_what, add_inputs, add_cpus, add_memory, add_secrets, add_after, add_stdin};
    int code = add_pairs(cli, order, "env", "env", "-e", true);
    if (code == 0)
        code = run_order_metadata(cli, order);
    for (size_t i = 0; i < ARRAY_LEN(steps) && code == 0; i++)
        code = steps[i](cli, order);
    if (code == 0)
        code = add_duration(cli, order, "timeout_seconds", "timeout", true);
    if (code == 0)
        code = add_duration(cli, order, "retry_delay_seconds", "retry-delay", false);
    if (code == 0)
        code = add_whole(cli, order, "retries", "retries");
    if (code == 0)
        code = add_whole(cli, order, "priority", "priority");
    add_text(cli, order, "runtime", "runtime");
    add_text(cli, order, "image", "image");
    add_text(cli, order, "name", "name");
    add_text(cli, order, "cwd", "cwd");
    add_text(cli, order, "result", "result");
    add_text(cli, order, "retention", "retention");
    if (cli_flag(cli, "pin"))
        json_object_set_new(order, "pin", json_true());
    add_texts(cli, order, "labels", "label");
    add_texts(cli, order, "retry_on", "retry-on");
    if (code == 0)
        *ret = TAKE_PTR(order);
    return code;
}
