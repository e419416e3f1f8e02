#include "load.h"

#define ARGS_MAX 32

struct args {
    const char *name[ARGS_MAX], *value[ARGS_MAX];
    bool used[ARGS_MAX];
    size_t count;
};

struct args *args_parse(int argc, char **argv)
{
    struct args *args = xcalloc(1, sizeof(*args));
    for (int i = 0; i + 1 < argc; i += 2) {
        if (strncmp(argv[i], "--", 2) != 0 || args->count == ARGS_MAX)
            fail("%s: not an argument", argv[i]);
        args->name[args->count] = argv[i] + 2;
        args->value[args->count++] = argv[i + 1];
    }
    if (argc % 2)
        fail("%s: wants a value", argv[argc - 1]);
    return args;
}

const char *args_text(struct args *args, const char *name, const char *otherwise)
{
    for (size_t i = 0; i < args->count; i++) {
        if (strcmp(args->name[i], name) != 0)
            continue;
        args->used[i] = true;
        return args->value[i];
    }
    if (!otherwise)
        fail("--%s is missing", name);
    return otherwise;
}

uint64_t args_number(struct args *args, const char *name, uint64_t otherwise)
{
    const char *text = args_text(args, name, "");
    uint64_t value = otherwise;
    if (*text && !str_to_u64(str_of(text), &value))
        fail("--%s: %s is not a number", name, text);
    return value;
}

void args_done(struct args *args)
{
    for (size_t i = 0; i < args->count; i++)
        if (!args->used[i])
            fail("--%s: unknown", args->name[i]);
}
