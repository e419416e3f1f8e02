// The inputs of an order: files that travel to the worker by content.
#pragma once

#include "api/jobs/order.h"

struct order_inputs {
    struct store_input *inputs; // their names are those of the body
    size_t count;
};
// Reads the member `inputs` of a body whose members were checked; the body outlives them. False with what is wrong.
bool order_inputs_take(struct order_inputs *inputs, const struct json_t *body, struct job_order_problem *ret_problem);
void order_inputs_release(struct order_inputs *inputs);
