#include "jobs/worker.h"

#include "util/clock.h"
#include "util/json_writer.h"

#include <stdatomic.h>

struct worker_session {
    atomic_uint refs;
    struct loop *loop;
    struct worker_offer offer;
    int64_t account;
    char key[WORKER_KEY_MAX + 1]; // account:id
    uint64_t number;
    int64_t since_ms;
    _Atomic int64_t heard_ms;
    // On the loop of the socket:
    const struct worker_socket_calls *calls;
    void *socket; // NULL after it has left
};

// A frame on its way to the socket's loop.
struct worker_mail {
    struct mail mail;
    struct worker_session *session;
    struct buf text; // empty: the socket must go
};

static void words_release(struct worker_words *words)
{
    for (size_t i = 0; i < words->count; i++)
        free(words->words[i]);
    free(words->words);
}

void worker_offer_release(struct worker_offer *offer)
{
    words_release(&offer->labels);
    words_release(&offer->executors);
    words_release(&offer->runtimes);
    for (size_t i = 0; i < offer->held_count; i++)
        free(offer->held[i].execution_id);
    free(offer->held);
    *offer = (struct worker_offer){0};
}

static const struct str *views(struct str **at, const struct worker_words *words)
{
    struct str *first = *at;
    for (size_t i = 0; i < words->count; i++)
        *(*at)++ = str_of(words->words[i]);
    return first;
}

struct offer worker_offer_view(const struct worker_offer *said, struct str **ret_words)
{
    *ret_words = xcalloc(said->labels.count + said->executors.count + said->runtimes.count + 1, sizeof(**ret_words));
    struct str *at = *ret_words;
    struct offer offer = {
        .slots = said->slots,
        .cpus_milli = said->cpus,
        .memory_bytes = said->memory,
        .label_count = (unsigned)said->labels.count,
        .executor_count = (unsigned)said->executors.count,
        .runtime_count = (unsigned)said->runtimes.count,
        .confined_only = said->trusted_only,
    };
    offer.labels = views(&at, &said->labels);
    offer.executors = views(&at, &said->executors);
    offer.runtimes = views(&at, &said->runtimes);
    return offer;
}

struct worker_session *worker_session_new(struct loop *loop, struct worker_offer *offer, int64_t account,
                                          uint64_t number, const struct worker_socket_calls *calls, void *socket)
{
    struct worker_session *session = xcalloc(1, sizeof(*session));
    atomic_init(&session->refs, 1);
    session->loop = loop;
    session->offer = *offer;
    *offer = (struct worker_offer){0};
    session->account = account;
    worker_key_make(account, str_of(session->offer.id), session->key);
    session->number = number;
    session->since_ms = clock_real_ms();
    atomic_init(&session->heard_ms, session->since_ms);
    session->calls = calls;
    session->socket = socket;
    return session;
}

void worker_session_left(struct worker_session *session)
{
    session->socket = NULL;
}

struct worker_session *worker_session_ref(struct worker_session *session)
{
    atomic_fetch_add_explicit(&session->refs, 1, memory_order_relaxed);
    return session;
}

void worker_session_unref(struct worker_session **session_ptr)
{
    struct worker_session *session = TAKE_PTR(*session_ptr);
    if (!session || atomic_fetch_sub_explicit(&session->refs, 1, memory_order_acq_rel) > 1)
        return;
    worker_offer_release(&session->offer);
    free(session);
}

const struct worker_offer *worker_session_offer(const struct worker_session *session)
{
    return &session->offer;
}

int64_t worker_session_account(const struct worker_session *session)
{
    return session->account;
}

struct str worker_session_key(const struct worker_session *session)
{
    return str_of(session->key);
}

void worker_key_make(int64_t account, struct str id, char out[WORKER_KEY_MAX + 1])
{
    snprintf(out, WORKER_KEY_MAX + 1, "%lld:%.*s", (long long)account, STR_ARGS(id));
}

struct str worker_key_id(struct str key)
{
    str_split(&key, ':');
    return key;
}

uint64_t worker_session_number(const struct worker_session *session)
{
    return session->number;
}

int64_t worker_session_since_ms(const struct worker_session *session)
{
    return session->since_ms;
}

int64_t worker_session_heard_ms(const struct worker_session *session)
{
    return atomic_load_explicit(&session->heard_ms, memory_order_relaxed);
}

void worker_session_heard(struct worker_session *session)
{
    atomic_store_explicit(&session->heard_ms, clock_real_ms(), memory_order_relaxed);
}

// --- To the worker

static void mail_deliver(struct mail *mail)
{
    struct worker_mail *it = CONTAINER_OF(mail, struct worker_mail, mail);
    struct worker_session *session = it->session;
    if (session->socket && it->text.len > 0)
        session->calls->send(session->socket, buf_str(&it->text));
    else if (session->socket)
        session->calls->refuse(session->socket);
    worker_session_unref(&session);
    if (it->text.cap > 0)
        explicit_bzero(it->text.data, it->text.cap); // there may be secrets in it
    buf_release(&it->text);
    free(it);
}

static struct worker_mail *mail_new(struct worker_session *session)
{
    struct worker_mail *it = xcalloc(1, sizeof(*it));
    it->mail.deliver = mail_deliver;
    it->session = worker_session_ref(session);
    return it;
}

static void write_job(const struct worker_job *job, struct buf *out)
{
    struct json_writer json = json_writer_to(out);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "job");
    json_add_str(&json, "execution_id", job->execution_id);
    json_add_u64(&json, "epoch", job->epoch);
    json_add_str(&json, "token", job->token);
    json_add_u64(&json, "attempt", job->attempt);
    json_add_str(&json, "account", job->account);
    if (job->batch_id.len > 0)
        json_add_str(&json, "batch_id", job->batch_id);
    else
        json_add_null(&json, "batch_id");
    json_add_bool(&json, "retry_on_lost", job->retry_on_lost);
    json_add_raw(&json, "spec", job->spec);
    if (job->secrets.len > 0)
        json_add_raw(&json, "secrets", job->secrets);
    if (job->refusal.len > 0)
        json_add_str(&json, "refusal", job->refusal);
    json_close(&json);
    json_writer_end(&json);
}

void worker_session_job(struct worker_session *session, const struct worker_job *job)
{
    struct worker_mail *it = mail_new(session);
    write_job(job, &it->text);
    if (it->text.len > WORKER_JOB_MAX) { // no worker would take the frame, nor any other after it
        struct worker_job refused = *job;
        refused.spec = STR("{}");
        refused.secrets = (struct str){0};
        refused.refusal =
            STR("it is larger than the 4 MiB that a worker takes, with its script, arguments, environment "
                "and secrets");
        explicit_bzero(it->text.data, it->text.len);
        buf_reset(&it->text);
        write_job(&refused, &it->text);
    }
    loop_post(session->loop, &it->mail);
}

void worker_session_drain(struct worker_session *session, bool on)
{
    struct worker_mail *it = mail_new(session);
    buf_append_text(&it->text, on ? "{\"type\":\"drain\"}" : "{\"type\":\"resume\"}");
    loop_post(session->loop, &it->mail);
}

void worker_session_refuse(struct worker_session *session)
{
    loop_post(session->loop, &mail_new(session)->mail);
}
