// What a command under `wrap` leaves in RUNNEL_OUTPUTS: uploaded when it has ended, before the log is completed.
#include "runner/outputs_names.h"
#include "runner/runner_private.h"

#include <sys/stat.h>

void runner_outputs_start(struct runner *runner)
{
    // Without the folder the job runs all the same.
    bool marked = runner->dir_fd >= 0 && (!runner->options.mask || outputs_names_begin(runner->dir_fd) == 0);
    if (marked)
        (void)!mkdirat(runner->dir_fd, OUTPUTS_FOLDER, 0700);
}

void runner_outputs_close(const struct runner *runner)
{
    if (runner->dir_fd >= 0 && runner->options.mask)
        outputs_names_mask(runner->dir_fd, runner->options.mask); // what it cannot do is told by the upload
}

static void complete(struct runner *runner)
{
    runner->outputs_wait = false;
    delivery_complete(runner->delivery);
}

static void tell(struct runner *runner, const struct outputs_report *report)
{
    if (report->missing == 0)
        return;
    int err = outputs_tell(runner->spool, report);
    runner->run.records = spool_next(runner->spool);
    if (err < 0)
        runner_warn(runner, "what follows cannot be recorded: %s", error_text(err));
    CLEANUP(buf_release) struct buf text = {0};
    outputs_missing_append(&report->told[0], false, &text);
    if (report->missing == 1)
        runner_warn(runner, "%s", buf_cstr(&text));
    else
        runner_warn(runner, "%u outputs were not uploaded; the log says which, and why (%s)", report->missing,
                    buf_cstr(&text));
    delivery_spooled(runner->delivery);
}

static void on_uploaded(void *arg, const struct outputs_report *report)
{
    struct runner *runner = arg;
    tell(runner, report);
    outputs_free(&runner->outputs);
    runner_save_run(runner);
    complete(runner);
}

void runner_outputs_complete(struct runner *runner)
{
    runner->outputs_wait = runner->dir_fd >= 0 && outputs_left(runner->dir_fd);
    if (runner->outputs_wait)
        runner_outputs_go_on(runner);
    else
        complete(runner);
}

// Only where the server has the execution already.
void runner_outputs_go_on(struct runner *runner)
{
    struct outputs_options options = {.server = &runner->options.server,
                                      .execution_id = runner->run.execution_id,
                                      .run_dir_fd = runner->dir_fd,
                                      .owner = UINT32_MAX};
    if (!runner->outputs_wait || runner->outputs || !delivery_streaming(runner->delivery))
        return;
    runner->outputs = outputs_new(&options, runner->loop, runner->pool, on_uploaded, runner);
    if (!runner->outputs)
        complete(runner); // the command has taken the folder away
}

void runner_outputs_end(struct runner *runner)
{
    outputs_free(&runner->outputs);
}

bool runner_outputs_move(struct runner *runner)
{
    uint64_t moved = runner->outputs ? outputs_moved(runner->outputs) : runner->outputs_moved;
    bool moves = moved != runner->outputs_moved;
    runner->outputs_moved = moved;
    return moves;
}

void runner_outputs_append(const struct runner *runner, struct buf *out)
{
    if (runner->outputs_wait)
        buf_printf(out, "%sits outputs", out->len > 0 ? " and " : "");
}
