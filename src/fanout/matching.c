// Filters that look at texts or structured fields, or at records that continue others. The former run on the pool. A
// line that has not ended may make them wait.
#include "fanout/fanout_private.h"

#define POOL_FULL_MS 20
#define LINE_WAIT_MS 1000 // how long an unfinished line may hold back matches behind it

struct filter_job {
    struct job job;
    struct subscriber *subscriber;
    struct chunk *chunk; // NULL: decide by the parts of open lines that were read
    struct fanout *fanout;
    struct budget_lease counted; // counts the chunk
    uint64_t first, end, steps;
    int err;
};

static void filter_job_work(struct job *job)
{
    struct filter_job *it = CONTAINER_OF(job, struct filter_job, job);
    struct line_filter *lines = it->subscriber->lines;
    uint64_t before = line_filter_next(lines);
    struct filter_run run;

    filter_run_init(&run, line_filter_filter(lines), it->steps);
    it->err = it->chunk ? chunk_open(&it->chunk) : line_filter_settle(lines, &run);
    if (it->err == 0 && it->chunk)
        it->err = line_filter_feed(lines, &run, it->chunk, it->first, it->end);
    filter_run_release(&run);
    // The budget is for one job in the pool. Only a line that needs all of it alone cannot be filtered.
    if (it->err == ERR_INVALID && line_filter_next(lines) > before)
        it->err = 0;
}

static void wake_one(struct fanout *fanout)
{
    struct subscriber *subscriber = CONTAINER_OF(fanout->scan_waiting.next, struct subscriber, scan_wait);
    list_remove(&subscriber->scan_wait);
    loop_defer(fanout->options.loop, &subscriber->pump);
}

static void filter_job_free(struct filter_job *it)
{
    struct fanout *fanout = it->fanout;
    fanout->scans -= it->chunk != NULL;
    budget_lease_release(&it->counted);
    // The end of each job wakes the next one that waits. If no job is left that could wake them, wake all.
    while (!list_empty(&fanout->scan_waiting)) {
        wake_one(fanout);
        if (fanout->scans > 0)
            break;
    }
    chunk_unref(&it->chunk);
    free(it);
}

static void filter_job_done(struct job *job)
{
    struct filter_job *it = CONTAINER_OF(job, struct filter_job, job);
    struct subscriber *subscriber = it->subscriber;

    subscriber->filtering = false;
    subscriber->decided(subscriber, it->err);
    filter_job_free(it);
}

// Returns false if it must wait until other chunks are done. One chunk of this loop is always allowed.
static bool count_chunk(struct filter_job *it, struct subscriber *subscriber)
{
    struct fanout *fanout = subscriber->fanout;
    struct budget_account *account = subscriber->topic->account;
    size_t bytes = it->chunk ? chunk_memory(it->chunk) : 0;
    if (!it->chunk)
        return true;
    if (fanout->scans == 0) {
        budget_lease_charge(&it->counted, account, BUDGET_scans, bytes);
    } else if (!budget_lease_set(&it->counted, account, BUDGET_scans, bytes)) {
        if (list_empty(&subscriber->scan_wait))
            list_push_back(&fanout->scan_waiting, &subscriber->scan_wait);
        chunk_unref(&it->chunk);
        return false;
    }
    fanout->scans++;
    return true;
}

// `entry`: NULL to decide by what was read.
static void start_job(struct subscriber *subscriber, const struct entry *entry)
{
    struct fanout *fanout = subscriber->fanout;
    struct filter_job *it = xcalloc(1, sizeof(*it));

    *it = (struct filter_job){
        .job = {.reply_to = fanout->options.loop,
                .account = subscriber->topic->execution.account,
                .work = filter_job_work,
                .done = filter_job_done},
        .subscriber = subscriber,
        .fanout = fanout,
        .chunk = entry ? chunk_ref(entry->chunk) : NULL,
        .first = entry ? entry->first : 0,
        .end = subscriber->follower.limit,
        .steps = fanout->options.regex_steps,
    };
    if (!count_chunk(it, subscriber)) {
        free(TAKE_PTR(it));
        return;
    }
    subscriber->filtering = true;
    if (pool_submit(fanout->options.pool, &it->job) == 0)
        return;
    // The pool is full. Look again at the next wake-up, at the latest when the timer fires.
    subscriber->filtering = false;
    filter_job_free(it);
    timer_start(subscriber->position_timer, POOL_FULL_MS);
}

// Everything durable was looked at, and the line at the cursor is unfinished.
static void wait_for_line(struct subscriber *subscriber)
{
    const struct follower *follower = &subscriber->follower;
    uint64_t now = loop_now_ms(subscriber->fanout->options.loop);
    bool ends = subscriber->topic->execution.sealed || follower->limit == follower->until;
    bool holds_up = line_filter_holds_up(subscriber->lines);

    if (holds_up && subscriber->settle_due_ms == 0)
        subscriber->settle_due_ms = now + LINE_WAIT_MS;
    if (ends || (holds_up && now >= subscriber->settle_due_ms)) {
        start_job(subscriber, NULL);
        return;
    }
    uint64_t due = UINT64_MAX;
    if (subscriber->wants_position && follower->told < follower->cursor)
        due = follower->position_due_ms;
    if (holds_up)
        due = MIN(due, subscriber->settle_due_ms);
    if (due < UINT64_MAX)
        timer_start(subscriber->position_timer, due > now ? due - now : 0);
}

bool subscriber_decide(struct subscriber *subscriber)
{
    const struct follower *follower = &subscriber->follower;
    struct topic *topic = subscriber->topic;

    if (!subscriber->lines || subscriber->lines_cursor != follower->cursor) {
        line_filter_free(&subscriber->lines);
        subscriber->lines = line_filter_new(subscriber->filter, follower->cursor, topic->execution.first_sequence);
        subscriber->lines_cursor = follower->cursor;
    }
    struct line_filter *lines = subscriber->lines;
    line_filter_forget(lines, follower->cursor);
    while (line_filter_decided(lines) <= follower->cursor && line_filter_next(lines) < follower->limit) {
        if (line_filter_next(lines) < topic->execution.first_sequence)
            line_filter_skip(lines, topic->execution.first_sequence);
        struct entry *entry = topic_find(topic, line_filter_next(lines));
        if (!entry) {
            topic_fetch(topic, line_filter_next(lines), subscriber->format, subscriber->filter);
            return false;
        }
        entry_used(entry);
        bool passed = line_filter_passes_over(lines, entry->chunk);
        if (!passed && filter_needs_text(subscriber->filter)) {
            start_job(subscriber, entry);
            return false;
        }
        if (!passed && !entry_open(entry)) {
            subscriber->decided(subscriber, ERR_CORRUPT);
            return false;
        }
        line_filter_feed(lines, NULL, entry->chunk, entry->first, follower->limit);
    }
    if (line_filter_next(lines) >= follower->limit)
        line_filter_settle_group(lines); // what may continue it is not there
    if (line_filter_decided(lines) > follower->cursor) {
        subscriber->settle_due_ms = 0;
        return true;
    }
    wait_for_line(subscriber);
    return false;
}
