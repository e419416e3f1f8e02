#include "api/jobs/order.h"

#include "api/body.h"

#define REASON_LABEL "must be words of printable ASCII without spaces"

struct taking {
    struct job_order *order;
    const json_t *body;
    struct job_order_problem *problem;
};

static bool wrong(struct taking *it, const char *field, const char *reason)
{
    it->problem->field = field;
    snprintf(it->problem->reason, sizeof(it->problem->reason), "%s", reason);
    return false;
}

static const json_t *member(const struct taking *it, const char *name)
{
    const json_t *value = json_object_get(it->body, name);
    return json_is_null(value) ? NULL : value;
}

static struct str text_of(const json_t *value)
{
    return str_n(json_string_value(value), json_string_length(value));
}

static int64_t whole_of(const struct taking *it, const char *name)
{
    return json_integer_value(member(it, name));
}

// --- What it asks of a worker

static bool take_labels(struct taking *it, struct demand *demand)
{
    const json_t *labels = member(it, "labels");
    for (size_t i = 0; i < json_array_size(labels); i++) {
        struct str label = text_of(json_array_get(labels, i));
        if (!demand_word_valid(label))
            return wrong(it, "labels", REASON_LABEL);
        demand->labels[demand->label_count++] = label;
    }
    return true;
}

static bool take_demand(struct taking *it, const struct principal *principal)
{
    const json_t *image = member(it, "image"), *runtime = member(it, "runtime");
    struct demand demand = {
        .executor = image ? STR("container") : STR("process"),
        .cpus_milli = (uint32_t)(json_number_value(member(it, "cpus")) * 1000 + 0.5),
        .memory_bytes = (uint64_t)whole_of(it, "memory"),
        .unconfined = principal->role >= ROLE_ADMIN,
    };
    if (runtime && !image)
        demand.runtime = text_of(runtime);
    if (runtime && !demand_word_valid(text_of(runtime)))
        return wrong(it, "runtime", "must be a word such as python:3.11");
    if (runtime && image && memchr(json_string_value(runtime), ':', json_string_length(runtime)))
        return wrong(it, "runtime", "must be without a version, such as python: the image brings its own");
    if (!take_labels(it, &demand))
        return false;
    return demand_append(&demand, &it->order->demand) || wrong(it, "labels", "are too long together");
}

// --- Its secrets

static bool has_variable(const struct buf *secrets, struct str variable)
{
    struct str rest = buf_str(secrets), name, other;
    while (rest.len > 0)
        if (secret_use_parse(str_split(&rest, ' '), &name, &other) && str_eq(other, variable))
            return true;
    return false;
}

static bool take_secrets(struct taking *it)
{
    const json_t *uses = member(it, "secrets");
    struct buf *secrets = &it->order->secrets;
    struct str name, variable;
    for (size_t i = 0; i < json_array_size(uses); i++) {
        struct str use = text_of(json_array_get(uses, i));
        if (!secret_use_parse(use, &name, &variable))
            return wrong(it, "secrets", SECRET_USE_MUST);
        if (has_variable(secrets, variable))
            return wrong(it, "secrets", "would set one variable twice");
        if (secrets->len > 0)
            buf_append_byte(secrets, ' ');
        buf_append_str(secrets, use);
    }
    it->order->job.secrets = buf_str(secrets);
    return true;
}

// --- Retries, and what it waits for

static bool take_retries(struct taking *it)
{
    struct retry_rule *rule = &it->order->job.retry;
    const json_t *words = member(it, "retry_on");
    rule->retries = (unsigned)whole_of(it, "retries");
    rule->delay_ms = (int64_t)(json_number_value(member(it, "retry_delay_seconds")) * 1000);
    for (size_t i = 0; i < json_array_size(words); i++)
        if (!retry_rule_add(rule, text_of(json_array_get(words, i))))
            return wrong(it, "retry_on",
                         "must be failed, timed_out, lost, exit:N, exit:N-M or signal:NAME, such as signal:KILL");
    return true;
}

static bool take_parent(struct taking *it, const json_t *after)
{
    struct job_new *job = &it->order->job;
    const json_t *id = json_object_get(after, "id"), *on = json_object_get(after, "on");
    struct job_parent *parent = &it->order->parents[job->parent_count];
    *parent = (struct job_parent){.id = text_of(id), .wish = DEPENDENCY_OK};
    bool good = json_is_string(id) && id_execution_valid(parent->id) && json_object_size(after) == (on ? 2u : 1u) &&
                (!on || (json_is_string(on) && dependency_parse(text_of(on), &parent->wish)));
    job->parent_count++;
    return good ||
           wrong(it, "after", "must be objects with the id of an execution or a batch, and on: ok, any or failed");
}

static bool take_parents(struct taking *it)
{
    const json_t *after = member(it, "after");
    for (size_t i = 0; i < json_array_size(after); i++)
        if (!take_parent(it, json_array_get(after, i)))
            return false;
    it->order->job.parents = it->order->parents;
    return true;
}

// The script may travel as a file.
static bool script_is_input(const struct taking *it)
{
    const json_t *script = member(it, "script_filename"), *inputs = member(it, "inputs");
    for (size_t i = 0; script && i < json_array_size(inputs); i++)
        if (json_equal(json_object_get(json_array_get(inputs, i), "name"), script))
            return true;
    return false;
}

static bool take_what(struct taking *it)
{
    if (json_array_size(member(it, "command")) > 0 || member(it, "script") || member(it, "image") ||
        script_is_input(it))
        return true;
    return wrong(it, "command", "is needed, or a script or an image, as a worker is to run it");
}

bool job_order_take(struct job_order *order, const struct json_t *body, const struct principal *principal,
                    const struct api_limits *limits, struct job_order_problem *ret_problem)
{
    struct taking it = {order, body, ret_problem};
    order->job.priority = (int)whole_of(&it, "priority");
    order->job.timeout_ms = whole_of(&it, "timeout_seconds") * 1000;
    order->job.trusted = principal->role >= ROLE_ADMIN;
    order->job.queued_max = limits->queued_jobs_max;
    order->job.rate_micros = limits->cost_rate_micros;
    if (!take_what(&it) || !take_demand(&it, principal) || !take_secrets(&it) || !take_retries(&it) ||
        !take_parents(&it))
        return false;
    order->job.demand = buf_str(&order->demand);
    return true;
}

void job_order_release(struct job_order *order)
{
    buf_release(&order->demand);
    buf_release(&order->secrets);
}
