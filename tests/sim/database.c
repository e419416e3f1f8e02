// The database that servers share, as store/postgres sees it: each server's writer has one transaction at a time, which
// is applied whole when it commits. Its answer may be lost; another database may take over, with all that has committed
// and with numbers of transactions that are given anew. Nodes and news are rows of it, as store/catalogue/nodes.c and
// store/postgres/postgres_peers.c have them.
#include "model/doubt.h"
#include "sim.h"

#define ASK_AGAIN_MS 500
#define ASK_MOST     60 // in half a minute; fewer if nobody answers, as each takes long then
#define LOCKED_MS    5
#define IDLE_MS      10000 // as bus/postgres_connect.c says

void database_init(struct world *world)
{
    struct database *database = xcalloc(1, sizeof(*database));
    database->primary = 1;
    database->next = database->lowest = 10;
    database->capacity = 256;
    database->under_way = xcalloc(database->capacity, 1);
    database->news_at_once = (unsigned)draw(world, 2, 12);
    world->store.database = database;
}

void database_free(struct world *world)
{
    if (world->store.database) {
        free(world->store.database->under_way);
    }
    free(world->store.database);
}

bool database_reached(const struct server *server)
{
    const struct world *world = server->world;
    return world->now_ms >= world->store.database->down_until_ms && world->now_ms >= server->peer.away_until_ms;
}

struct node_sign database_sign(const struct world *world, int64_t node)
{
    return node > 0 ? world->store.database->nodes[node] : (struct node_sign){.fenced = true};
}

// --- Numbers of transactions

static int64_t take_number(struct database *database)
{
    int64_t number = database->next++;
    if ((size_t)number >= database->capacity) {
        size_t capacity = 2 * (size_t)number;
        database->under_way = xrealloc(database->under_way, capacity);
        memset(database->under_way + database->capacity, 0, capacity - database->capacity);
        database->capacity = capacity;
    }
    database->under_way[number] = true;
    return number;
}

int64_t database_oldest(const struct world *world)
{
    struct database *database = world->store.database;
    while (database->lowest < database->next && !database->under_way[database->lowest])
        database->lowest++;
    return database->lowest;
}

// --- News

void database_tell(struct world *world, const struct op *op, bool cancels, unsigned count)
{
    struct database *database = world->store.database;
    for (unsigned i = 0; i < count && database->news_count < NEWS_MAX; i++) {
        struct news_row row = {.id = op->news_id + i,
                               .transaction = op->number,
                               .sender = op->server,
                               .life = op->life,
                               .committed_ms = world->now_ms,
                               .cancels = cancels};
        size_t at = database->news_count++;
        for (; at > 0; at--) {
            const struct news_row *before = &database->news[at - 1];
            if (before->transaction < row.transaction ||
                (before->transaction == row.transaction && before->id < row.id))
                break;
            database->news[at] = *before;
        }
        database->news[at] = row;
    }
}

static void take_ids(struct database *database, struct op *batch, int64_t number)
{
    for (struct op *op = batch; op; op = op->next) {
        bool cancels = op->kind == OP_UPDATE && op->outcome.cause == OUTCOME_CANCELLED;
        op->number = number;
        op->news_id = database->last_news + 1;
        database->last_news += op->kind == OP_TELL ? op->count : cancels;
    }
}

// --- Nodes

// Those whose last heartbeat is from before then.
static void fence_silent(struct world *world, int64_t before_ms)
{
    struct database *database = world->store.database;
    for (int64_t i = 1; i <= database->last_node; i++) {
        struct node_sign *sign = &database->nodes[i];
        if (sign->fenced || sign->heartbeat_ms >= before_ms)
            continue;
        sign->fenced = true;
        trace(world, "database: node %lld is fenced", (long long)i);
        check_fenced(world, i);
    }
}

static int beat(struct world *world, const struct op *op)
{
    struct database *database = world->store.database;
    int64_t now_ms = (int64_t)world->now_ms;
    struct node_sign own = database_sign(world, op->node);
    if (own.fenced)
        return ERR_NODE_FENCED;
    database->nodes[op->node].heartbeat_ms = now_ms;
    database->heard_ms[op->node] = world->now_ms;
    if (op->leaves) {
        database->nodes[op->node].fenced = true;
        database->left_ms[op->node] = world->now_ms;
    } else if (node_may_fence(own.heartbeat_ms, now_ms)) {
        fence_silent(world, node_silent_before(now_ms));
    }
    return 0;
}

static int join(struct world *world, struct op *op)
{
    struct database *database = world->store.database;
    if (database->last_node + 1 == NODES_MAX)
        return ERR_UNAVAILABLE;
    op->node = ++database->last_node;
    database->nodes[op->node].heartbeat_ms = (int64_t)world->now_ms;
    database->heard_ms[op->node] = world->now_ms;
    if (op->former)
        database->nodes[op->former].fenced = true;
    return 0;
}

static int adopt(struct world *world, struct op *op)
{
    struct state *disk = &world->store.disk;
    const struct node_sign holder = database_sign(world, disk->lease.node);
    const struct node_lease_ask ask = {.cause = NODE_LEASE_ADOPT, .node = op->node};
    int64_t now_ms = (int64_t)world->now_ms;
    if (database_sign(world, op->node).fenced)
        return ERR_NODE_FENCED;
    if (disk->lease.epoch == 0 || (op->own ? disk->lease.node != op->node : !holder.fenced))
        return ERR_NOT_FOUND;
    op->ret_ran_out = disk->lease.deadline_ms > 0 && disk->lease.deadline_ms <= now_ms;
    if (op->own)
        return 0;
    return node_lease_next(&disk->lease, &holder, &ask, now_ms, &disk->lease);
}

void database_apply(struct world *world, struct op *op)
{
    switch (op->kind) {
    case OP_JOIN:
        op->err = join(world, op);
        break;
    case OP_BEAT:
        op->err = beat(world, op);
        break;
    case OP_ADOPT:
        op->err = adopt(world, op);
        break;
    default:
        database_tell(world, op, false, op->count);
        op->err = 0;
    }
}

// --- A transaction

static bool of_this_primary(const struct server *server)
{
    return server->writer.primary == server->world->store.database->primary;
}

void database_begin(struct server *server)
{
    struct database *database = server->world->store.database;
    struct writer *writer = &server->writer;
    writer->primary = database->primary;
    writer->mark = ++database->last_mark;
    writer->began_ms = server->world->now_ms;
    writer->in_doubt = writer->applied = writer->changes = writer->tells = writer->idle = false;
    writer->tries = 0;
    writer->number = database_reached(server) ? take_number(database) : 0;
    if (writer->number)
        take_ids(database, writer->batch, writer->number);
}

static void free_locks(struct database *database, int64_t number)
{
    if (database->held == number) {
        database->held = 0;
        database->holder = NULL;
    }
}

static void roll_back(struct server *server)
{
    struct database *database = server->world->store.database;
    if (!server->writer.number || !of_this_primary(server))
        return;
    database->under_way[server->writer.number] = false;
    free_locks(database, server->writer.number);
}

// What a commit makes of what was asked for.
static bool changes_the_log(const struct op *op)
{
    return op->err == 0 && (op->kind == OP_CREATE || op->kind == OP_APPEND || op->kind == OP_CLAIM ||
                            op->kind == OP_COMPLETE || op->kind == OP_UPDATE);
}

static void commit_it(struct server *server, struct op *batch, int64_t number, uint64_t mark)
{
    struct world *world = server->world;
    struct database *database = world->store.database;
    struct writer *writer = &server->writer;
    size_t news = database->news_count;
    apply_batch(world, batch);
    database->under_way[number] = false;
    database->stored[server->number] = mark;
    database->highest = MAX(database->highest, number);
    free_locks(database, number);
    if (writer->mark != mark || writer->batch != batch)
        return; // its process has gone
    writer->applied = true;
    writer->tells = database->news_count > news;
    for (const struct op *op = batch; op; op = op->next)
        writer->changes |= changes_the_log(op);
    writer->committed = world->store.disk;
    writer->committed.log = NULL;
}

static void over(struct server *server, int err)
{
    struct writer *writer = &server->writer;
    struct op *batch = writer->batch;
    writer->batch = NULL;
    if (err < 0)
        fail_batch(batch, err);
    tell_later(server, draw(server->world, 0, 3), batch, err == 0);
    commit_begin(server);
}

// --- In doubt

struct settling { // a transaction that goes on without anybody
    struct server *server;
    struct op *batch;
    int64_t number;
    uint64_t primary, mark;
    bool commits;
};

static void settle(struct world *world, void *arg, uint64_t life)
{
    struct settling *it = arg;
    struct database *database = world->store.database;
    (void)life;
    if (database->primary != it->primary || !database->under_way[it->number])
        return;
    trace(world, "database: transaction %lld is %s", (long long)it->number, it->commits ? "there" : "rolled back");
    if (it->commits) {
        commit_it(it->server, it->batch, it->number, it->mark);
    } else {
        database->under_way[it->number] = false;
        free_locks(database, it->number);
    }
}

// The server's process has not noticed yet that nobody is there any more; its locks keep others away.
static void go_on_alone(struct server *server, bool commits)
{
    struct world *world = server->world;
    struct database *database = world->store.database;
    const struct writer *writer = &server->writer;
    struct settling *it = make(world, sizeof(*it));
    *it = (struct settling){server, writer->batch, writer->number, writer->primary, writer->mark, commits};
    database->holder = server;
    database->held = writer->number;
    database->commits_later = commits;
    later(world, draw(world, 1, 8000), settle, it, 0);
}

static void ask(struct world *world, void *arg, uint64_t life);

static struct doubt doubt_of(const struct server *server)
{
    const struct database *database = server->world->store.database;
    const struct writer *writer = &server->writer;
    return (struct doubt){.held = of_this_primary(server) && database->under_way[writer->number],
                          .stored = database->stored[server->number],
                          .number = writer->mark};
}

static void ask(struct world *world, void *arg, uint64_t life)
{
    struct server *server = arg;
    struct writer *writer = &server->writer;
    if (server_misses(server, ask, arg, life))
        return;
    enum doubt_verdict verdict = DOUBT_ASK_AGAIN;
    if (database_reached(server)) {
        struct doubt doubt = doubt_of(server);
        verdict = doubt_judge(&doubt);
        trace(world, "server %u: transaction %lld in doubt: %s", server->number, (long long)writer->number,
              verdict == DOUBT_COMMITTED ? "there"
              : verdict == DOUBT_FAILED  ? "failed"
                                         : "not known");
    }
    if (verdict == DOUBT_COMMITTED || verdict == DOUBT_FAILED)
        check_doubt(server, verdict == DOUBT_COMMITTED);
    if (verdict == DOUBT_COMMITTED)
        over(server, 0);
    else if (verdict != DOUBT_ASK_AGAIN || ++writer->tries >= writer->tries_most)
        over(server, ERR_UNAVAILABLE);
    else
        later(world, ASK_AGAIN_MS, ask, server, life);
}

static void be_in_doubt(struct server *server)
{
    struct world *world = server->world;
    struct writer *writer = &server->writer;
    writer->in_doubt = true;
    writer->tries_most = 1 + (unsigned)(writer->mark * 7919 % ASK_MOST);
    trace(world, "server %u: the answer to transaction %lld is lost", server->number, (long long)writer->number);
    if (of_this_primary(server) && world->store.database->holder) {
        roll_back(server);
    } else if (of_this_primary(server)) {
        uint64_t fate = draw(world, 0, 3);
        if (fate == 0)
            roll_back(server);
        else if (fate == 1)
            commit_it(server, writer->batch, writer->number, writer->mark);
        else
            go_on_alone(server, fate == 2);
    }
    later(world, draw(world, 0, ASK_AGAIN_MS), ask, server, server->life);
}

// --- The end of a transaction

// It stands still in the midst of it: the database ends it after a while. True if that is so.
static bool stands_still(struct server *server)
{
    struct world *world = server->world;
    struct database *database = world->store.database;
    struct writer *writer = &server->writer;
    bool paused = world->now_ms < server->peer.paused_until_ms;
    if (writer->idle || !paused || database->holder || chance(world, 500)) // else its COMMIT was sent before
        return false;
    writer->idle = true;
    database->commits_later = false;
    database->holder = server;
    database->held = writer->number;
    later(world, MIN(server->peer.paused_until_ms - world->now_ms, (uint64_t)IDLE_MS), commit_end, server,
          writer->life);
    return true;
}

void database_end(struct server *server)
{
    struct world *world = server->world;
    struct database *database = world->store.database;
    struct writer *writer = &server->writer;
    bool begun = writer->number != 0, ours = of_this_primary(server);
    if (begun && ours && stands_still(server))
        return;
    bool idle = writer->idle && world->now_ms < server->peer.paused_until_ms;
    bool reached = ours && database_reached(server);
    bool hiccup = world->now_ms < world->store.failing_until_ms && chance(world, 500);
    if (!begun || idle || (!writer->applied && (!reached || hiccup) && chance(world, 500))) {
        roll_back(server);
        over(server, ERR_UNAVAILABLE);
    } else if (!reached || hiccup) {
        be_in_doubt(server);
    } else if (world->now_ms < world->store.full_until_ms) {
        roll_back(server);
        over(server, ERR_STORE_FULL);
    } else if (database->holder && database->held != writer->number) { // an earlier one of its own as well
        later(world, LOCKED_MS, commit_end, server, writer->life);
    } else {
        commit_it(server, writer->batch, writer->number, writer->mark);
        over(server, 0);
    }
}

// What its process leaves. A transaction that goes on alone does so.
void database_crash(struct server *server)
{
    const struct writer *writer = &server->writer;
    const struct database *database = server->world->store.database;
    if (!writer->batch || writer->in_doubt || writer->applied || !writer->number || !of_this_primary(server))
        return;
    if (!writer->idle && !database->holder && database_reached(server) && chance(server->world, 500))
        commit_it(server, writer->batch, writer->number, writer->mark);
    else
        roll_back(server);
}

// Another one takes over. It has all that has committed, of which some were not told; what had only begun is gone, and
// numbers that nobody has heard of are given anew.
void database_fail_over(struct world *world)
{
    struct database *database = world->store.database;
    for (unsigned i = 0; i < world->server_count; i++) {
        struct server *server = &world->servers[i];
        const struct writer *writer = &server->writer;
        bool under_way =
            writer->batch && writer->number && !writer->in_doubt && !writer->idle && of_this_primary(server);
        if (under_way && !writer->applied && !database->holder && chance(world, 400))
            commit_it(server, writer->batch, writer->number, writer->mark);
    }
    memset(database->under_way, 0, database->capacity);
    database->holder = NULL;
    database->held = 0;
    database->primary++;
    database->next =
        (int64_t)draw(world, (uint64_t)database->highest + 1, (uint64_t)MAX(database->highest + 1, database->next));
    database->lowest = MIN(database->lowest, database->next);
    database->down_until_ms = world->now_ms + draw(world, 500, chance(world, 300) ? 60000 : 20000);
    trace(world, "database: another one takes over at %llu; transactions begin with %lld",
          (unsigned long long)database->down_until_ms, (long long)database->next);
}
