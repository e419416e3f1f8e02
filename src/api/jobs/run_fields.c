#include "api/jobs/run_fields.h"

#include "util/id.h"

const struct field_rule rule_execution_id = {"must match [A-Za-z0-9][A-Za-z0-9._:-]{0,254}", id_execution_valid};

static bool is_own_retention(struct str value)
{
    struct retention_own own;
    return retention_own_parse(value, &own);
}

const struct field_rule rule_own_retention = {"must be " RETENTION_OWN_MUST, is_own_retention};

const struct field job_fields[] = {
    {"execution_id", "its name; made up without it", .type = FIELD_TEXT, .max = ID_EXECUTION_MAX,
     .rule = &rule_execution_id, .flags = FIELD_NULL},
    FIELDS_OF_A_RUN,
    {0},
};
