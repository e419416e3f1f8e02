#include "cli/log_tasks.h"

#include "cli/log_task.h"

static void *follow_on_thread(void *arg)
{
    struct log_task *task = arg;
    task->code = log_task_run(task);
    return NULL;
}

// All prefixes are as wide as the widest.
static void choose_prefixes(struct log_task *tasks, size_t count, bool colour)
{
    size_t width = 0;
    for (size_t i = 0; i < count; i++)
        width = MAX(width, log_task_name_width(&tasks[i]));
    for (size_t i = 0; i < count; i++)
        log_task_prefix(&tasks[i], i, width, colour);
}

static int run_all(struct log_task *tasks, size_t count, bool at_once)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    for (size_t i = 0; i < count; i++) {
        tasks[i].printer.out.lock = tasks[i].printer.err.lock = &lock;
        tasks[i].has_thread = at_once && pthread_create(&tasks[i].thread, NULL, follow_on_thread, &tasks[i]) == 0;
        if (!tasks[i].has_thread)
            follow_on_thread(&tasks[i]);
    }
    int code = 0;
    for (size_t i = 0; i < count; i++) {
        if (tasks[i].has_thread)
            pthread_join(tasks[i].thread, NULL);
        code = code ? code : tasks[i].code;
    }
    pthread_mutex_destroy(&lock);
    return code;
}

int log_tasks_run(struct cli *cli, const char *const *ids, size_t count, struct log_request *request)
{
    struct log_task *tasks = xcalloc(count, sizeof(*tasks));
    int code = 0;
    for (size_t i = 0; i < count && code == 0; i++) {
        tasks[i].cli = cli;
        tasks[i].request = request;
        code = log_task_prepare(&tasks[i], ids[i]);
    }
    if (code == 0 && count > 1)
        choose_prefixes(tasks, count, cli_colour(cli));
    if (code == 0)
        code = run_all(tasks, count, count > 1 && request->follow);
    for (size_t i = 0; i < count; i++)
        log_task_release(&tasks[i]);
    free(tasks);
    return code;
}
