// bench-load GENERATOR --argument VALUE …
#include "load.h"

static const struct {
    const char *name;
    int (*run)(struct args *args);
} generators[] = {
    {"ingest", run_ingest}, {"follow", run_follow}, {"http", run_http},     {"raw", run_raw},
    {"shared", run_shared}, {"child", run_child},   {"reader", run_reader}, {"probe", run_probe},
};

int main(int argc, char **argv)
{
    for (size_t i = 0; i < ARRAY_LEN(generators) && argc > 1; i++)
        if (strcmp(argv[1], generators[i].name) == 0)
            return generators[i].run(args_parse(argc - 2, argv + 2));
    fail("no generator %s", argc > 1 ? argv[1] : "named");
}
