#include "runner/container/container_private.h"

#define FIRST_MS  500
#define EVERY_MS  5000
#define ANSWER_MS 10000

static uint64_t number(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    return json_is_integer(value) && json_integer_value(value) > 0 ? (uint64_t)json_integer_value(value) : 0;
}

static void on_usage(void *arg, const struct engine_answer *answer)
{
    struct container *container = arg;
    const json_t *memory = json_object_get(answer->root, "memory_stats");
    const json_t *cpu = json_object_get(json_object_get(answer->root, "cpu_stats"), "cpu_usage");
    uint64_t used = MAX(number(memory, "max_usage"), number(memory, "usage"));
    uint64_t cpu_us = number(cpu, "total_usage") / 1000;
    if (answer->err == 0 && (used > 0 || cpu_us > 0)) {
        container->has_usage = true;
        container->peak_memory = MAX(container->peak_memory, used);
        container->cpu_us = MAX(container->cpu_us, cpu_us);
    }
    engine_call_free(&container->usage_call);
    timer_start(container->usage_timer, EVERY_MS);
}

void container_usage_due(void *arg)
{
    struct container *container = arg;
    container->usage_call = engine_ask_of(&container->engine, "GET", container->id, "/stats?stream=false&one-shot=true",
                                          ANSWER_MS, on_usage, container);
}

void container_usage_start(struct container *container)
{
    timer_start(container->usage_timer, FIRST_MS);
}

void container_usage_stop(struct container *container)
{
    timer_stop(container->usage_timer);
    engine_call_free(&container->usage_call);
}
