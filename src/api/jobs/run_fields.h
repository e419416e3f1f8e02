// The fields of what is run: of POST /api/v1/executions, and of each job of a batch.
#pragma once

#include "api/fields.h"
#include "api/jobs/order.h"
#include "model/artifact.h"
#include "model/retention.h"

extern const struct field_rule rule_execution_id;
extern const struct field_rule rule_own_retention;
extern const struct field job_fields[]; // of a job of a batch

// How long, and how much, is kept: of an execution, or of all executions of a batch.
#define FIELDS_OF_KEEPING                                                                   \
    {"retention",                                                                           \
     "how long it is kept after its end, such as 7d, and how much of its log; 0: for ever", \
     .type = FIELD_TEXT,                                                                    \
     .min = 1,                                                                              \
     .max = RETENTION_TEXT_MAX,                                                             \
     .rule = &rule_own_retention,                                                           \
     .flags = FIELD_NULL},                                                                  \
    {                                                                                       \
        "pin", "kept whatever its age", .type = FIELD_FLAG, .flags = FIELD_NULL             \
    }

// What an execution is made of, alone or in a batch.
#define FIELDS_OF_A_RUN                                                                                                \
    {"script_filename", "shown", .type = FIELD_TEXT, .max = 1024, .flags = FIELD_NULL},                                \
        {"script", "what is run, by the runtime that it names or asks for", .type = FIELD_TEXT, .max = 1024 * 1024,    \
         .flags = FIELD_NULL},                                                                                         \
        {"command", "program and arguments", .type = FIELD_TEXTS, .max = 4096, .flags = FIELD_NULL},                   \
        {"args", "of the script", .type = FIELD_TEXTS, .max = 4096, .flags = FIELD_NULL},                              \
        {"runtime", "such as python:3.11; a worker that has it runs it", .type = FIELD_TEXT, .max = 255,               \
         .flags = FIELD_NULL},                                                                                         \
        {"image", "of the container that it runs in", .type = FIELD_TEXT, .max = 1024, .flags = FIELD_NULL},           \
        {"env", "its environment; never shown", .type = FIELD_TEXT_MAP, .max = 1024, .flags = FIELD_NULL},             \
        {"secrets",                                                                                                    \
         "NAME or NAME=VARIABLE: given to it as environment, and masked in its log; @run: the token of its run",       \
         .type = FIELD_TEXTS, .max = SECRETS_USED_MAX, .flags = FIELD_NULL},                                           \
        {"inputs", "{name, sha256, size, mode}: files by content that was uploaded", .type = FIELD_OBJECTS,            \
         .max = INPUTS_MAX, .flags = FIELD_NULL},                                                                      \
        {"name", "shown", .type = FIELD_TEXT, .max = 255, .flags = FIELD_NULL},                                        \
        {"cwd", "folder to run it in; a fresh one without it", .type = FIELD_TEXT, .max = 4096, .flags = FIELD_NULL},  \
        {"stdin", "what it reads; nothing without it", .type = FIELD_TEXT, .max = 1024 * 1024, .flags = FIELD_NULL},   \
        {"result", "json: what it leaves on stdout, whole or else its last line, is kept as `result` if it is JSON",   \
         .type = FIELD_WORD, .words = "json", .flags = FIELD_NULL},                                                    \
        {"workflow_id", "to find it by", .type = FIELD_TEXT, .max = 255, .flags = FIELD_NULL},                         \
        {"metadata", "at most 64 KiB, and 1,000 members on all levels", .type = FIELD_METADATA, .flags = FIELD_NULL},  \
        FIELDS_OF_KEEPING,                                                                                             \
        {"timeout_seconds", "it is ended after so long", .type = FIELD_NUMBER, .max = JOB_TIMEOUT_MAX_S,               \
         .flags = FIELD_NULL},                                                                                         \
        {"retries", "how often it is tried again", .type = FIELD_NUMBER, .max = RETRIES_MAX, .flags = FIELD_NULL},     \
        {"retry_on",                                                                                                   \
         "after which ends: failed, timed_out, lost, exit:N, exit:N-M, signal:NAME; any but a success "                \
         "and a cancel without it",                                                                                    \
         .type = FIELD_TEXTS, .max = 64, .flags = FIELD_NULL},                                                         \
        {"retry_delay_seconds", "before the first retry; doubles with each", .type = FIELD_DECIMAL, .max = 86400,      \
         .flags = FIELD_NULL},                                                                                         \
        {"after", "{id, on}: executions or batches that must have ended: on ok, any or failed", .type = FIELD_OBJECTS, \
         .max = DEPENDENCIES_MAX, .flags = FIELD_NULL},                                                                \
        {"cpus", "that it needs", .type = FIELD_DECIMAL, .max = 10000, .flags = FIELD_NULL},                           \
        {"memory", "bytes that it needs", .type = FIELD_NUMBER, .max = INT64_C(1) << 50, .flags = FIELD_NULL},         \
        {"labels", "that its worker must have", .type = FIELD_TEXTS, .max = DEMAND_LABELS_MAX, .flags = FIELD_NULL},   \
    {                                                                                                                  \
        "priority", "higher ones first", .type = FIELD_NUMBER, .min = -1000, .max = 1000, .flags = FIELD_NULL          \
    }
