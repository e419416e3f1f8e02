#include "model/config_limits.h"
#include "runner/delivery_private.h"
#include "runner/link.h"
#include "runner/refusal.h"
#include "runner/socket_link.h"
#include "util/id.h"

#define TICK_MS     1000
#define GREETING_MS 20000 // how long an open socket may say nothing
#define SILENCE_MS  60000 // the server pings every 20 s, so longer silence means that it is gone
#define ZSTD_LEVEL  1

static void step(struct delivery *delivery);

static void disconnect(struct delivery *delivery, unsigned code)
{
    delivery->open = false;
    delivery->link->ops->close(delivery->link, code);
}

static void connection_lost(struct delivery *delivery)
{
    delivery->lost = false;
    disconnect(delivery, 1001);
    uplink_lost(&delivery->uplink, delivery_now_ms());
}

// --- Sending

// What cannot be sent any more is found by the next step.
static void sent(struct delivery *delivery, int err)
{
    delivery->last_send_ms = delivery_now_ms();
    if (err < 0)
        delivery->lost = true;
}

static void send_chunk(struct delivery *delivery, uint64_t first, const struct chunk *chunk)
{
    struct delivery_link *link = delivery->link;
    uint64_t next = first + chunk_count(chunk);
    sent(delivery, link->ops->send_chunk(link, first, next, chunk_encoded(chunk)));
    if (!delivery->lost)
        uplink_sent(&delivery->uplink, next);
}

// Sends the part of the chunk within [from, to), in frames that are not too large.
static void send_part(struct delivery *delivery, uint64_t from, uint64_t to, uint64_t first, const struct chunk *chunk)
{
    uint64_t end = MIN(to, first + chunk_count(chunk));
    while (from < end && !delivery->lost) {
        uint32_t count = (uint32_t)(end - from);
        CLEANUP(chunk_unref) struct chunk *part = chunk_slice(chunk, (uint32_t)(from - first), count, ZSTD_LEVEL);
        while (part && chunk_encoded(part).len > LINK_CHUNK_MAX && count > 1) {
            count = (count + 1) / 2;
            chunk_unref(&part);
            part = chunk_slice(chunk, (uint32_t)(from - first), count, ZSTD_LEVEL);
        }
        if (!part)
            abort(); // cannot happen: the range is within the chunk
        send_chunk(delivery, from, part);
        from += count;
    }
}

static void read_done(struct job *work)
{
    struct read_job *job = CONTAINER_OF(work, struct read_job, job);
    struct delivery *delivery = job->delivery;
    if (delivery) {
        delivery->reading = NULL;
        const struct uplink *uplink = &delivery->uplink;
        // Meanwhile the connection may have been lost, or the server may have asked for other records.
        if (job->err == 0 && delivery->open && uplink->state == UPLINK_STREAMING && uplink->sent == job->from) {
            uint64_t to = MIN(uplink->spool_next, uplink->acked + uplink->window);
            if (to > job->from)
                send_part(delivery, job->from, to, job->first, job->chunk);
        } else if (job->err < 0 && job->err != ERR_NOT_FOUND) {
            if (job->err == ERR_TOO_NEW && delivery->failure.len == 0)
                buf_append_text(&delivery->failure, RECORDED_BY_NEWER);
            uplink_refused(&delivery->uplink, ERR_CORRUPT, false, 0, delivery_now_ms());
        }
    }
    chunk_unref(&job->chunk);
    free(job);
    if (delivery)
        step(delivery);
}

static void read_later(struct delivery *delivery, uint64_t from)
{
    struct read_job *job = xcalloc(1, sizeof(*job));
    job->delivery = delivery;
    job->spool = delivery->options.spool;
    job->from = from;
    job->job.reply_to = delivery->options.loop;
    job->job.work = read_job_work;
    job->job.done = read_done;
    if (pool_submit(delivery->options.pool, &job->job) < 0) {
        free(job); // the tick tries again
        return;
    }
    delivery->reading = job;
}

// Whether new records should gather before they are sent: a frame, a row and an ack for each line would be too much.
// While an ack is outstanding, a new frame would only wait at the server for the commit before it. So the records
// gather here until the ack comes, or until there are many. After the end of the job no more records come, so they do
// not gather.
static bool gathers(const struct delivery *delivery)
{
    return !delivery->uplink.job_ended && !delivery->behind && uplink_awaits_ack(&delivery->uplink) &&
           spool_end(delivery->options.spool) - delivery->sent_end < GATHER_BYTES;
}

// Returns true if there may be more to send at once.
static bool send_records(struct delivery *delivery, uint64_t from, uint64_t to)
{
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    uint64_t first;
    if (delivery->reading || delivery->link->ops->full(delivery->link))
        return false;
    uint64_t end = spool_end(delivery->options.spool);
    if (gathers(delivery))
        return false;
    if (delivery_gather_cached(delivery->options.spool, from, to, &first, &chunk) < 0) {
        read_later(delivery, from);
        return false;
    }
    send_part(delivery, from, to, first, chunk);
    if (first + chunk_count(chunk) >= to) {
        delivery->sent_end = end;
        delivery->behind = false;
    }
    return true;
}

static void send_text(struct delivery *delivery, struct str text)
{
    sent(delivery, delivery->link->ops->send_text(delivery->link, text));
}

static void send_skip(struct delivery *delivery, uint64_t to)
{
    char text[160];
    snprintf(text, sizeof(text),
             "{\"type\":\"skip\",\"next_sequence\":%llu,\"reason\":\"spool_trimmed\",\"digest\":\"%016llx\"}",
             (unsigned long long)to, (unsigned long long)delivery->first_digest);
    send_text(delivery, str_of(text));
    uplink_sent(&delivery->uplink, to);
}

static void send_heartbeat(struct delivery *delivery)
{
    char text[64];
    delivery->lag_told = uplink_lag(&delivery->uplink);
    snprintf(text, sizeof(text), "{\"type\":\"heartbeat\",\"lag\":%llu}", (unsigned long long)delivery->lag_told);
    send_text(delivery, str_of(text));
}

// If the link keeps the lease by itself, only a lag that has changed is worth telling.
static bool heartbeat_due(const struct delivery *delivery, uint64_t now)
{
    bool wanted = !delivery->link->keeps_lease || delivery->lag_told != uplink_lag(&delivery->uplink);
    return wanted && now - delivery->last_send_ms >= HEARTBEAT_MS;
}

static void send_complete(struct delivery *delivery)
{
    const struct run_file *run = delivery->options.run;
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text, "{\"type\":\"complete\",\"execution_id\":\"%s\",\"exit_code\":", run->execution_id);
    if (run->has_exit_code)
        buf_printf(&text, "%d", run->exit_code);
    else
        buf_append_text(&text, "null");
    buf_printf(&text, ",\"final_sequence\":%lld", (long long)spool_next(delivery->options.spool) - 1);
    const uint64_t *given = delivery->options.digest;
    uint64_t digest = given ? *given : spool_digest(delivery->options.spool);
    if (delivery->uplink.with_digest)
        buf_printf(&text, ",\"digest\":\"%016llx\"", (unsigned long long)digest);
    if (run->ended_ms > 0) {
        char time[TIME_RFC3339_LEN + 1] = {0};
        time_format_rfc3339(run->ended_ms, time);
        buf_printf(&text, ",\"completed_at\":\"%s\"", time);
    }
    if (run->status[0])
        buf_printf(&text, ",\"status\":\"%s\"", run->status);
    if (run->details_json)
        buf_printf(&text, ",\"details\":%s", run->details_json);
    buf_append_byte(&text, '}');
    send_text(delivery, buf_str(&text));
    uplink_complete_sent(&delivery->uplink);
}

// --- What the link tells

static void on_reached(void *arg)
{
    struct delivery *delivery = arg;
    delivery->reached = true;
}

static void on_opened(void *arg)
{
    struct delivery *delivery = arg;
    delivery->open = true;
    delivery->opened_ms = delivery->last_send_ms = delivery_now_ms();
    delivery->lost = false;
    delivery->lag_told = 0;
    uplink_opened(&delivery->uplink);
}

static void on_message(void *arg, json_t *message)
{
    delivery_heard(arg, message);
}

static void on_acked(void *arg, uint64_t sequence_number)
{
    delivery_acked(arg, sequence_number);
}

// A connection that was open is given up by the next step. One that was not was a failed attempt.
static void on_lost(void *arg, int err, const char *text)
{
    struct delivery *delivery = arg;
    if (delivery->open)
        delivery->lost = true;
    else
        uplink_lost(&delivery->uplink, delivery_now_ms());
    if (text && (delivery->open || delivery->uplink.state == UPLINK_OFFLINE))
        delivery->options.events->trouble(delivery->options.arg, err, text);
}

static void on_refused(void *arg, int err, const char *text)
{
    struct delivery *delivery = arg;
    delivery->open = false;
    uplink_refused(&delivery->uplink, err, false, 0, delivery_now_ms());
    if (delivery->uplink.state == UPLINK_OFFLINE)
        delivery->options.events->trouble(delivery->options.arg, err, text);
    else if (err == ERR_WRONG_SERVER)
        buf_append_text(&delivery->failure, text);
}

static void on_settled(void *arg)
{
    step(arg);
}

static const struct delivery_link_events link_events = {
    .reached = on_reached,
    .opened = on_opened,
    .message = on_message,
    .acked = on_acked,
    .lost = on_lost,
    .refused = on_refused,
    .settled = on_settled,
};

// --- The steps

// Returns true if there may be more to do at once.
static bool carry_out(struct delivery *delivery, const struct uplink_action *action)
{
    switch (action->kind) {
    case UPLINK_WAIT:
        if (action->at_ms > 0) {
            uint64_t now = delivery_now_ms();
            timer_start(delivery->retry, action->at_ms > now ? action->at_ms - now : 0);
        }
        return false;
    case UPLINK_CONNECT:
        delivery->link->ops->connect(delivery->link);
        return true;
    case UPLINK_SEND:
        return send_records(delivery, action->from, action->to);
    case UPLINK_SEND_SKIP:
        send_skip(delivery, action->to);
        return true;
    case UPLINK_SEND_COMPLETE:
        send_complete(delivery);
        return true;
    case UPLINK_CLOSE:
        disconnect(delivery, 1000);
        return true;
    }
    return false;
}

// Appends what the server says that it has, and what is here.
static void append_claim(struct buf *out, const struct uplink *uplink, uint64_t digest)
{
    const struct uplink_stored *told = &uplink->told;
    unsigned long long there = told->next, here = uplink->spool_next;
    buf_append_text(out, "it does not prove that it has all of it: ");
    if (there > here)
        buf_printf(out, "it says that it has %llu records of this run, which has %llu", there, here);
    else if (!told->has_digest)
        buf_append_text(out, "it does not say what it has (is it of an older version?)");
    else
        buf_printf(out, "it has %llu records of this run with the digest %016llx; recorded were %llu with %016llx",
                   there, (unsigned long long)told->digest, here, (unsigned long long)digest);
}

static void tell_ended(struct delivery *delivery)
{
    const struct uplink *uplink = &delivery->uplink;
    CLEANUP(buf_release) struct buf text = {0};
    int err = uplink->state == UPLINK_DONE ? 0 : uplink->error;
    buf_append_str(&text, buf_str(&delivery->failure));
    if (err == ERR_UNPROVEN)
        append_claim(&text, uplink, spool_digest(delivery->options.spool));
    delivery->options.events->ended(delivery->options.arg, err, text.len > 0 ? buf_cstr(&text) : NULL);
}

static void tell(struct delivery *delivery)
{
    const struct uplink *uplink = &delivery->uplink;
    bool over = uplink->state == UPLINK_DONE || uplink->state == UPLINK_FAILED;
    if (over && !delivery->ended_told) {
        delivery->ended_told = true;
        timer_stop(delivery->tick);
        tell_ended(delivery);
        return;
    }
    bool delivered = uplink_delivered(uplink);
    bool tell_delivered = delivered && !delivery->delivered_told;
    delivery->delivered_told = delivered;
    if (tell_delivered)
        delivery->options.events->delivered(delivery->options.arg);
}

static void step(struct delivery *delivery)
{
    struct spool *spool = delivery->options.spool;
    // The order matters: records that are appended after the look are told.
    spool_notice_from(spool, 0);
    uint64_t first = spool_start(spool, &delivery->first_digest);
    uplink_spooled(&delivery->uplink, first, spool_next(spool));
    do {
        if (delivery->lost && delivery->open)
            connection_lost(delivery);
        struct uplink_action action = uplink_next(&delivery->uplink, delivery_now_ms());
        if (!carry_out(delivery, &action) && !delivery->lost)
            break;
    } while (true);
    // What gathers until then is sent when the ack comes.
    if (gathers(delivery))
        spool_notice_from(spool, delivery->sent_end + GATHER_BYTES);
    tell(delivery);
}

static void on_retry(void *arg)
{
    step(arg);
}

static void on_tick(void *arg)
{
    struct delivery *delivery = arg;
    uint64_t now = delivery_now_ms();
    timer_start(delivery->tick, TICK_MS);
    if (delivery->open) {
        bool greeted = delivery->uplink.state != UPLINK_GREETING;
        if ((!greeted && now - delivery->opened_ms > GREETING_MS) ||
            now - MIN(now, delivery->link->ops->last_receive_ms(delivery->link)) > SILENCE_MS)
            delivery_breach(delivery, ERR_TIMEOUT, "it says nothing any more");
        else if (greeted && heartbeat_due(delivery, now))
            send_heartbeat(delivery);
    }
    step(delivery);
}

struct delivery *delivery_new(const struct delivery_options *options)
{
    struct delivery *delivery = xcalloc(1, sizeof(*delivery));
    delivery->options = *options;
    uplink_init(&delivery->uplink, spool_first(options->spool), spool_next(options->spool), options->run->epoch,
                random_u64());
    delivery->uplink.tail_lost = options->tail_lost;
    delivery->link = options->link ? options->link : socket_link_new(&delivery->options);
    delivery->link->events = &link_events;
    delivery->link->arg = delivery;
    delivery->retry = timer_new(options->loop, on_retry, delivery);
    delivery->tick = timer_new(options->loop, on_tick, delivery);
    timer_start(delivery->retry, 0);
    timer_start(delivery->tick, TICK_MS);
    return delivery;
}

void delivery_free(struct delivery **delivery_ptr)
{
    struct delivery *delivery = TAKE_PTR(*delivery_ptr);
    if (!delivery)
        return;
    if (delivery->reading)
        delivery->reading->delivery = NULL;
    delivery->link->ops->free(delivery->link);
    timer_free(&delivery->retry);
    timer_free(&delivery->tick);
    buf_release(&delivery->failure);
    free(delivery);
}

void delivery_spooled(struct delivery *delivery)
{
    step(delivery);
}

void delivery_complete(struct delivery *delivery)
{
    uplink_job_ended(&delivery->uplink, spool_digest(delivery->options.spool));
    step(delivery);
}

bool delivery_reached(const struct delivery *delivery)
{
    return delivery->reached;
}

bool delivery_greeted(const struct delivery *delivery)
{
    return delivery->uplink.ready_at_ms > 0;
}

bool delivery_streaming(const struct delivery *delivery)
{
    return delivery->open && delivery->uplink.state == UPLINK_STREAMING;
}

bool delivery_reading(const struct delivery *delivery)
{
    return delivery->reading != NULL;
}

uint64_t delivery_lag(const struct delivery *delivery)
{
    return uplink_lag(&delivery->uplink);
}
