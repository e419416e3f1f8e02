// A whole Runnel in one thread, with a clock of its own: store, server, runners, readers and the network between them
// are modelled as thinly as can be, and drive the real state machines (sequencer, lease table, numbering rules,
// follower, uplink). Everything that happens follows from the seed. docs/internals/simulator.md says what is modelled
// and what is checked.
#pragma once

#include "fanout/follower.h"
#include "ingest/lease.h"
#include "ingest/sequencer.h"
#include "model/execution.h"
#include "model/news.h"
#include "model/node.h"
#include "model/outcome.h"
#include "model/record.h"
#include "model/retention.h"
#include "model/sequence.h"
#include "runner/uplink.h"
#include "store/engine/hints.h"
#include "util/arena.h"

#define ROW          1 // the one execution
#define LEASE_MS     30000
#define BATCH_MAX    8 // records in a message
#define RUNNERS      2
#define READERS      4
#define POSTERS      4
#define CHANGERS     2
#define SERVERS_MAX  4
#define RECORD_BYTES 10 // of a message, as retention counts them
// Producers: two for each runner, as a resumed one has one more, then the plain runner, then posters.
#define PLAIN_PRODUCER (2 * RUNNERS)
#define POST_PRODUCERS (PLAIN_PRODUCER + 1)
#define PRODUCERS      (POST_PRODUCERS + POSTERS)
#define ANONYMOUS      PRODUCERS // "no producer"

struct world;
struct server;

// --- The scheduler (world.c)

typedef void event_fn(struct world *world, void *arg, uint64_t life);
struct event {
    uint64_t at_ms, order;
    event_fn *fire;
    void *arg;
    uint64_t life; // of the process that it is for, so that it finds out whether that is still the same
};

void later(struct world *world, uint64_t delay_ms, event_fn *fire, void *arg, uint64_t life);
void world_step(struct world *world);                           // fires the next event; there must be one
uint64_t draw(struct world *world, uint64_t from, uint64_t to); // both may come
bool chance(struct world *world, unsigned per_mille);
void *make(struct world *world, size_t size); // zeroed; lives as long as the world
void trace(struct world *world, const char *fmt, ...) PRINTF_LIKE(2, 3);
void violate(struct world *world, const char *fmt, ...) PRINTF_LIKE(2, 3); // an invariant does not hold: the world ends

// --- Records: what they are stands for their bytes (content.c)

enum content_kind { CONTENT_LINE, CONTENT_GAP, CONTENT_INTERRUPTED };
struct content {
    enum content_kind kind;
    uint32_t author; // who wrote it: a runner's or poster's number
    uint64_t number; // of the line; for a gap: how many were lost
};
uint64_t content_hash(const struct content *content);
uint64_t content_digest(const struct content *content, uint64_t digest);
bool content_equal(const struct content *a, const struct content *b);

// --- The store: durable state, group commits (store.c)

struct entry {
    struct content content;
    unsigned producer;
    uint64_t counter; // the producer's
    uint64_t epoch;   // 0: not from a runner
};

struct claim_key { // as a text
    char text[16];
};
struct claim_key claim_key_of(unsigned key); // empty if it is 0

struct state { // what is on the disk
    bool exists;
    struct sequence_head head; // head.next entries are in the log
    uint64_t first;            // first one that retention has left
    uint64_t cut_digest;       // of those before it
    uint64_t restored_from;    // entries from here on may differ from what an earlier incarnation had at their place
    struct sequence_producer producers[PRODUCERS];
    uint64_t digest, claim_mark;
    bool has_exit_code, waits;
    bool asked; // for the checks: somebody is still to answer
    int exit_code;
    int64_t started_ms, completed_ms, sealed_ms;
    int64_t node;            // where a server is alone: the newest one; those before it are fenced
    bool cancel_asked;       // its runner is to end
    struct node_lease lease; // of the execution's runner
    struct entry *log;
    size_t log_capacity;
};

enum op_kind {
    OP_JOIN,
    OP_CREATE,
    OP_CLAIM,
    OP_APPEND,
    OP_COMPLETE,
    OP_UPDATE,
    OP_LEASE,
    OP_GET,
    // Where there are several servers:
    OP_BEAT,
    OP_ADOPT,
    OP_TELL, // `count` news
};
struct op {
    enum op_kind kind;
    void (*done)(struct world *world, struct op *op);
    void *owner;
    struct server *server; // that asks
    uint64_t life;         // its
    unsigned producer;
    unsigned key; // of CLAIM; see struct message
    uint64_t first, epoch;
    bool skip_ahead;
    uint64_t skip_digest; // with skip_ahead: what the producer's digest goes on from
    unsigned count;
    struct content contents[BATCH_MAX];
    bool has_final, has_digest;
    uint64_t final_next, digest; // final_next: counter after the last one
    struct outcome_ask outcome;  // of COMPLETE and UPDATE
    int64_t node;                // of CLAIM, UPDATE and BEAT; of JOIN: a result
    int64_t former;              // of JOIN
    bool leaves;                 // of BEAT
    bool own;                    // of ADOPT: what the node holds already
    int64_t number, news_id;     // of its transaction; of its first news
    uint64_t heard_ms, asked_ms; // of UPDATE, for the checks
    uint64_t cut_off_ms;         // likewise
    struct node_lease_ask ask;   // of LEASE
    uint64_t holder;             // of LEASE, for the server
    struct op *next;
    // Results.
    int err;
    uint64_t ret_producer_next;
    struct sequence_producer ret_producer; // of lookups and of `complete`
    unsigned ret_appended;
    struct state ret_state; // without the log
    bool ret_ran_out;       // of ADOPT: the lease had
};

struct store {
    struct state disk;
    uint64_t incarnation;
    struct state backup;
    bool has_backup;
    uint64_t full_until_ms, slow_until_ms, failing_until_ms;
    struct database *database; // NULL: one server has it alone
};

struct writer {                             // of a server
    struct op *queue, **queue_tail, *batch; // batch: being committed
    uint64_t life;                          // of the process: a commit of an earlier one has not happened
    // Where others write, too: of the transaction that is under way, or in doubt.
    uint64_t primary, mark;
    int64_t number; // 0: it could not begin
    bool in_doubt, applied, idle, changes, tells;
    unsigned tries, tries_most; // to learn what became of it
    uint64_t began_ms;
    struct state committed; // as it left it
};

void store_init(struct world *world);
void writer_init(struct writer *writer);
void store_submit_op(struct world *world, struct op *op); // commits, in the order of its server's
void store_ask(struct world *world, struct op *op);       // OP_GET: any reader, at any time
void writer_crash(struct world *world, struct server *server);
void store_backup_now(struct world *world);
void store_restore(struct world *world); // while the server is down
// For database.c.
void apply_batch(struct world *world, struct op *batch);
void fail_batch(struct op *batch, int err);
void tell_later(struct server *server, uint64_t delay_ms, struct op *ops, bool changed);
uint64_t disk_delay(struct world *world);
void commit_begin(struct server *server);
void commit_end(struct world *world, void *arg, uint64_t life);
void store_expire(struct world *world); // retention takes some of the oldest records

// --- The database that several servers share: transactions with numbers, another primary, nodes, news (database.c)

#define NODES_MAX 1024
#define NEWS_MAX  4096

struct news_row {
    int64_t id, transaction;
    const struct server *sender;
    uint64_t life, committed_ms; // of the sender
    bool cancels;
};

struct database {
    uint64_t primary; // changes when another one takes over
    uint64_t down_until_ms, last_mark;
    int64_t next;                 // number of a transaction
    int64_t lowest;               // all before it are over
    bool *under_way;              // by number
    uint64_t stored[SERVERS_MAX]; // of each server, the mark of its last transaction that has committed
    size_t capacity;
    int64_t highest; // that has committed
    struct node_sign nodes[NODES_MAX];
    uint64_t heard_ms[NODES_MAX], left_ms[NODES_MAX]; // for the checks
    int64_t last_node, last_news;
    struct news_row news[NEWS_MAX]; // by transaction and id
    size_t news_count;
    unsigned news_at_once;
    // A transaction whose process does not know yet that nobody is there any more: its locks keep all others away.
    const struct server *holder;
    int64_t held;
    bool commits_later;
};

void database_init(struct world *world);
void database_free(struct world *world);
bool database_reached(const struct server *server);
void database_begin(struct server *server); // the writer's batch
void database_end(struct server *server);
void database_crash(struct server *server);
void database_fail_over(struct world *world);
void database_apply(struct world *world, struct op *op); // JOIN, BEAT, ADOPT, TELL
struct node_sign database_sign(const struct world *world, int64_t node);
void database_tell(struct world *world, const struct op *op, bool cancels, unsigned count);
int64_t database_oldest(const struct world *world);

// --- The network (network.c)

enum message_type {
    // to the server
    MESSAGE_CONNECT,
    MESSAGE_RECORDS,
    MESSAGE_SKIP,
    MESSAGE_COMPLETE,
    MESSAGE_HEARTBEAT,
    MESSAGE_FOLLOW,
    // to runners
    MESSAGE_OPENED,
    MESSAGE_READY,
    MESSAGE_ACK,
    MESSAGE_ERROR,
    MESSAGE_COMPLETED,
    MESSAGE_REFUSED,
    MESSAGE_CANCEL,
    // to readers
    MESSAGE_LOG,
    MESSAGE_GAP,
    MESSAGE_POSITION,
    MESSAGE_STATE,
    MESSAGE_END,
    MESSAGE_TYPES
};

struct message {
    enum message_type type;
    int err;
    unsigned producer, count;
    unsigned key; // of the claim of a runner that connects; 0: none
    uint64_t first, next, epoch, incarnation, digest;
    int64_t position;
    bool register_first, with_digest, has_exit_code; // of runners
    bool filtered, websocket, restored;              // of readers
    int exit_code;
    enum execution_status status;
    struct content contents[BATCH_MAX];
    uint64_t sequences[BATCH_MAX];
};

enum { END_CLIENT, END_SERVER };
struct link_end {
    void *owner;   // NULL: closed here
    uint64_t life; // of the owner's process
    void (*receive)(struct world *world, void *owner, const struct message *message);
    void (*closed)(struct world *world, void *owner); // by the other side, or cut
    void (*drained)(struct world *world, void *owner);
};
struct link {
    struct server *server;
    struct link_end ends[2];
    uint64_t last_arrival_ms[2]; // by receiving end
    unsigned in_flight[2];
    uint64_t stalled_until_ms;
    bool cut;
};

// The client's end; the server's is set by the server.
struct link *link_open(struct world *world, struct server *server, void *owner, uint64_t life);
void link_send(struct world *world, struct link *link, int from, const struct message *message);
void link_close(struct world *world, struct link *link, int from);
void link_cut(struct world *world, struct link *link); // what is under way is lost; both ends hear of it at some time

// --- The server (server.c, socket.c, fanout.c)

struct socket { // of a runner
    struct server *server;
    struct link *link;
    struct message hello;
    uint64_t epoch, holder, touched_ms, retry_ms, retry_life;
    struct sequencer sequencer;
    bool open, closed, touched, completing;
};

struct subscriber {
    struct server *server;
    struct link *link;
    struct follower follower;
    bool filtered, closed, open;
    uint64_t timer_ms;
};

// What a server has where others share its store (node.c, node_bus.c, node_topic.c, node_news.c).
struct peer {
    bool asks, leaving;
    int64_t former;      // the node that it was, as its folder says
    int64_t former_node; // for the checks: the one that it was before it started
    int64_t clock_ms;    // how wrong its own clock is
    uint64_t taken_ms, asked_ms;
    uint64_t own_ms; // when it has read last what it holds
    // It stands still; its ways are cut to the store, to the bus, and to clients.
    uint64_t paused_until_ms, away_until_ms, mute_until_ms, alone_until_ms;
    uint64_t sender;
    struct hints *hints;
    bool round;  // of messages, is about to begin
    bool joined; // the bus
    // What it knows of the log, if anybody follows it here.
    bool topic;
    struct execution known;
    uint64_t changes, refresh_changes, topic_ms;
    bool refreshing, refresh_again, look_soon, looking;
    uint64_t looked_ms;              // the last look's snapshot
    uint64_t fine_ms;                // nothing is wrong with it since then
    uint64_t reached_ms, cut_off_ms; // for the checks: when the store was in reach last, and when not for long
    struct news_place place;
    bool news_due;
    uint64_t news_from_ms, news_primary, round_ms; // round_ms: when the present round of looks began
    bool heard[NEWS_MAX + 1];
};

#define SOCKETS_MAX 64
struct server {
    struct world *world;
    unsigned number;
    bool up;
    struct writer writer;
    uint64_t life, started_ms;
    struct lease_table leases;
    int64_t node; // 0: it has not joined the store yet
    uint64_t last_holder;
    struct socket *sockets[SOCKETS_MAX];
    size_t socket_count;
    struct subscriber *subscribers[SOCKETS_MAX];
    size_t subscriber_count;
    struct state known; // of the log, as the commits told it
    bool told;          // a commit did
    // For the checks.
    uint64_t heard_ms;  // when the holder was heard of, or its lease began
    uint64_t unsure_ms; // when it could not judge last
    uint64_t ticked_ms; // when it looked for leases that have run out
    uint64_t granted_epoch, lost_since_ms;
    bool abandoned; // the runner that it was granted to has not learned of it
    struct peer peer;
};

struct server *server_any(struct world *world); // one that a client turns to; it need not be up
bool server_answers(const struct server *server);
// True if this is not to happen now: the process has ended, or it stands still, and it will happen when it goes on.
bool server_misses(struct server *server, event_fn *fire, void *arg, uint64_t life);
void server_cancel(struct server *server); // its runner is to end, if it is here
void server_gone(struct server *server);   // after a crash, and after it has left
bool server_misses(struct server *server, event_fn *fire, void *arg, uint64_t life);
void server_start(struct server *server);
void server_crash(struct server *server);
void server_restore(struct server *server, const struct node_lease *lease);        // its lease is this server's now
void server_look(struct server *server, uint64_t epoch, enum outcome_cause cause); // whose its lease is
void server_changed(struct server *server, const struct state *state);             // after a commit
struct op *server_op(struct server *server, enum op_kind kind, void *owner, void (*done)(struct world *, struct op *));

void socket_connect(struct link *link, const struct message *hello);
void socket_end(struct world *world, struct socket *socket);
void socket_cancel(struct server *server, uint64_t holder);
void socket_replaced(struct server *server, uint64_t holder);
void hub_change_outcome(struct server *server, uint64_t epoch, enum outcome_cause cause);

void subscriber_follow(struct link *link, const struct message *hello);
void subscribers_wake(struct server *server);
bool subscribers_any(const struct server *server);
void subscriber_end(struct world *world, struct subscriber *subscriber);

// Where servers share the store:
void node_start(struct server *server);
void node_stop(struct server *server); // the process is gone
void node_fenced(struct server *server);
void node_leave(struct server *server);
void node_pause(struct server *server, uint64_t for_ms);
void node_second(struct server *server); // for the checks
void bus_start_model(struct server *server);
void bus_tell(struct server *server, const struct store_change *changes, size_t count, bool news);
void topic_start(struct server *server);
void topic_open_model(struct server *server, const struct state *read);
void topic_commit(struct server *server, const struct state *state);
void topic_hear_model(struct server *server, const struct store_change *change);
void topic_missed(struct server *server);
void news_start(struct server *server);
void news_hint(struct server *server);
struct store_change change_of(const struct state *state);

// --- Runners (runner.c)

struct run_file {
    bool exists, registered, ended;
    uint64_t epoch, incarnation, records;
};

enum runner_phase {
    RUNNER_UNBORN,
    RUNNER_LIVE,         // job and delivery
    RUNNER_PREFIX,       // resumed: delivers what the dead one left
    RUNNER_INTERRUPTION, // resumed: the record that says so, from a producer of its own
    RUNNER_PROOF,        // resumed: what the server has of the prefix, once more
    RUNNER_DEAD,         // crashed; may be resumed
    RUNNER_GONE,         // nobody will resume it
    RUNNER_OVER,         // delivered, or refused for good
};
struct runner {
    unsigned number;
    enum runner_phase phase;
    uint64_t life, paused_until_ms;
    struct uplink uplink;
    struct link *link;
    uint64_t opened_ms, last_send_ms;
    // The job.
    uint64_t lines, exit_code; // how many it will write; what is in the spool is spool_next
    bool job_over;
    // The spool.
    uint64_t spool_first, spool_next, spool_synced, spool_acked, spool_cap, spool_keep;
    bool spool_full;
    uint64_t captured; // as spool_next, but not undone by a crash
    struct run_file run, run_synced;
    // For the checks.
    uint64_t over_incarnation;
    int failed;
    bool interrupted, late; // late: the log had been sealed as lost before
    bool forgot;            // its machine crashed, and with that the epoch may have gone
    bool cancelled;         // it was told to end
};

void runner_start(struct world *world, struct runner *runner);
void runner_crash(struct world *world, struct runner *runner, bool machine);
void runner_resume(struct world *world, struct runner *runner);
void runner_pause(struct world *world, struct runner *runner, uint64_t for_ms);

// --- A runner that is not ours (plain.c)

struct plain {
    struct link *link;
    uint64_t life, lines, written, sent, acked, epoch, incarnation, over_incarnation;
    bool hasty, registered, sending, was_ready, completing, over, late;
    int failed;
};
void plain_start(struct world *world, struct plain *plain);

// --- Readers and posters (reader.c, poster.c)

enum seen_state { SEEN_NOT, SEEN_THERE, SEEN_GAP }; // of a sequence number: nothing, a record, told that it never comes
struct seen {
    enum seen_state state;
    struct content content;
};
struct reader {
    unsigned number;
    bool filtered, websocket, keeps_incarnation;
    struct link *link;
    uint64_t life; // of its connection
    unsigned attempts;
    uint64_t start, cursor, incarnation, opened_incarnation;
    bool complete;
    struct seen *seen;
    size_t seen_capacity;
};
void reader_start(struct world *world, struct reader *reader);
bool reader_wants(bool filtered, const struct content *content);

struct poster {
    unsigned number, count;
    bool idempotent, other_body; // other_body: the same key with another body
    bool over;
    uint64_t life; // of the attempt
    unsigned repeats;
};
void poster_start(struct world *world, struct poster *poster);

// --- Those who say from outside what its status is, or cancel it (changer.c)

struct changer {
    unsigned number;
    struct outcome_ask ask;
    bool asks; // it lets the run wait, and answers
};
void changer_start(struct world *world, struct changer *changer);

// --- Checks (check.c)
// The log was cut at its front, by these rules and its own ones.
void check_cut(struct world *world, uint64_t before, const struct retention *rules, const struct retention_own *own);
void check_outcome(struct world *world, enum outcome_cause cause, const struct outcome *before,
                   const struct outcome *after);
void check_applied(struct world *world, const struct op *op, const struct sequence_producer *before, uint64_t from);
void check_acked(struct world *world, unsigned producer, uint64_t next, const char *what);
void check_deleted(struct world *world, const struct runner *runner);
void check_claim(struct server *server);
void check_leases(struct server *server);
void check_grace(struct server *server);
void check_fenced(struct world *world, int64_t node);
void check_by_lease(const struct op *op); // is lost, or given up
// A claim is granted, of what was so before.
void check_taken_over(const struct op *op, const struct node_lease *lease, const struct outcome *before);
void check_doubt(struct server *server, bool committed); // what became of its transaction, as it thinks
void check_peer(struct server *server);                  // each second
void check_end(struct world *world);
bool world_settled(const struct world *world);

// --- Faults (faults.c)
struct profile { // per mille each second, and whatever else differs from seed to seed
    unsigned cut, stall, server_crash, runner_crash, machine_crash, pause, commit_fails, store_full, store_slow,
        restore, expire, lies;
    uint64_t faults_for_ms, lost_seal_ms;
    bool duel; // two runners, one of which stands still for just longer than its lease
    // Where servers share the store.
    unsigned node_pause, node_leave, store_away, bus_away, alone, fail_over, tells;
    unsigned hint_lost, hint_doubled, hint_late; // per mille of the messages
};
void faults_start(struct world *world);
void nodes_profile(struct world *world);
void nodes_start(struct world *world);
void nodes_strike(struct world *world); // each second
void nodes_peace(struct world *world);
void server_returns(struct world *world, struct server *server);

struct world {
    struct arena arena;
    uint64_t seed, random, now_ms, order, steps;
    bool tracing, failed, quiet, lied, shared; // shared: several servers have the store
    uint64_t cancelled_ms;                     // 0: its runner was not asked to end
    uint64_t nexts[8];                         // where the log stood, by second
    uint64_t told_epoch;                       // the last that a runner was told
    uint64_t quiet_ms;
    struct event *events;
    size_t event_count, event_capacity;
    struct profile profile;
    struct store store;
    struct server servers[SERVERS_MAX];
    unsigned server_count;
    struct runner runners[RUNNERS];
    struct plain plain; // in some worlds, in the place of the first runner
    bool has_plain;
    struct reader readers[READERS];
    struct poster posters[POSTERS];
    struct changer changers[CHANGERS];
    unsigned runner_count, reader_count, poster_count, changer_count, restores;
    bool told; // from outside, what its status is
    // From outside it was told how it ended; it was sealed by that; so it was while it had a runner, which was lost.
    bool told_end, sealed_from_outside, fenced_from_outside;
    bool given_up; // sealed at the end of the grace
    struct link **links;
    size_t link_count, link_capacity;
};

// True if nothing was violated.
bool world_run(uint64_t seed, bool tracing);
bool nodes_run(uint64_t seed, bool tracing); // several servers share the store
