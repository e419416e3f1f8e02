// Readers: follow from a cursor, come back with it whenever the connection ends, as cli/log_follow.c does.
#include "sim.h"

bool reader_wants(bool filtered, const struct content *content)
{
    return !filtered || content->kind != CONTENT_LINE || content->number % 5 == 0;
}

static void connect_now(struct world *world, void *arg, uint64_t life);

static void lost(struct world *world, struct reader *reader)
{
    reader->link = NULL;
    reader->life++;
    uint64_t delay = reader->attempts++ == 0 ? 0 : draw(world, 100, 5000);
    later(world, delay, connect_now, reader, reader->life);
}

static void closed(struct world *world, void *owner)
{
    struct reader *reader = owner;
    if (!reader->complete)
        lost(world, reader);
}

// Nothing that it wants may lie in [cursor, to).
static void move_to(struct world *world, struct reader *reader, uint64_t to, uint64_t incarnation, const char *by)
{
    const struct state *disk = &world->store.disk;
    if (to <= reader->cursor)
        return;
    if (!reader->filtered)
        violate(world, "reader %u is at %llu and is moved to %llu by a %s", reader->number,
                (unsigned long long)reader->cursor, (unsigned long long)to, by);
    for (uint64_t i = reader->cursor; i < to && incarnation == world->store.incarnation; i++) {
        if (reader_wants(true, &disk->log[i].content))
            violate(world, "reader %u is moved over %llu by a %s", reader->number, (unsigned long long)i, by);
    }
    reader->cursor = to;
}

static struct seen *slot(struct reader *reader, uint64_t sequence)
{
    if (sequence >= reader->seen_capacity) {
        size_t capacity = MAX((size_t)sequence + 1, reader->seen_capacity * 2);
        reader->seen = xrealloc(reader->seen, capacity * sizeof(*reader->seen));
        memset(reader->seen + reader->seen_capacity, 0, (capacity - reader->seen_capacity) * sizeof(*reader->seen));
        reader->seen_capacity = capacity;
    }
    return &reader->seen[sequence];
}

static void take_records(struct world *world, struct reader *reader, const struct message *message)
{
    for (unsigned i = 0; i < message->count && !world->failed; i++) {
        uint64_t sequence = message->sequences[i];
        if (sequence < reader->cursor)
            violate(world, "reader %u is at %llu and is given %llu", reader->number, (unsigned long long)reader->cursor,
                    (unsigned long long)sequence);
        move_to(world, reader, sequence, message->incarnation, "record");
        *slot(reader, sequence) = (struct seen){SEEN_THERE, message->contents[i]};
        reader->cursor = sequence + 1;
        reader->attempts = 0;
    }
}

static void take_gap(struct world *world, struct reader *reader, const struct message *message)
{
    trace(world, "reader %u: told that [%llu, %llu) %s", reader->number, (unsigned long long)message->first,
          (unsigned long long)message->next, message->restored ? "was lost by a restore" : "has expired");
    if (message->restored) {
        // What it has from there on is void; it goes on from there.
        for (uint64_t i = message->first; i < message->next; i++)
            *slot(reader, i) = (struct seen){SEEN_NOT, {0}};
        reader->cursor = message->first;
        return;
    }
    move_to(world, reader, message->first, message->incarnation, "gap");
    for (uint64_t i = reader->cursor; i < message->next; i++)
        *slot(reader, i) = (struct seen){SEEN_GAP, {0}};
    reader->cursor = MAX(reader->cursor, message->next);
}

static void take_end(struct world *world, struct reader *reader, const struct message *message)
{
    trace(world, "reader %u: complete with %llu", reader->number, (unsigned long long)message->next);
    if (reader->cursor < message->next)
        violate(world, "reader %u is at %llu and is told that the log ends complete with %llu", reader->number,
                (unsigned long long)reader->cursor, (unsigned long long)message->next);
    reader->complete = true;
    link_close(world, reader->link, END_CLIENT);
    reader->link = NULL;
}

static void receive(struct world *world, void *owner, const struct message *message)
{
    struct reader *reader = owner;
    // Not before it was told what became of its cursor: that is the first it hears.
    if (message->type != MESSAGE_OPENED)
        reader->incarnation = reader->opened_incarnation;
    switch (message->type) {
    case MESSAGE_OPENED:
        reader->opened_incarnation = message->incarnation;
        return;
    case MESSAGE_LOG:
        take_records(world, reader, message);
        break;
    case MESSAGE_GAP:
        take_gap(world, reader, message);
        break;
    case MESSAGE_POSITION:
        move_to(world, reader, (uint64_t)(message->position + 1), message->incarnation, "position");
        break;
    case MESSAGE_END:
        take_end(world, reader, message);
        break;
    default:
        break;
    }
}

static void connect_now(struct world *world, void *arg, uint64_t life)
{
    struct reader *reader = arg;
    if (life != reader->life || reader->complete)
        return;
    struct server *server = server_any(world);
    if (!server_answers(server)) {
        lost(world, reader);
        return;
    }
    trace(world, "reader %u: connects at %llu", reader->number, (unsigned long long)reader->cursor);
    reader->link = link_open(world, server, reader, reader->life);
    reader->link->ends[END_CLIENT].receive = receive;
    reader->link->ends[END_CLIENT].closed = closed;
    link_send(world, reader->link, END_CLIENT,
              &(struct message){.type = MESSAGE_FOLLOW,
                                .next = reader->cursor,
                                .incarnation = reader->keeps_incarnation ? reader->incarnation : 0,
                                .filtered = reader->filtered,
                                .websocket = reader->websocket});
}

void reader_start(struct world *world, struct reader *reader)
{
    reader->filtered = chance(world, 400);
    reader->websocket = chance(world, 600);
    reader->keeps_incarnation = chance(world, 700);
    reader->start = reader->cursor = chance(world, 250) ? draw(world, 0, 60) : 0;
    later(world, draw(world, 0, world->profile.faults_for_ms), connect_now, reader, reader->life);
}
