// The words that workflow engines have for the states of runs and of their steps, and what each is here. One table, for
// wherever a state comes in from elsewhere: the status that somebody reports, and traces that are imported. Values in,
// values out.
//
// From: Temporal (WorkflowExecutionStatus), Airflow (states of DAG runs and task instances), Argo Workflows (phases of
// workflows and nodes), Prefect (names of states), Dagster (run statuses), and our own words in all their shapes.
#pragma once

#include "model/status.h"

// X(word, status of a run, event type of a step; NULL: steps have no such state)
#define ENGINE_STATES(X)                                          \
    X("queued", STATUS_QUEUED, "node_queued")                     \
    X("new", STATUS_QUEUED, "node_queued")                        \
    X("pending", STATUS_QUEUED, "node_queued")                    \
    X("scheduled", STATUS_QUEUED, "node_queued")                  \
    X("late", STATUS_QUEUED, "node_queued")                       \
    X("not_started", STATUS_QUEUED, "node_queued")                \
    X("awaiting_retry", STATUS_QUEUED, "node_queued")             \
    X("up_for_retry", STATUS_QUEUED, "node_queued")               \
    X("up_for_reschedule", STATUS_QUEUED, "node_queued")          \
    X("running", STATUS_RUNNING, "node_started")                  \
    X("started", STATUS_RUNNING, "node_started")                  \
    X("starting", STATUS_RUNNING, "node_started")                 \
    X("restarting", STATUS_RUNNING, "node_started")               \
    X("retrying", STATUS_RUNNING, "node_started")                 \
    X("managed", STATUS_RUNNING, NULL)                            \
    X("deferred", STATUS_RUNNING, "node_progress")                \
    X("cancelling", STATUS_RUNNING, "node_progress")              \
    X("canceling", STATUS_RUNNING, "node_progress")               \
    X("waiting", STATUS_WAITING, "node_awaiting_input")           \
    X("awaiting_input", STATUS_WAITING, "node_awaiting_input")    \
    X("waiting_for_human", STATUS_WAITING, "node_awaiting_input") \
    X("paused", STATUS_PAUSED, "node_progress")                   \
    X("suspended", STATUS_PAUSED, "node_progress")                \
    X("completed", STATUS_COMPLETED, "node_completed")            \
    X("success", STATUS_COMPLETED, "node_completed")              \
    X("succeeded", STATUS_COMPLETED, "node_completed")            \
    X("cached", STATUS_COMPLETED, "node_completed")               \
    X("continued_as_new", STATUS_COMPLETED, "node_completed")     \
    X("failed", STATUS_FAILED, "node_failed")                     \
    X("failure", STATUS_FAILED, "node_failed")                    \
    X("error", STATUS_FAILED, "node_failed")                      \
    X("crashed", STATUS_FAILED, "node_failed")                    \
    X("rolled_back", STATUS_FAILED, "node_failed")                \
    X("cancelled", STATUS_CANCELLED, "node_cancelled")            \
    X("canceled", STATUS_CANCELLED, "node_cancelled")             \
    X("terminated", STATUS_CANCELLED, "node_cancelled")           \
    X("timed_out", STATUS_TIMED_OUT, "node_failed")               \
    X("timeout", STATUS_TIMED_OUT, "node_failed")                 \
    X("skipped", STATUS_SKIPPED, "node_skipped")                  \
    X("omitted", STATUS_SKIPPED, "node_skipped")                  \
    X("upstream_failed", STATUS_SKIPPED, "node_skipped")          \
    X("removed", STATUS_SKIPPED, "node_skipped")                  \
    X("lost", STATUS_LOST, NULL)                                  \
    X("stale", STATUS_LOST, NULL)

#define ENGINE_STATE_MAX 64 // bytes of a word

// All words, each behind a space, for refusals. A word stands for itself in any case, with or without `_`, `-` or
// spaces between its parts, and behind Temporal's WORKFLOW_EXECUTION_STATUS_.
#define ENGINE_STATE_WORD(word, status, event) " " word
#define ENGINE_STATE_WORDS                     ENGINE_STATES(ENGINE_STATE_WORD)

bool engine_state_status(struct str word, enum execution_status *ret);
// True if the word is the one that we have for this status: then nothing is lost by the status alone.
bool engine_state_is_own(struct str word);
// What a step of this state says, as an event type of ours; empty if it is none.
struct str engine_state_event(struct str word);
