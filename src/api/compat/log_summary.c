// The workflow log API: what is counted of a log.
#include "api/compat/compat.h"
#include "api/workflows/summary.h"

// The states of a node in the words of that design, which has three.
static const char *state_word(enum node_state state)
{
    static const char *const words[NODE_STATE_COUNT] = {
        [NODE_PENDING] = "running",     [NODE_RUNNING] = "running", [NODE_AWAITING_INPUT] = "running",
        [NODE_COMPLETED] = "completed", [NODE_FAILED] = "failed",   [NODE_SKIPPED] = "completed",
        [NODE_CANCELLED] = "failed",
    };
    return words[state];
}

static void add_milestones(struct json_writer *json, const struct summary *summary)
{
    json_open_array(json, "milestones");
    for (size_t i = 0; i < summary->milestones_kept; i++) {
        const struct summary_milestone *milestone = &summary->milestones[i];
        json_open_object(json, NULL);
        json_add_time(json, "timestamp", milestone->time_ms);
        json_add_str(json, "message", buf_str(&milestone->message));
        json_add_str(json, "event_type",
                     milestone->event_type.len > 0 ? buf_str(&milestone->event_type) : STR(EVENT_UNTYPED));
        json_close(json);
    }
    json_close(json);
}

static void add_node(struct json_writer *json, const struct call *call, const struct summary_node *node)
{
    CLEANUP(free_ptr) char *id = str_dup(buf_str(&node->id));
    json_open_object(json, id);
    json_add_str(json, "node_name", buf_str(node->name.len > 0 ? &node->name : &node->id));
    json_add_u64(json, "logs_count", node->records);
    if (node->has_step_number)
        json_add_u64(json, "step_number", node->step_number);
    else
        json_add_null(json, "step_number");
    json_add_text(json, "status",
                  state_word(node_state_shown(node->progress.state, call->execution.status, call->execution.sealed)));
    json_close(json);
}

static void write_summary(struct json_writer *json, const struct call *call, const struct summary *summary, void *arg)
{
    (void)arg;
    json_add_text(json, "execution_id", call->execution.execution_id);
    json_add_u64(json, "total_logs", summary_records(summary));
    levels_add(json, "log_levels", summary->levels);
    event_types_add(json, summary);
    add_milestones(json, summary);
    json_open_object(json, "nodes");
    for (size_t i = 0; i < summary->node_count; i++)
        add_node(json, call, &summary->nodes[i]);
    json_close(json);
    timeline_add(json, summary);
}

void log_api_summary(struct call *call)
{
    call_answer_summary(call, write_summary, NULL, NULL);
}
