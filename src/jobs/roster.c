// What is told, is told at the next tick after somebody came, left or drains, and from time to time: what is free of a
// worker changes with each job.
#include "jobs/roster.h"

#include "jobs/dispatch_private.h"

#define TELL_TICKS 10

static void add_words(struct json_writer *json, const char *name, const struct worker_words *words)
{
    json_open_array(json, name);
    for (size_t i = 0; i < words->count; i++)
        json_add_text(json, NULL, words->words[i]);
    json_close(json);
}

static void add_members(struct json_writer *json, const struct dispatch_seen *seen)
{
    const struct worker_offer *said = worker_session_offer(seen->session);
    json_add_text(json, "worker_id", said->id);
    json_add_text(json, "hostname", said->hostname);
    json_add_text(json, "version", said->version);
    json_add_u64(json, "slots", said->slots);
    json_add_u64(json, "slots_free", seen->drains ? 0 : seen->offer->slots_free);
    json_add_u64(json, "jobs", seen->jobs);
    json_add_bool(json, "draining", seen->drains);
    json_add_time(json, "connected_at", worker_session_since_ms(seen->session));
    json_add_time(json, "heard_at", worker_session_heard_ms(seen->session));
    json_add_u64(json, "cpus_milli", said->cpus);
    json_add_u64(json, "memory_bytes", said->memory);
    add_words(json, "labels", &said->labels);
    add_words(json, "executors", &said->executors);
    add_words(json, "runtimes", &said->runtimes);
}

void roster_add_worker(struct json_writer *json, const struct dispatch_seen *seen)
{
    json_open_object(json, NULL);
    add_members(json, seen);
    json_close(json);
}

// --- For the other servers

static void add_entry(void *arg, const struct dispatch_seen *seen)
{
    struct json_writer *json = arg;
    if (json->out->len > ROSTER_MAX / 2) // more workers than anybody has
        return;
    json_open_object(json, NULL);
    json_add_i64(json, "account", worker_session_account(seen->session));
    json_add_text(json, "instance", worker_session_offer(seen->session)->instance);
    json_add_bool(json, "trusted_only", seen->offer->confined_only);
    json_add_u64(json, "cpus_free", seen->offer->cpus_free);
    json_add_u64(json, "memory_free", seen->offer->memory_free);
    json_open_object(json, "worker");
    add_members(json, seen);
    json_close(json);
    json_close(json);
}

static void told(struct store_op *op)
{
    struct dispatch *dispatch = CONTAINER_OF(op, struct dispatch, roster.op);
    dispatch->roster_busy = false;
    if (op->err)
        dispatch->roster_changed = true;
    store_op_release(op);
}

void dispatch_roster_tick(struct dispatch *dispatch)
{
    int64_t node = hub_node(dispatch->options.hub);
    bool due = !list_empty(&dispatch->workers) && dispatch->ticks % TELL_TICKS == 0;
    bool anew = dispatch->roster.node != 0 && dispatch->roster.node != node; // the former one was fenced
    if (store_alone(dispatch->options.store) || node == 0 || dispatch->roster_busy ||
        !(due || anew || dispatch->roster_changed))
        return;
    dispatch->roster_busy = true;
    dispatch->roster_changed = false;
    buf_reset(&dispatch->roster_text);
    struct json_writer json = json_writer_to(&dispatch->roster_text);
    json_open_array(&json, NULL);
    dispatch_workers_each(dispatch, add_entry, &json);
    json_close(&json);
    dispatch->roster = (struct store_roster_tell){
        .op = {.kind = STORE_ROSTER_TELL, .reply_to = dispatch->options.loop, .done = told},
        .node = node,
        .roster = buf_str(&dispatch->roster_text),
    };
    store_submit(dispatch->options.store, &dispatch->roster.op);
}
