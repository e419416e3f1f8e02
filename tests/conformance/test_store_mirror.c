// Logs that are copied elsewhere: which are to be, in which order, how far they are, and where they are found.
#include "store/store_fixture.h"

#define NOW 1763200000000

static struct mirror_found look_one(struct fixture *fixture, size_t *ret_count)
{
    struct store_mirror_look *look = xcalloc(1, sizeof(*look));
    look->op.kind = STORE_MIRROR_LOOK;
    assert_int_equal(fixture_run(fixture, &look->op), 0);
    assert_true(look->ret_over);
    *ret_count = look->ret_count;
    struct mirror_found found = look->ret_found[0];
    free(look);
    return found;
}

static size_t look_count(struct fixture *fixture)
{
    size_t count;
    look_one(fixture, &count);
    return count;
}

static void advance(struct fixture *fixture, struct mirror_step step)
{
    struct store_mirror_advance advance = {.op.kind = STORE_MIRROR_ADVANCE, .steps = &step, .count = 1};
    assert_int_equal(fixture_run(fixture, &advance.op), 0);
}

static struct store_mirror_places places(struct fixture *fixture, int64_t row)
{
    struct store_mirror_places query = {.op.kind = STORE_MIRROR_PLACES, .row = row};
    assert_int_equal(fixture_run(fixture, &query.op), 0);
    return query;
}

static struct mirror_place place(const char *node, int64_t from_ms, int64_t until_ms, uint64_t lines)
{
    struct mirror_place made = {.from_ms = from_ms, .until_ms = until_ms, .lines = lines};
    snprintf(made.node, sizeof(made.node), "%s", node);
    return made;
}

static void what_is_made_is_entered_and_stands_at_its_start(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "run", STATUS_RUNNING);
    fixture_append_lines(fixture, row, "p", 0, 3);
    fixture_reopen(fixture);
    size_t count;
    struct mirror_found found = look_one(fixture, &count);
    assert_int_equal(count, 1);
    assert_int_equal(found.row, row);
    assert_int_equal(found.account, account);
    assert_int_equal(found.copied, 0);
    assert_int_equal(found.next, 3);
    assert_false(found.sealed);
    assert_string_equal(found.execution_id, "run");
    assert_string_equal(found.account_name, "a");
    assert_int_equal(fixture_complete_err(fixture, row, "p", 2), 0);
    found = look_one(fixture, &count);
    assert_true(found.sealed);
    assert_int_equal(found.next, 3);
}

static void a_step_counts_once_with_its_places_and_ends_what_is_over(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "run", STATUS_RUNNING);
    const struct mirror_place first[] = {place("", NOW + 5, NOW + 7, 2), place("fetch", NOW, NOW, 1)},
                              second[] = {place("fetch", NOW - 1, NOW + 9, 4)};
    const struct mirror_step one = {
        .row = row, .from = 0, .to = 3, .time_ms = NOW + 7, .places = first, .place_count = 2};
    struct mirror_step two = {
        .row = row, .from = 3, .to = 7, .time_ms = NOW + 9, .places = second, .place_count = 1, .ends = true};
    advance(fixture, one);
    advance(fixture, one); // another server was as fast
    size_t count;
    struct mirror_found found = look_one(fixture, &count);
    assert_int_equal(found.copied, 3);
    assert_int_equal(found.time_ms, NOW + 7);
    advance(fixture, two);
    assert_int_equal(look_count(fixture), 0);
    fixture_reopen(fixture);
    struct store_mirror_places query = places(fixture, row);
    assert_true(query.ret_known);
    assert_false(query.ret_pending);
    assert_int_equal(query.ret_copied, 7);
    assert_int_equal(query.ret_count, 2);
    assert_string_equal(query.ret_places[0].node, "");
    assert_int_equal(query.ret_places[0].lines, 2);
    assert_string_equal(query.ret_places[1].node, "fetch");
    assert_int_equal(query.ret_places[1].lines, 5);
    assert_int_equal(query.ret_places[1].from_ms, NOW - 1);
    assert_int_equal(query.ret_places[1].until_ms, NOW + 9);
    store_op_release(&query.op);
}

static void the_oldest_lines_come_first_in_pages(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    const size_t count = STORE_MIRROR_MAX + 2;
    int64_t last = 0;
    for (size_t i = 0; i < count; i++) {
        char id[16];
        snprintf(id, sizeof(id), "e%zu", i);
        int64_t row = fixture_create(fixture, account, id, STATUS_RUNNING);
        advance(fixture, (struct mirror_step){.row = row, .time_ms = NOW - (int64_t)(i / 2)});
    }
    struct store_mirror_look *look = xcalloc(1, sizeof(*look));
    look->op.kind = STORE_MIRROR_LOOK;
    size_t found = 0;
    do {
        assert_int_equal(fixture_run(fixture, &look->op), 0);
        for (size_t i = 0; i < look->ret_count; i++) {
            assert_true(look->ret_found[i].time_ms >= last);
            last = look->ret_found[i].time_ms;
        }
        found += look->ret_count;
    } while (!look->ret_over);
    assert_int_equal(found, count);
    free(look);
}

static uint64_t enter(struct fixture *fixture, struct store_mirror_enter enter)
{
    uint64_t entered = 0;
    enter.op.kind = STORE_MIRROR_ENTER;
    do {
        assert_int_equal(fixture_run(fixture, &enter.op), 0);
        entered += enter.ret_entered;
        enter.after = enter.ret_last;
    } while (enter.ret_last);
    return entered;
}

static void what_is_entered_again_begins_at_its_start(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), other = fixture_account(fixture, "b");
    const struct mirror_place there = place("n", NOW, NOW, 3);
    int64_t rows[3];
    for (int i = 0; i < 3; i++) {
        char id[8];
        snprintf(id, sizeof(id), "e%d", i);
        atomic_store(&fixture->now_ms, NOW + i * 1000);
        rows[i] = fixture_create(fixture, i == 2 ? other : account, id, STATUS_RUNNING);
        fixture_append_lines(fixture, rows[i], "p", 0, 3);
        assert_int_equal(fixture_complete_err(fixture, rows[i], "p", 2), 0);
        advance(fixture,
                (struct mirror_step){
                    .row = rows[i], .to = 3, .time_ms = NOW, .ends = true, .places = &there, .place_count = 1});
    }
    assert_int_equal(look_count(fixture), 0);
    assert_int_equal(enter(fixture, (struct store_mirror_enter){.missing = true}), 0); // they are sealed
    assert_int_equal(enter(fixture, (struct store_mirror_enter){.of_account = account, .since_ms = NOW + 1000}), 1);
    size_t count;
    struct mirror_found found = look_one(fixture, &count);
    assert_int_equal(count, 1);
    assert_int_equal(found.row, rows[1]);
    assert_int_equal(found.copied, 0);
    struct store_mirror_places query = places(fixture, rows[1]);
    assert_int_equal(query.ret_count, 0);
    store_op_release(&query.op);
    assert_int_equal(enter(fixture, (struct store_mirror_enter){.row = rows[2]}), 1);
    assert_int_equal(enter(fixture, (struct store_mirror_enter){.of_account = account, .until_ms = NOW + 1000}), 1);
    assert_int_equal(look_count(fixture), 3);
}

static void nothing_is_left_of_what_was_purged(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "run", STATUS_RUNNING);
    const struct mirror_place there = place("n", NOW, NOW, 3);
    advance(fixture, (struct mirror_step){.row = row, .to = 3, .places = &there, .place_count = 1});
    assert_int_equal(fixture_complete_err(fixture, row, "p", -1), 0);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    struct store_mirror_places query = places(fixture, row);
    assert_false(query.ret_known);
    assert_int_equal(query.ret_count, 0);
    store_op_release(&query.op);
    assert_int_equal(enter(fixture, (struct store_mirror_enter){.since_ms = 0}), 0);
}

static void nodes_without_number_count_for_the_one_without_a_name(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "run", STATUS_RUNNING);
    const size_t count = STORE_MIRROR_PLACES_MAX + 5;
    struct mirror_place *many = xcalloc(count, sizeof(*many));
    for (size_t i = 0; i < count; i++) {
        char name[16];
        snprintf(name, sizeof(name), "n%zu", i);
        many[i] = place(name, NOW, NOW, 1);
    }
    advance(fixture, (struct mirror_step){.row = row, .to = count, .places = many, .place_count = count});
    struct store_mirror_places query = places(fixture, row);
    assert_int_equal(query.ret_count, STORE_MIRROR_PLACES_MAX + 1);
    assert_string_equal(query.ret_places[0].node, "");
    assert_int_equal(query.ret_places[0].lines, 5);
    store_op_release(&query.op);
    free(many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(what_is_made_is_entered_and_stands_at_its_start),
        ON_EACH(a_step_counts_once_with_its_places_and_ends_what_is_over),
        ON_EACH(the_oldest_lines_come_first_in_pages),
        ON_EACH(what_is_entered_again_begins_at_its_start),
        ON_EACH(nothing_is_left_of_what_was_purged),
        ON_EACH(nodes_without_number_count_for_the_one_without_a_name),
    };
    return FIXTURE_EACH(tests);
}
