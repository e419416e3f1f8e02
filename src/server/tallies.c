#include "server/tallies.h"

#include "loop/loop.h"
#include "model/node.h"

#define TICK_MS  1000
#define LINE_MAX 128
#define DEAF_MAX 60 // rounds without an answer, until what was heard before is too old

struct tallies {
    struct tallies_options options;
    uint64_t followers_max;
    struct timer *timer;
    struct store_tally_tell tell;
    struct store_tallies ask;
    bool telling, asking, leaving, stopped;
    int64_t told_node; // in whose name it was told; 0: nothing was
    struct buf told, telling_text;
    struct tally own[TALLY_KINDS];
    unsigned deaf;
};

// --- The text

static const char kinds[TALLY_KINDS] = {[TALLY_FOLLOWERS] = 'f', [TALLY_RUNNING] = 'r', [TALLY_FAILED_LOGINS] = 'l'};

struct writing {
    struct buf *out;
    char kind;
};

static void write_line(void *arg, struct str name, uint64_t count)
{
    const struct writing *writing = arg;
    if (writing->out->len + LINE_MAX <= TALLY_MAX)
        buf_printf(writing->out, "%c %llu %.*s\n", writing->kind, (unsigned long long)count, STR_ARGS(name));
}

void tallies_write(const struct tally tallies[TALLY_KINDS], struct buf *out)
{
    for (unsigned i = 0; i < TALLY_KINDS; i++)
        tally_each(&tallies[i], write_line, &(struct writing){out, kinds[i]});
}

static void read_line(struct str line, struct tally tallies[TALLY_KINDS])
{
    uint64_t count;
    struct str kind = str_split(&line, ' ');
    if (kind.len != 1 || !str_to_u64(str_split(&line, ' '), &count) || line.len == 0)
        return;
    for (unsigned i = 0; i < TALLY_KINDS; i++)
        if (kinds[i] == kind.data[0])
            tally_add(&tallies[i], line, count);
}

void tallies_read(struct str text, struct tally tallies[TALLY_KINDS])
{
    while (text.len > 0)
        read_line(str_split(&text, '\n'), tallies);
}

// --- Hearing

static void take(const struct tallies *it, struct tally heard[TALLY_KINDS])
{
    places_elsewhere(it->options.followers, &heard[TALLY_FOLLOWERS]);
    dispatch_running_elsewhere(it->options.dispatch, &heard[TALLY_RUNNING]);
    auth_failures_elsewhere(it->options.auth, &heard[TALLY_FAILED_LOGINS]);
}

static void asked(struct store_op *op)
{
    struct tallies *it = CONTAINER_OF(op, struct tallies, ask.op);
    struct tally heard[TALLY_KINDS];
    it->asking = false;
    it->deaf = op->err < 0 ? it->deaf + 1 : 0;
    if (!it->stopped && (op->err == 0 || it->deaf == DEAF_MAX)) {
        for (unsigned i = 0; i < TALLY_KINDS; i++)
            tally_init(&heard[i]);
        for (size_t i = 0; i < it->ask.ret_count; i++)
            tallies_read(str_of(it->ask.ret_tallies[i]), heard);
        take(it, heard);
        for (unsigned i = 0; i < TALLY_KINDS; i++)
            tally_release(&heard[i]);
    }
    store_op_release(op);
}

static void ask(struct tallies *it, int64_t node)
{
    if (it->asking)
        return;
    it->asking = true;
    it->ask = (struct store_tallies){
        .op = {.kind = STORE_TALLIES, .reply_to = it->options.loop, .done = asked},
        .but = node,
    };
    store_submit(it->options.store, &it->ask.op);
}

// --- Telling

static void told(struct store_op *op)
{
    struct tallies *it = CONTAINER_OF(op, struct tallies, tell.op);
    it->telling = false;
    if (op->err == 0) {
        it->told_node = it->tell.node;
        buf_reset(&it->told);
        buf_append_str(&it->told, buf_str(&it->telling_text));
    }
    store_op_release(op);
}

static void count(struct tallies *it)
{
    buf_reset(&it->telling_text);
    if (it->leaving)
        return;
    places_tally(it->options.followers, it->followers_max, &it->own[TALLY_FOLLOWERS]);
    dispatch_running(it->options.dispatch, &it->own[TALLY_RUNNING]);
    auth_failures(it->options.auth, &it->own[TALLY_FAILED_LOGINS]);
    tallies_write(it->own, &it->telling_text);
    for (unsigned i = 0; i < TALLY_KINDS; i++)
        tally_release(&it->own[i]);
}

static void tell(struct tallies *it, int64_t node)
{
    if (it->telling)
        return;
    count(it);
    bool known = it->told_node == node || it->telling_text.len == 0; // what a former node told does not count
    if (known && str_eq(buf_str(&it->telling_text), buf_str(&it->told)))
        return;
    it->telling = true;
    it->tell = (struct store_tally_tell){
        .op = {.kind = STORE_TALLY_TELL, .reply_to = it->options.loop, .done = told},
        .node = node,
        .tally = buf_str(&it->telling_text),
    };
    store_submit(it->options.store, &it->tell.op);
}

static void tick(void *arg)
{
    struct tallies *it = arg;
    int64_t node = it->options.node(it->options.node_arg);
    if (node != 0) {
        tell(it, node);
        ask(it, node);
    }
    timer_start(it->timer, TICK_MS);
}

// --- Its life

struct tallies *tallies_new(const struct tallies_options *options, uint64_t followers_max)
{
    if (store_alone(options->store))
        return NULL;
    struct tallies *it = xcalloc(1, sizeof(*it));
    it->options = *options;
    it->followers_max = followers_max;
    for (unsigned i = 0; i < TALLY_KINDS; i++)
        tally_init(&it->own[i]);
    return it;
}

void tallies_start(struct tallies *tallies)
{
    if (!tallies)
        return;
    tallies->timer = timer_new(tallies->options.loop, tick, tallies);
    tick(tallies);
}

void tallies_set(struct tallies *tallies, uint64_t followers_max)
{
    if (tallies)
        tallies->followers_max = followers_max;
}

void tallies_leave(struct tallies *tallies)
{
    if (!tallies || !tallies->timer)
        return;
    tallies->leaving = true;
    tick(tallies);
}

void tallies_stop(struct tallies *tallies)
{
    if (!tallies)
        return;
    tallies->stopped = true;
    timer_free(&tallies->timer);
}

void tallies_free(struct tallies **tallies)
{
    struct tallies *gone = TAKE_PTR(*tallies);
    if (!gone)
        return;
    buf_release(&gone->told);
    buf_release(&gone->telling_text);
    free(gone);
}
