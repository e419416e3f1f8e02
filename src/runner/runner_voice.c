// What a job under `wrap` knows of its run: variables, and a socket by which it speaks to its own log.
#include "runner/runner_private.h"

#define VOICE "voice"

static void said(void *arg, const struct record *record)
{
    const struct runner *runner = arg;
    recorder_add(runner->recorder, record);
}

// The recorder's thread writes it; runner_added goes on then.
static int flush(void *arg)
{
    struct runner *runner = arg;
    int added = recorder_added(runner->recorder);
    if (added == 0)
        voice_pause(runner->voice, true);
    return MIN(added, 0);
}

static const struct voice_events voice_events = {said, flush};

void runner_added(void *arg)
{
    struct runner *runner = arg;
    int added = recorder_added(runner->recorder);
    if (added < 0)
        voice_fail(runner->voice);
    else if (added > 0)
        voice_pause(runner->voice, false);
}

void runner_voice_start(struct runner *runner)
{
    int door;
    // Without it the job runs all the same.
    if (runner->dir_fd < 0 || voice_listen(runner->dir_fd, VOICE, &door) < 0 ||
        voice_new(runner->loop, door, &voice_events, runner, &runner->voice) < 0)
        runner->voice = NULL;
}

void runner_voice_end(struct runner *runner)
{
    voice_drain(runner->voice);
    voice_free(&runner->voice);
}

static bool is_named(const char *variable, const char *assignment)
{
    size_t len = strcspn(assignment, "=") + 1;
    return strncmp(variable, assignment, len) == 0;
}

// Ours stand in the place of what a run around this one has set.
struct runner_environment runner_environment_make(const struct runner *runner)
{
    CLEANUP(free_ptr) char *dir = realpath(runner->dir, NULL);
    CLEANUP(free_ptr)
    char *socket = runner->voice ? xasprintf("%s/" VOICE, dir ? dir : runner->dir) : NULL;
    struct runner_environment environment = {
        .ours = {xasprintf("RUNNEL_EXECUTION_ID=%s", runner->run.execution_id),
                 xasprintf("RUNNEL_URL=%s", runner->options.server.url), xstrdup("RUNNEL_BATCH_ID="),
                 xstrdup("RUNNEL_ATTEMPT=1"), xasprintf("RUNNEL_SOCKET=%s", socket ? socket : ""),
                 xasprintf("RUNNEL_OUTPUTS=%s/" OUTPUTS_FOLDER, dir ? dir : runner->dir)}};
    size_t count = 0, capacity = RUNNER_VARIABLES + 1;
    for (char *const *variable = environ; *variable; variable++)
        capacity++;
    environment.all = xcalloc(capacity, sizeof(*environment.all));
    for (char *const *variable = environ; *variable; variable++) {
        bool taken = false;
        for (size_t i = 0; i < RUNNER_VARIABLES; i++)
            taken |= is_named(*variable, environment.ours[i]);
        if (!taken)
            environment.all[count++] = *variable;
    }
    memcpy(environment.all + count, environment.ours, sizeof(environment.ours));
    return environment;
}

void runner_environment_release(struct runner_environment *environment)
{
    for (size_t i = 0; i < RUNNER_VARIABLES; i++)
        free(environment->ours[i]);
    free(environment->all);
}
