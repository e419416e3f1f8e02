// A worker that is connected: what the dispatcher and the worker's socket know about it, and how they tell each other.
//
//   socket ──(struct worker_listener)──▶ dispatcher          on the socket's loop
//   dispatcher ──(worker_session_job, …)──▶ socket           from any thread
#pragma once

#include "loop/loop.h"
#include "model/demand.h"
#include "util/buf.h"

#define WORKER_ID_MAX       128
#define WORKER_KEY_MAX      (WORKER_ID_MAX + 21)
#define WORKER_INSTANCE_MAX 64
#define WORKER_WORDS_MAX    256 // of each: labels, executors, runtimes

struct worker_words {
    char **words;
    size_t count;
};

struct worker_held {
    char *execution_id;
    uint64_t epoch;
};

// What `hello` tells.
struct worker_offer {
    char id[WORKER_ID_MAX + 1];
    char instance[WORKER_INSTANCE_MAX + 1]; // tells one machine with that id from another; empty: it did not tell
    char hostname[256], version[65];
    uint32_t slots, cpus; // cpus in thousandths
    uint64_t memory;      // bytes
    struct worker_words labels, executors, runtimes;
    int64_t clock_ms;         // the time on its clock; 0: it did not tell
    bool drained;             // somebody has asked it, earlier, to take no more jobs
    bool trusted_only;        // it takes only jobs of admin and operator keys
    struct worker_held *held; // what it still runs or delivers
    size_t held_count;
};
void worker_offer_release(struct worker_offer *offer);
// What jobs may ask of it. Its strings are the offer's; *ret_words holds the lists of them, and is the caller's to
// free.
struct offer worker_offer_view(const struct worker_offer *said, struct str **ret_words);

// Reference-counted. The offer, account and number never change.
struct worker_session;

// Somebody who gives out jobs. Each call is made on the loop of the worker's socket.
struct worker_listener {
    void (*joined)(void *arg, struct worker_session *session); // `hello` has come; it takes jobs
    void (*heartbeat)(void *arg, struct worker_session *session, uint32_t slots_free);
    void (*drains)(void *arg, struct worker_session *session); // it takes no more jobs
    // The worker will not run the job, and has run nothing of it.
    void (*returned)(void *arg, struct worker_session *session, struct str execution_id, uint64_t epoch,
                     struct str reason);
    // The stream of an execution has begun, with that epoch; or has ended (0: sealed).
    void (*stream_opened)(void *arg, struct worker_session *session, int64_t row, uint64_t epoch);
    void (*stream_ended)(void *arg, struct worker_session *session, int64_t row, uint64_t epoch, int err);
    void (*left)(void *arg, struct worker_session *session); // after its streams have ended; nothing more comes from it
};

// --- For the dispatcher; any thread
struct worker_session *worker_session_ref(struct worker_session *session);
void worker_session_unref(struct worker_session **session);
const struct worker_offer *worker_session_offer(const struct worker_session *session);
int64_t worker_session_account(const struct worker_session *session);
// Tells one worker from another, also those of other accounts with the same id. As long as the session.
struct str worker_session_key(const struct worker_session *session);
void worker_key_make(int64_t account, struct str id, char out[WORKER_KEY_MAX + 1]); // the same
struct str worker_key_id(struct str key);                                           // the id in it
uint64_t worker_session_number(const struct worker_session *session);               // tells one connection from another
int64_t worker_session_since_ms(const struct worker_session *session); // when its `hello` came (clock_real_ms)
int64_t worker_session_heard_ms(const struct worker_session *session); // when it last said that it is alive

struct worker_job {
    struct str execution_id, token, account, batch_id; // batch_id may be empty
    uint64_t epoch, attempt;
    bool retry_on_lost;
    struct str spec;    // a JSON object
    struct str secrets; // a JSON object: variables of its environment, to be masked in all that it writes; empty: none
    struct str refusal; // why it cannot be run, for its log; empty: it can be
};
#define WORKER_JOB_MAX ((size_t)4 * 1024 * 1024) // bytes of a frame that a worker takes
// A job that makes a larger one is sent as one that cannot be run. Sent in a later turn of the socket's loop. Not sent
// if the worker has left by then, which `left` tells.
void worker_session_job(struct worker_session *session, const struct worker_job *job);

// Has it take no more jobs, or some again. In order with the jobs that it is sent.
void worker_session_drain(struct worker_session *session, bool on);
// Ends the connection with ERR_HELD: another machine uses its id. `left` follows.
void worker_session_refuse(struct worker_session *session);

// --- For the socket; on its loop
struct worker_socket_calls { // not after worker_session_left
    void (*send)(void *socket, struct str text);
    void (*refuse)(void *socket); // it must go
};
// Takes over what the offer holds. `calls` must last.
struct worker_session *worker_session_new(struct loop *loop, struct worker_offer *offer, int64_t account,
                                          uint64_t number, const struct worker_socket_calls *calls, void *socket);
void worker_session_heard(struct worker_session *session); // it is alive, now
void worker_session_left(struct worker_session *session);
