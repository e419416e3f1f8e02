// sim --seed N [--trace] | --seeds FROM COUNT [--stop] | --fresh COUNT
#include "sim.h"
#include "util/id.h"

static int usage(void)
{
    fputs("usage: sim --seed N [--trace]     one world, told step by step\n"
          "       sim --seeds FROM COUNT [--stop]   worlds FROM, FROM + 1, …; with --stop until one fails\n"
          "       sim --fresh COUNT          worlds that nobody has seen yet\n",
          stderr);
    return 2;
}

static int run_many(const char *program, uint64_t from, uint64_t count, bool stop)
{
    uint64_t failed = 0;
    for (uint64_t i = 0; i < count && !(stop && failed); i++) {
        if (!world_run(from + i, false)) {
            failed++;
            printf("again: %s --seed %llu --trace\n", program, (unsigned long long)(from + i));
            fflush(stdout);
        }
    }
    printf("%llu passed, %llu failed, 0 skipped\n", (unsigned long long)(count - failed), (unsigned long long)failed);
    return failed > 0;
}

// Says first which worlds they are, so that one that hangs or crashes can be run again too.
static int run_fresh(const char *program, uint64_t count)
{
    uint64_t from = random_u64() >> 1;
    printf("the same again: %s --seeds %llu %llu\n", program, (unsigned long long)from, (unsigned long long)count);
    fflush(stdout);
    return run_many(program, from, count, false);
}

static bool number(const char *text, uint64_t *ret)
{
    return str_to_u64(str_of(text), ret);
}

int main(int argc, char **argv)
{
    uint64_t a, b;
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0 && number(argv[2], &a)) {
        bool tracing = argc == 4 && strcmp(argv[3], "--trace") == 0;
        if (argc != 3 && !tracing)
            return usage();
        bool good = world_run(a, tracing);
        if (good)
            puts("all held");
        return !good;
    }
    bool stop = argc == 5 && strcmp(argv[4], "--stop") == 0;
    if ((argc == 4 || stop) && strcmp(argv[1], "--seeds") == 0 && number(argv[2], &a) && number(argv[3], &b))
        return run_many(argv[0], a, b, stop);
    if (argc == 3 && strcmp(argv[1], "--fresh") == 0 && number(argv[2], &b))
        return run_fresh(argv[0], b);
    return usage();
}
