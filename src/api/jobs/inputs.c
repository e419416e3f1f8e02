#include "api/jobs/inputs.h"

#include "api/artifacts/artifacts.h"
#include "api/body.h"

#define MODE_USUAL 0644

static bool wrong(struct job_order_problem *problem, const char *reason)
{
    problem->field = "inputs";
    snprintf(problem->reason, sizeof(problem->reason), "%s", reason);
    return false;
}

static struct str text_of(const json_t *value)
{
    return str_n(json_string_value(value), json_string_length(value));
}

static bool take_input(const json_t *from, struct store_input *ret, struct job_order_problem *problem)
{
    const json_t *size = json_object_get(from, "size"), *mode = json_object_get(from, "mode");
    const json_t *hash = json_object_get(from, "sha256"), *name = json_object_get(from, "name");
    ret->name = text_of(name);
    ret->size = (uint64_t)json_integer_value(size);
    ret->mode = mode ? (unsigned)json_integer_value(mode) : MODE_USUAL;
    bool mode_good = !mode || (json_is_integer(mode) && json_integer_value(mode) >= 0 &&
                               json_integer_value(mode) <= ARTIFACT_MODE_MAX);
    if (json_object_size(from) != (mode ? 4u : 3u) || !json_is_integer(size) || json_integer_value(size) < 0 ||
        !json_is_string(hash) || !content_hash_read(text_of(hash), ret->hash) || !json_is_string(name) || !mode_good)
        return wrong(problem, "must be objects with name, sha256 (64 hex digits in lower case), size and, if it is not "
                              "0644, mode (at most 0777)");
    if (artifact_name_problem(ret->name)) {
        problem->field = "inputs";
        snprintf(problem->reason, sizeof(problem->reason), "have a name that %s", artifact_name_problem(ret->name));
        return false;
    }
    return true;
}

// A '/' comes before any other character, so a folder is followed by what lies in it.
static int by_name(const void *a, const void *b)
{
    struct str first = ((const struct store_input *)a)->name, second = ((const struct store_input *)b)->name;
    for (size_t i = 0; i < first.len && i < second.len; i++) {
        uint8_t one = (uint8_t)first.data[i], other = (uint8_t)second.data[i];
        if (one != other)
            return (one == '/' ? 0 : one) - (other == '/' ? 0 : other);
    }
    return (first.len > second.len) - (first.len < second.len);
}

// One name is one file, and no file is a folder of another.
static bool names_apart(const struct order_inputs *inputs)
{
    for (size_t i = 1; i < inputs->count; i++) {
        struct str before = inputs->inputs[i - 1].name, name = inputs->inputs[i].name;
        bool within = str_starts(name, before) && name.len > before.len && name.data[before.len] == '/';
        if (str_eq(before, name) || within)
            return false;
    }
    return true;
}

bool order_inputs_take(struct order_inputs *inputs, const struct json_t *body, struct job_order_problem *ret_problem)
{
    const json_t *list = json_object_get(body, "inputs");
    size_t count = json_array_size(list);
    if (count == 0)
        return true;
    inputs->inputs = xcalloc(count, sizeof(*inputs->inputs));
    for (; inputs->count < count; inputs->count++)
        if (!take_input(json_array_get(list, inputs->count), &inputs->inputs[inputs->count], ret_problem))
            return false;
    qsort(inputs->inputs, count, sizeof(*inputs->inputs), by_name);
    return names_apart(inputs) || wrong(ret_problem, "must have different names");
}

void order_inputs_release(struct order_inputs *inputs)
{
    free(inputs->inputs);
    *inputs = (struct order_inputs){0};
}
