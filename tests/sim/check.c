// What must hold after every step, and in the end.
#include "sim.h"

// --- After every append

static bool content_is_due(const struct entry *entry)
{
    const struct content *content = &entry->content;
    if (entry->producer >= POST_PRODUCERS)
        return content->kind == CONTENT_LINE;
    if (entry->producer % 2 && entry->producer != PLAIN_PRODUCER)
        return content->kind == CONTENT_INTERRUPTED && entry->counter == 0;
    return content->kind == CONTENT_GAP ||
           (content->author == entry->producer / 2 && content->number == entry->counter);
}

void check_applied(struct world *world, const struct op *op, const struct sequence_producer *before, uint64_t from)
{
    const struct state *disk = &world->store.disk;
    uint64_t counter = before->next;
    if (disk->head.next > from && op->epoch != 0 && op->epoch != disk->head.epoch)
        violate(world, "epoch %llu wrote, while %llu holds", (unsigned long long)op->epoch,
                (unsigned long long)disk->head.epoch);
    for (uint64_t i = from; i < disk->head.next && op->producer != ANONYMOUS && !world->failed; i++) {
        const struct entry *entry = &disk->log[i];
        if (entry->content.kind == CONTENT_GAP)
            counter += entry->content.number - 1;
        if (entry->counter != counter)
            violate(world, "producer %u: counter %llu was appended where %llu is due", op->producer,
                    (unsigned long long)entry->counter, (unsigned long long)counter);
        if (!content_is_due(entry))
            violate(world, "producer %u: what was appended as %llu is something else", op->producer,
                    (unsigned long long)entry->counter);
        counter++;
    }
}

// All below `next` is said to be durable.
void check_acked(struct world *world, unsigned producer, uint64_t next, const char *what)
{
    uint64_t durable = world->store.disk.producers[producer].next;
    if (next > durable)
        violate(world, "producer %u: %s says %llu, but only %llu is durable", producer, what, (unsigned long long)next,
                (unsigned long long)durable);
}

// --- The front of the log

static bool leaves_enough(uint64_t left, uint64_t limit)
{
    return limit > 0 && left >= limit;
}

void check_cut(struct world *world, uint64_t before, const struct retention *rules, const struct retention_own *own)
{
    const struct state *disk = &world->store.disk;
    uint64_t left = disk->head.next - disk->first, digest = disk->cut_digest;
    bool by_records = leaves_enough(left, own->has_records ? own->log.records_max : rules->log.records_max);
    bool by_bytes = own->has_bytes && leaves_enough(left * RECORD_BYTES, own->log.bytes_max);
    if (disk->first > before && !by_records && !by_bytes)
        violate(world, "retention leaves %llu records, which is less than a limit", (unsigned long long)left);
    for (uint64_t i = disk->first; i < disk->head.next; i++)
        digest = content_digest(&disk->log[i].content, digest);
    if (digest != disk->digest)
        violate(world, "the digest of what is left does not go on from that of what was cut");
}

// --- Outcomes

// Whoever lets it wait is answered once, or it ends; the loss of its runner in between makes no difference.
static void check_wait(struct world *world, enum outcome_cause cause, const struct outcome *after)
{
    bool *asked = &world->store.disk.asked, ends = cause == OUTCOME_ANSWERED || cause == OUTCOME_UNANSWERED;
    if (ends && !*asked)
        violate(world, "an answer is taken that nobody waits for");
    if (cause == OUTCOME_BACK && (after->status == STATUS_WAITING) != *asked)
        violate(world, "is %s when its runner is back, and %s", status_word(after->status),
                *asked ? "nobody has answered" : "nobody was asked");
    if (after->status == STATUS_WAITING)
        *asked = true;
    else if (ends || after->status != STATUS_LOST || after->sealed)
        *asked = false;
    if (cause == OUTCOME_ANSWERED && after->status != STATUS_RUNNING && after->status != STATUS_LOST)
        violate(world, "was answered, and is %s", status_word(after->status));
    if (cause == OUTCOME_UNANSWERED && after->status != STATUS_TIMED_OUT)
        violate(world, "was not answered in time, and is %s", status_word(after->status));
    if (after->waits != *asked)
        violate(world, "the store %s that somebody is to answer", after->waits ? "keeps" : "forgets");
}

void check_outcome(struct world *world, enum outcome_cause cause, const struct outcome *before,
                   const struct outcome *after)
{
    bool from_outside = cause == OUTCOME_TOLD || cause == OUTCOME_CANCELLED || cause == OUTCOME_UNANSWERED;
    bool sealed_now = after->sealed && !before->sealed;
    unsigned long long epoch = before->epoch;
    if (before->sealed && !outcome_equal(before, after))
        violate(world, "what was sealed has changed: %s", status_word(after->status));
    if (after->epoch < before->epoch || (cause == OUTCOME_CLAIMED && after->epoch == before->epoch))
        violate(world, "epoch %llu after epoch %llu", (unsigned long long)after->epoch, epoch);
    if (from_outside && sealed_now && before->epoch > 0 && before->status != STATUS_LOST)
        violate(world, "sealed under the runner of epoch %llu", epoch);
    if (from_outside && sealed_now && before->epoch > 0 && after->epoch == before->epoch)
        violate(world, "sealed from outside, and the runner of epoch %llu may still come back", epoch);
    if (!from_outside && status_terminal(before->status) && after->status != before->status)
        violate(world, "%s was told, and became %s", status_word(before->status), status_word(after->status));
    bool nobody_s = before->epoch == 0 || before->status == STATUS_LOST;
    if (cause == OUTCOME_CANCELLED && nobody_s && !after->sealed && !status_terminal(before->status))
        violate(world, "%s was cancelled, and nobody will ever seal it", status_word(before->status));
    check_wait(world, cause, after);
    world->told |= cause == OUTCOME_TOLD || cause == OUTCOME_UNANSWERED;
    world->given_up |= cause == OUTCOME_GIVEN_UP && sealed_now;
    world->told_end |= from_outside && status_terminal(after->status);
    world->sealed_from_outside |= from_outside && sealed_now;
    world->fenced_from_outside |= from_outside && sealed_now && before->epoch > 0;
}

// The runner has been told why its lines are not wanted, and that is so.
static bool ended_from_outside(const struct world *world, int err)
{
    return (err == ERR_SEALED && world->sealed_from_outside) || (err == ERR_FENCED && world->fenced_from_outside) ||
           (err == ERR_BAD_TRANSITION && world->told_end);
}

// A spool is deleted: all that it holds has to be in the store.
void check_deleted(struct world *world, const struct runner *runner)
{
    const struct state *disk = &world->store.disk;
    unsigned producer = 2 * runner->number;
    uint64_t next = runner->spool_first;
    // What an older store had is gone by no fault of the runner's.
    if (runner->failed || runner->run.incarnation != world->store.incarnation)
        return;
    for (uint64_t i = 0; i < disk->head.next; i++) {
        const struct entry *entry = &disk->log[i];
        next += entry->producer == producer && entry->content.kind == CONTENT_LINE && entry->counter == next;
    }
    if (next < runner->spool_next)
        violate(world, "runner %u deletes %llu lines, and only those below %llu are stored", runner->number,
                (unsigned long long)runner->spool_next, (unsigned long long)next);
}

// --- Leases

void check_claim(struct server *server)
{
    struct world *world = server->world;
    uint64_t silent_ms = world->now_ms - server->heard_ms;
    // Once somebody has said how it ended, a claim is asked for in vain.
    enum execution_status status = world->store.disk.head.status;
    // And once somebody has said its status, only the lease still knows that it was lost.
    const struct lease *lease = lease_find(&server->leases, ROW);
    bool lost = status == STATUS_LOST || (world->told && lease && lease->before_claim == LEASE_LOST);
    bool holds = !server->abandoned && !lost && !status_terminal(status);
    // It is heard of at any time, but its lease is renewed once a second.
    if (holds && silent_ms + 1000 < LEASE_MS)
        violate(world, "a second runner may take over after %llu ms of silence", (unsigned long long)silent_ms);
}

void check_grace(struct server *server)
{
    struct world *world = server->world;
    uint64_t silent_ms = world->now_ms - server->heard_ms;
    if (silent_ms + 1000 < world->profile.lost_seal_ms)
        violate(world, "sealed as lost after %llu ms of silence", (unsigned long long)silent_ms);
}

void check_leases(struct server *server)
{
    struct world *world = server->world;
    const struct sequence_head *head = &world->store.disk.head;
    const struct lease *lease = lease_find(&server->leases, ROW);
    uint64_t since_ms = MAX(server->heard_ms, server->unsure_ms);
    if (lease && lease->state == LEASE_HELD && world->now_ms - since_ms > LEASE_MS)
        violate(world, "silent for %llu ms, and not lost", (unsigned long long)(world->now_ms - since_ms));
    bool stuck = world->quiet && lease && lease->state == LEASE_HELD && lease->holder && !head->sealed &&
                 lease->epoch == head->epoch && head->status == STATUS_LOST &&
                 world->now_ms - server->heard_ms < 12000; // it says something every ten seconds
    if (!stuck)
        server->lost_since_ms = world->now_ms;
    else if (world->now_ms - server->lost_since_ms > 20000)
        violate(world, "its runner is back, but its status stays lost");
}

// --- In the end

static bool is_over(const struct runner *runner)
{
    return runner->phase == RUNNER_OVER || runner->phase == RUNNER_GONE;
}

// Nobody ever learned of the present epoch, as the answer to its claim got lost, and nobody is left who would claim it.
// A store must not leave that so; ours does not, as it has no such answers.
static bool is_deserted(const struct world *world)
{
    if (world->has_plain && !world->plain.over)
        return false;
    for (unsigned i = 0; i < world->runner_count; i++) {
        if (!is_over(&world->runners[i]))
            return false;
    }
    const struct sequence_head *head = &world->store.disk.head;
    return !head->sealed && (head->epoch == 0 || head->epoch != world->told_epoch);
}

// Restored to before any runner had claimed it, and no runner left that will.
static bool is_orphan(const struct world *world)
{
    return world->restores > 0 && (!world->store.disk.exists || world->store.disk.head.epoch == 0);
}

static bool nothing_to_come(const struct world *world)
{
    const struct state *disk = &world->store.disk;
    if (world->has_plain && !world->plain.over)
        return false;
    for (unsigned i = 0; i < world->runner_count; i++) {
        if (!is_over(&world->runners[i]))
            return false;
    }
    if (is_orphan(world) || is_deserted(world))
        return true;
    for (unsigned i = 0; i < world->reader_count; i++) {
        if (!world->readers[i].complete)
            return false;
    }
    return disk->exists && disk->head.sealed;
}

bool world_settled(const struct world *world)
{
    if (nothing_to_come(world)) {
        bool over = true;
        for (unsigned i = 0; i < world->poster_count && !is_orphan(world); i++)
            over &= world->posters[i].over || !world->posters[i].idempotent;
        if (over)
            return true;
    }
    return world->now_ms - world->quiet_ms > 2 * world->profile.lost_seal_ms + 300000;
}

static void check_runner(struct world *world, const struct runner *runner)
{
    const struct state *disk = &world->store.disk;
    unsigned producer = 2 * runner->number;
    if (!is_over(runner)) {
        violate(world, "runner %u has not delivered: phase %d, uplink %d, acked %llu of %llu, last error %s",
                runner->number, (int)runner->phase, (int)runner->uplink.state, (unsigned long long)runner->uplink.acked,
                (unsigned long long)runner->spool_next,
                runner->uplink.error ? error_word(runner->uplink.error) : "none");
        return;
    }
    if (runner->phase == RUNNER_GONE)
        return;
    if (runner->failed) {
        // Another one took it over; or nobody had heard of it for so long that the log was sealed; or it was sealed by
        // itself, and it has not heard of that, and cannot say that it was the one.
        bool replaced = world->runner_count > 1 && (runner->failed == ERR_FENCED || runner->failed == ERR_SEALED);
        bool late = runner->failed == ERR_SEALED && (runner->late || runner->forgot || world->restores > 0);
        bool lied_to = runner->failed == ERR_UNPROVEN && world->lied;
        if (!replaced && !late && !lied_to && !ended_from_outside(world, runner->failed))
            violate(world, "runner %u gave up: %s", runner->number, error_word(runner->failed));
        return;
    }
    if (runner->over_incarnation != world->store.incarnation)
        return;
    uint64_t there = disk->producers[producer].next;
    // At the end of the grace a told outcome stands in the place of `lost`.
    if (there < runner->captured && !runner->interrupted && !world->given_up)
        violate(world, "runner %u wrote %llu lines, %llu are there, and nothing says so", runner->number,
                (unsigned long long)runner->captured, (unsigned long long)there);
    if (runner->interrupted && disk->producers[producer + 1].next != 1)
        violate(world, "runner %u was interrupted, and no record says so", runner->number);
}

static void check_plain(struct world *world, const struct plain *plain)
{
    uint64_t there = world->store.disk.producers[PLAIN_PRODUCER].next;
    bool replaced = world->runner_count > 1 && (plain->failed == ERR_FENCED || plain->failed == ERR_SEALED);
    if (!plain->over)
        violate(world, "the plain runner has not delivered: sent %llu, acked %llu of %llu",
                (unsigned long long)plain->sent, (unsigned long long)plain->acked, (unsigned long long)plain->lines);
    else if (plain->failed && !replaced && !ended_from_outside(world, plain->failed) &&
             !(plain->failed == ERR_SEALED && (plain->late || world->restores > 0)))
        violate(world, "the plain runner gave up: %s", error_word(plain->failed));
    else if (!plain->failed && plain->over_incarnation == world->store.incarnation && there != plain->lines)
        violate(world, "the plain runner wrote %llu lines, and %llu are there", (unsigned long long)plain->lines,
                (unsigned long long)there);
}

static void check_reader(struct world *world, const struct reader *reader)
{
    const struct state *disk = &world->store.disk;
    if (!reader->complete) {
        violate(world, "reader %u waits at %llu", reader->number, (unsigned long long)reader->cursor);
        return;
    }
    // Who does not say which incarnation its cursor is from, and who had all before a restore, cannot know.
    if (world->restores > 0 && (!reader->keeps_incarnation || reader->incarnation != world->store.incarnation))
        return;
    for (uint64_t i = reader->start; i < disk->head.next; i++) {
        const struct seen *seen = i < reader->seen_capacity ? &reader->seen[i] : NULL;
        bool there = seen && seen->state == SEEN_THERE;
        if (seen && seen->state == SEEN_GAP)
            continue;
        if (there && !content_equal(&seen->content, &disk->log[i].content))
            violate(world, "reader %u has something else as %llu", reader->number, (unsigned long long)i);
        if (there != reader_wants(reader->filtered, &disk->log[i].content))
            violate(world, "reader %u %s %llu", reader->number, there ? "should not have" : "lacks",
                    (unsigned long long)i);
    }
}

static void check_log(struct world *world)
{
    const struct state *disk = &world->store.disk;
    uint64_t digest = 0, epoch = 0;
    for (uint64_t i = 0; i < disk->head.next; i++) {
        const struct entry *entry = &disk->log[i];
        digest = content_digest(&entry->content, digest);
        if (entry->epoch != 0 && entry->epoch < epoch)
            violate(world, "epoch %llu wrote %llu after epoch %llu", (unsigned long long)entry->epoch,
                    (unsigned long long)i, (unsigned long long)epoch);
        epoch = MAX(epoch, entry->epoch);
    }
    if (digest != disk->digest)
        violate(world, "the digest is not that of the records");
}

void check_end(struct world *world)
{
    const struct state *disk = &world->store.disk;
    check_log(world);
    for (unsigned i = 0; i < world->runner_count && !world->failed; i++)
        check_runner(world, &world->runners[i]);
    if (world->has_plain && !world->failed)
        check_plain(world, &world->plain);
    if (is_orphan(world) || is_deserted(world))
        return;
    if (!disk->head.sealed)
        violate(world, "never sealed");
    for (unsigned i = 0; i < world->reader_count && !world->failed; i++)
        check_reader(world, &world->readers[i]);
}
