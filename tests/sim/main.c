// sim [queue|late|nodes] --seed N [--trace] | --these N... | --seeds FROM COUNT [--stop] | --fresh COUNT
#include "late.h"
#include "queue.h"
#include "util/id.h"

static int usage(void)
{
    fputs("usage: sim [queue|late|nodes] --seed N [--trace]     one world, told step by step\n"
          "       sim [queue|late|nodes] --these N...           these worlds\n"
          "       sim [queue|late|nodes] --seeds FROM COUNT [--stop]   worlds FROM, FROM + 1, …; with --stop until one "
          "fails\n"
          "       sim [queue|late|nodes] --fresh COUNT          worlds that nobody has seen yet\n"
          "with `queue` of jobs, workers and servers, with `late` of a log that comes late from elsewhere, with "
          "`nodes` of "
          "several servers on one store, else of one log\n",
          stderr);
    return 2;
}

// Which worlds.
struct kind {
    const char *program; // with its word
    bool (*run)(uint64_t seed, bool tracing);
};

static bool run_one(const struct kind *kind, uint64_t seed)
{
    bool good = kind->run(seed, false);
    if (!good)
        printf("again: %s --seed %llu --trace\n", kind->program, (unsigned long long)seed);
    fflush(stdout);
    return good;
}

static int run_end(uint64_t count, uint64_t failed)
{
    printf("%llu passed, %llu failed, 0 skipped\n", (unsigned long long)(count - failed), (unsigned long long)failed);
    return failed > 0;
}

static int run_many(const struct kind *kind, uint64_t from, uint64_t count, bool stop)
{
    uint64_t failed = 0;
    for (uint64_t i = 0; i < count && !(stop && failed); i++)
        failed += !run_one(kind, from + i);
    return run_end(count, failed);
}

// Says first which worlds they are, so that one that hangs or crashes can be run again too.
static int run_fresh(const struct kind *kind, uint64_t count)
{
    uint64_t from = random_u64() >> 1;
    printf("the same again: %s --seeds %llu %llu\n", kind->program, (unsigned long long)from,
           (unsigned long long)count);
    fflush(stdout);
    return run_many(kind, from, count, false);
}

static bool number(const char *text, uint64_t *ret)
{
    return str_to_u64(str_of(text), ret);
}

static int run_these(const struct kind *kind, size_t count, char **seeds)
{
    uint64_t failed = 0, seed;
    for (size_t i = 0; i < count; i++) {
        if (!number(seeds[i], &seed))
            return usage();
        failed += !run_one(kind, seed);
    }
    return run_end(count, failed);
}

static int run(const struct kind *kind, int argc, char **argv)
{
    uint64_t a, b;
    if (argc >= 3 && strcmp(argv[1], "--seed") == 0 && number(argv[2], &a)) {
        bool tracing = argc == 4 && strcmp(argv[3], "--trace") == 0;
        if (argc != 3 && !tracing)
            return usage();
        bool good = kind->run(a, tracing);
        if (good)
            puts("all held");
        return !good;
    }
    if (argc >= 3 && strcmp(argv[1], "--these") == 0)
        return run_these(kind, (size_t)argc - 2, argv + 2);
    bool stop = argc == 5 && strcmp(argv[4], "--stop") == 0;
    if ((argc == 4 || stop) && strcmp(argv[1], "--seeds") == 0 && number(argv[2], &a) && number(argv[3], &b))
        return run_many(kind, a, b, stop);
    if (argc == 3 && strcmp(argv[1], "--fresh") == 0 && number(argv[2], &b))
        return run_fresh(kind, b);
    return usage();
}

int main(int argc, char **argv)
{
    static const struct kind kinds[] = {{"queue", queue_run}, {"late", late_run}, {"nodes", nodes_run}};
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (argc < 2 || strcmp(argv[1], kinds[i].program) != 0)
            continue;
        CLEANUP(free_ptr) char *program = xasprintf("%s %s", argv[0], kinds[i].program);
        return run(&(struct kind){program, kinds[i].run}, argc - 1, argv + 1);
    }
    return run(&(struct kind){argv[0], world_run}, argc, argv);
}
