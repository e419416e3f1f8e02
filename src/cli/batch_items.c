#include "cli/batch_items.h"

#include "cli/run_inputs.h"
#include "model/batch.h"

#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#define TOO_MANY   "a batch may have at most %d jobs; make several batches"
#define SHOWN_JSON 60 // bytes of a line that is wrong

struct items {
    struct cli *cli;
    const json_t *order;
    json_t *jobs;
};

bool batch_wanted(const struct cli *cli)
{
    return cli_value(cli, "batch") || cli_value(cli, "each-line") || cli_value(cli, "range") ||
           cli_value(cli, "each-json");
}

// --- One item

static char *replaced(const char *word, const char *item, bool *found)
{
    CLEANUP(buf_release) struct buf text = {0};
    for (const char *at; (at = strstr(word, "{}")); word = at + 2) {
        buf_append(&text, word, (size_t)(at - word));
        buf_append_text(&text, item);
        *found = true;
    }
    buf_append_text(&text, word);
    return xstrdup(buf_cstr(&text));
}

static json_t *replaced_list(const json_t *words, const char *item, bool *found)
{
    json_t *list = json_array();
    for (size_t i = 0; i < json_array_size(words); i++) {
        CLEANUP(free_ptr) char *word = replaced(json_string_value(json_array_get(words, i)), item, found);
        json_array_append_new(list, json_string(word));
    }
    return list;
}

static int add_input(struct items *items, json_t *job, const char *path, const char *name)
{
    json_t *of_all = json_object_get(items->order, "inputs"), *inputs = json_array();
    for (size_t i = 0; i < json_array_size(of_all); i++)
        json_array_append_new(inputs, json_copy(json_array_get(of_all, i)));
    json_object_set_new(job, "inputs", inputs);
    return inputs_add_as(items->cli, inputs, path, name);
}

// `file`: what the job takes along with the files of all; NULL: nothing.
static int add_item(struct items *items, const char *item, const char *name, const char *file)
{
    const json_t *command = json_object_get(items->order, "command"), *args = json_object_get(items->order, "args");
    bool found = false;
    if (!utf8_valid(item, strlen(item)))
        return cli_usage_error(items->cli, "\"%s\" is not UTF-8", item);
    if (json_array_size(items->jobs) == BATCH_JOBS_MAX)
        return cli_usage_error(items->cli, TOO_MANY, BATCH_JOBS_MAX);
    json_t *job = json_object();
    if (command)
        json_object_set_new(job, "command", replaced_list(command, item, &found));
    json_t *list = replaced_list(args, item, &found);
    if (!found) {
        json_t *last = command ? json_object_get(job, "command") : list;
        json_array_append_new(last, json_string(item));
    }
    if (json_array_size(list) > 0)
        json_object_set(job, "args", list);
    json_decref(list);
    json_object_set_new(job, "name", json_string(name));
    json_array_append_new(items->jobs, job);
    return file ? add_input(items, job, file, item) : 0;
}

// --- Where they come from

// In a fresh folder the file lies beside the script. In a folder of the worker's machine it is one of that machine.
static int add_file(struct items *items, const char *path)
{
    char whole[PATH_MAX];
    CLEANUP(free_ptr) char *name = inputs_name(path);
    struct stat info;
    if (cli_value(items->cli, "cwd"))
        return realpath(path, whole) ? add_item(items, whole, path, NULL)
                                     : cli_usage_error(items->cli, "%s: %s", path, strerror(errno));
    if (stat(path, &info) < 0)
        return cli_usage_error(items->cli, "%s: %s", path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return cli_usage_error(items->cli, "%s is no regular file, so it cannot be sent", path);
    return add_item(items, name, path, path);
}

// A pattern that the shell has not expanded, or a file.
static int add_pattern(struct items *items, const char *pattern)
{
    glob_t found;
    int code = 0;
    int err = glob(pattern, 0, NULL, &found);
    if (err == GLOB_NOMATCH) {
        // As the shell hands over a pattern that matches nothing.
        return strpbrk(pattern, "*?[") ? 0 : add_file(items, pattern);
    }
    if (err)
        return cli_usage_error(items->cli, "%s: the files cannot be listed", pattern);
    for (size_t i = 0; i < found.gl_pathc && code == 0; i++)
        code = add_file(items, found.gl_pathv[i]);
    globfree(&found);
    return code;
}

static int add_files(struct items *items)
{
    const char *const *patterns;
    char *const *operands;
    size_t count = cli_values(items->cli, "batch", &patterns);
    int code = 0;
    cli_operands(items->cli, &operands);
    for (size_t i = 0; i < count && code == 0; i++)
        code = add_pattern(items, patterns[i]);
    // The shell has expanded a pattern: the first file is the option's value, the others are operands behind SCRIPT.
    for (size_t i = 1; count > 0 && i < items->cli->parsed.operands_before_end && code == 0; i++)
        code = add_file(items, operands[i]);
    return code;
}

static int check_json(const struct items *items, const char *path, unsigned long number, const char *line)
{
    json_error_t error;
    CLEANUP(json_free) json_t *value = json_loads(line, JSON_DECODE_ANY, &error);
    size_t len = strlen(line), shown = utf8_prefix(line, len, SHOWN_JSON);
    if (value)
        return 0;
    return cli_usage_error(items->cli,
                           "--each-json %s: line %lu is no JSON: %s: \"%.*s%s\"; each line has to be one whole value",
                           path, number, error.text, (int)shown, line, shown < len ? "…" : "");
}

static int add_lines(struct items *items, bool objects)
{
    const char *option = objects ? "each-json" : "each-line", *path = cli_value(items->cli, option);
    if (!path)
        return 0;
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    char *line = NULL;
    size_t size = 0;
    int code = 0;
    if (!file)
        return cli_usage_error(items->cli, "--%s %s: %s", option, path, strerror(errno));
    unsigned long number = 0;
    for (ssize_t len; code == 0 && (len = getline(&line, &size, file)) >= 0;) {
        struct str text = str_trim(str_n(line, (size_t)len));
        number++;
        if (text.len == 0)
            continue;
        CLEANUP(free_ptr) char *item = xstrndup(text.data, text.len);
        code = objects ? check_json(items, path, number, item) : 0;
        if (code == 0)
            code = add_item(items, item, item, NULL);
    }
    if (code == 0 && ferror(file))
        code = cli_usage_error(items->cli, "--%s %s: %s", option, path, strerror(errno));
    free(line);
    if (file != stdin)
        fclose(file);
    return code;
}

static int add_range(struct items *items)
{
    const char *range = cli_value(items->cli, "range");
    if (!range)
        return 0;
    struct str last = str_of(range), first = str_split(&last, '-');
    uint64_t from, to;
    if (!str_to_u64(first, &from) || !str_to_u64(last, &to) || to < from)
        return cli_usage_error(items->cli,
                               "--range wants two numbers, the smaller one first, such as 1-100, not "
                               "\"%s\"",
                               range);
    if (to - from >= BATCH_JOBS_MAX)
        return cli_usage_error(items->cli, "--range %s: " TOO_MANY, range, BATCH_JOBS_MAX);
    int code = 0;
    for (uint64_t i = from; i <= to && code == 0; i++) {
        char number[24];
        snprintf(number, sizeof(number), "%llu", (unsigned long long)i);
        code = add_item(items, number, number, NULL);
    }
    return code;
}

static void tell_nothing(const struct cli *cli)
{
    static const char *const options[] = {"batch", "each-line", "each-json"};
    for (size_t i = 0; i < ARRAY_LEN(options); i++) {
        const char *value = cli_value(cli, options[i]);
        if (value)
            fprintf(stderr, "runnel: --%s: %s %s, so there are no jobs\n", options[i], value,
                    i == 0 ? "matches no file" : "has no lines");
    }
}

int batch_items_read(struct cli *cli, const json_t *order, json_t **ret)
{
    CLEANUP(json_free) json_t *jobs = json_array();
    struct items items = {cli, order, jobs};
    int code = add_files(&items);
    if (code == 0)
        code = add_lines(&items, false);
    if (code == 0)
        code = add_lines(&items, true);
    if (code == 0)
        code = add_range(&items);
    if (code == 0 && json_array_size(jobs) == 0)
        tell_nothing(cli);
    if (code == 0)
        *ret = TAKE_PTR(jobs);
    return code;
}
