// Connections of workers: in order, delayed, stalled in either direction, and cut.
#include "queue.h"

struct arrival {
    struct queue_session *session;
    bool to_server, close;
    struct queue_message message;
};

struct queue_session *session_open(struct queue *queue, struct queue_worker *worker, struct queue_server *server)
{
    struct queue_session *session = make(&queue->world, sizeof(*session));
    *session = (struct queue_session){.worker = worker,
                                      .server = server,
                                      .worker_life = worker->life,
                                      .server_life = server->life,
                                      .at_worker = true,
                                      .at_server = true};
    if (queue->session_count == queue->session_capacity) {
        queue->session_capacity = MAX((size_t)32, queue->session_capacity * 2);
        queue->open_sessions = xrealloc(queue->open_sessions, queue->session_capacity * sizeof(struct queue_session *));
    }
    queue->open_sessions[queue->session_count++] = session;
    return session;
}

static bool server_lives(const struct queue_session *session)
{
    return session->at_server && session->server->up && session->server->life == session->server_life;
}

static bool worker_lives(const struct queue_session *session)
{
    return session->at_worker && session->worker->up && session->worker->life == session->worker_life;
}

static void end_at(struct queue *queue, struct queue_session *session, bool server)
{
    if (server && server_lives(session)) {
        session->at_server = false;
        queue_server_left(queue, session);
    } else if (!server && worker_lives(session)) {
        session->at_worker = false;
        queue_worker_lost_connection(queue, session);
    }
}

static void arrive(struct world *world, void *arg, uint64_t life)
{
    struct queue *queue = QUEUE_OF(world);
    struct arrival *arrival = arg;
    struct queue_session *session = arrival->session;
    const struct queue_worker *worker = session->worker;
    (void)life;
    if (session->cut)
        return;
    // A worker that stands still reads later what has come meanwhile.
    if (!arrival->to_server && worker->paused_until_ms > world->now_ms) {
        later(world, worker->paused_until_ms - world->now_ms, arrive, arrival, 0);
        return;
    }
    if (arrival->close)
        end_at(queue, session, arrival->to_server);
    else if (arrival->to_server && server_lives(session))
        queue_server_heard(queue, session, &arrival->message);
    else if (!arrival->to_server && worker_lives(session))
        queue_worker_heard(queue, session, &arrival->message);
}

static void send(struct queue *queue, struct arrival *arrival)
{
    struct world *world = &queue->world;
    struct queue_session *session = arrival->session;
    uint64_t at = world->now_ms + draw(world, 0, queue->latency_ms);
    at = MAX(at, session->stalled_until_ms[arrival->to_server]);
    at = MAX(at, session->arrival_ms[arrival->to_server]);
    session->arrival_ms[arrival->to_server] = at;
    later(world, at - world->now_ms, arrive, arrival, 0);
}

void session_say(struct queue *queue, struct queue_session *session, bool to_server,
                 const struct queue_message *message)
{
    if (session->cut || !(to_server ? worker_lives(session) : server_lives(session)))
        return;
    struct arrival *arrival = make(&queue->world, sizeof(*arrival));
    *arrival = (struct arrival){.session = session, .to_server = to_server, .message = *message};
    send(queue, arrival);
}

// What one end closes, the other hears of in order.
void session_close(struct queue *queue, struct queue_session *session, bool by_server)
{
    if (by_server)
        session->at_server = false;
    else
        session->at_worker = false;
    if (session->cut)
        return;
    struct arrival *arrival = make(&queue->world, sizeof(*arrival));
    *arrival = (struct arrival){.session = session, .to_server = !by_server, .close = true};
    send(queue, arrival);
}

static void worker_hears(struct world *world, void *arg, uint64_t life)
{
    (void)life;
    end_at(QUEUE_OF(world), arg, false);
}

static void server_hears(struct world *world, void *arg, uint64_t life)
{
    (void)life;
    end_at(QUEUE_OF(world), arg, true);
}

void session_cut(struct queue *queue, struct queue_session *session)
{
    struct world *world = &queue->world;
    if (session->cut)
        return;
    session->cut = true;
    later(world, chance(world, 700) ? draw(world, 0, 50) : draw(world, 0, 60000), worker_hears, session, 0);
    later(world, chance(world, 700) ? draw(world, 0, 50) : draw(world, 0, 60000), server_hears, session, 0);
}
