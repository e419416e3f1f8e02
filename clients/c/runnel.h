/* librunnel: writes structured records into the log of a job, from within it. See docs/clients.md.
 *
 *     #include <runnel.h>                     cc program.c $(pkg-config --cflags --libs runnel)
 *
 *     runnel_log(RUNNEL_INFO, "3 of %d files done", files);
 *     struct runnel_record record = {.message = "done", .event_type = "step_completed", .node_id = "fetch"};
 *     runnel_emit(&record);
 *
 * Records go to the socket that RUNNEL_SOCKET names (`runnel wrap`, `runnel run`), and are in the spool of the job's
 * runner when a call returns 0: neither a server nor a credential is needed. Where there is no socket, each call
 * returns RUNNEL_NO_SOCKET at once and does nothing, so a program needs no other way outside of a job.
 *
 * All functions may be called from any thread; one record goes after the other. A call waits at most
 * RUNNEL_TIMEOUT_MS (1 s, together for all that it does) for the runner. After a timeout the connection is closed, and
 * whether that record was recorded is not known; for RUNNEL_PAUSE_MS (5 s) further calls return RUNNEL_TIMEOUT at once,
 * so a runner that stands still costs a program a second at most, and then nothing. A child made by fork has a
 * connection of its own. No function raises a signal, and errno stays as it was. */
#ifndef RUNNEL_H
#define RUNNEL_H

#include <stdarg.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

#define RUNNEL_TIMEOUT_MS 1000
#define RUNNEL_PAUSE_MS   5000

enum runnel_level { RUNNEL_UNSET, RUNNEL_DEBUG, RUNNEL_INFO, RUNNEL_WARNING, RUNNEL_ERROR, RUNNEL_CRITICAL };

/* What calls return. */
enum runnel_result {
    RUNNEL_OK = 0,
    RUNNEL_NO_SOCKET = -1, /* RUNNEL_SOCKET is not set, or nobody listens there any more */
    RUNNEL_TIMEOUT = -2,
    RUNNEL_REFUSED = -3, /* the runner does not take the record; runnel_last_error says why */
    RUNNEL_TOO_LONG = -4 /* the record takes more than 512 KiB as JSON */
};

/* NULL and 0 mean that the record does not have the field. All texts end with NUL and should be UTF-8; other bytes
 * become U+FFFD. The fields are those of the execution contract. */
struct runnel_record {
    const char *message; /* may be NULL beside an event_type */
    enum runnel_level level;
    const char *stream; /* "stdout", "stderr" or "event"; by default "event" if there is an event_type, else "stdout" */
    const char *event_type, *category;
    const char *node_id, *node_name, *node_type;
    int step_number, total_steps;
    int has_progress; /* 1: `progress` counts, also 0 */
    double progress;  /* 0 to 100 */
    double duration_seconds;
    const char *user_friendly_message;
    int display_priority; /* 1 to 10 */
    int is_milestone;
    int continues;    /* it goes on with the record before it, so that filters take them as one */
    const char *data; /* JSON */
    const char *stack_trace, *producer;
    void *reserved[4]; /* NULL */
};

int runnel_emit(const struct runnel_record *record);
/* Several records in one piece, so that nothing comes in between. A group of lines, for example. */
int runnel_emit_all(const struct runnel_record *records, size_t count);
/* Formats as printf does. A text of several lines becomes a group. */
int runnel_log(enum runnel_level level, const char *format, ...)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 3)))
#endif
    ;
int runnel_vlog(enum runnel_level level, const char *format, va_list arguments)
#if defined(__GNUC__)
    __attribute__((format(printf, 2, 0)))
#endif
    ;
int runnel_progress(double percent, const char *message);
/* Whether a job's socket is named here. */
int runnel_available(void);
/* What the last call of this thread that failed was told; "" if there was none. Valid until its next call. */
const char *runnel_last_error(void);
/* Ends the connection, which the next call opens again. Not needed before the end of a program. */
void runnel_close(void);
const char *runnel_version(void);

#ifdef __cplusplus
}
#endif

#endif
