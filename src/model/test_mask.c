// The masker against a plain search of all texts at each place, with random texts and random splits.
#include "model/mask.h"
#include "model/testing.h"

struct pieces { // what a masker gave on
    struct buf all;
};

static void take(void *arg, struct str bytes)
{
    struct pieces *pieces = arg;
    buf_append_str(&pieces->all, bytes);
}

static struct mask *mask_of(const char *const *texts)
{
    struct mask *mask = mask_new();
    for (; *texts; texts++)
        mask_add(mask, str_of(*texts));
    mask_seal(mask);
    return mask;
}

#define MASK(...) mask_of((const char *const[]){__VA_ARGS__, NULL})

static void assert_masked(const struct mask *mask, const char *text, const char *expected)
{
    CLEANUP(buf_release) struct buf out = {0};
    mask_text(mask, str_of(text), &out);
    assert_str(buf_str(&out), expected);
}

// --- Whole texts

static void each_occurrence_is_masked_and_the_rest_stays(void **state)
{
    (void)state;
    CLEANUP(mask_free) struct mask *mask = MASK("hunter2", "tiger77");
    assert_masked(mask, "", "");
    assert_masked(mask, "nothing here", "nothing here");
    assert_masked(mask, "hunter2", "***");
    assert_masked(mask, "a hunter2 b tiger77\nhunter2", "a *** b ***\n***");
    assert_masked(mask, "hunter", "hunter");
    assert_masked(mask, "hunterhunter2", "hunter***");
}

static void what_overlaps_or_touches_is_one_mark_and_nothing_is_left(void **state)
{
    (void)state;
    CLEANUP(mask_free) struct mask *mask = MASK("abcdef", "defghi", "cdef", "bcdefghijkl");
    assert_masked(mask, "xabcdefghiy", "x***y");
    assert_masked(mask, "abcdefabcdef", "***");
    assert_masked(mask, "abcdef abcdef", "*** ***");
    assert_masked(mask, "abcdefghijk", "***jk");
    assert_masked(mask, "abcdefghijkl", "***");
    assert_masked(mask, "cdef-", "***-");
}

static void a_text_of_fewer_than_four_bytes_is_ignored(void **state)
{
    (void)state;
    CLEANUP(mask_free) struct mask *mask = MASK("abc", "");
    assert_masked(mask, "abcabc", "abcabc");
    CLEANUP(mask_free) struct mask *none = mask_new();
    mask_seal(none);
    assert_masked(none, "abcd", "abcd");
}

// --- Streams

static void what_may_be_the_beginning_of_a_text_is_held_and_no_more(void **state)
{
    (void)state;
    CLEANUP(mask_free) struct mask *mask = MASK("secret", "one\ntwo\n3");
    CLEANUP(masker_release) struct masker masker;
    struct pieces got = {0};
    const struct {
        const char *fed, *so_far;
    } steps[] = {
        {"a sec", "a "},
        {"re", "a "},
        {"x", "a secrex"},
        {"\n", "a secrex\n"}, // a newline that begins nothing is not held
        {"secret", "a secrex\n***"},
        {"se", "a secrex\n***"},
        {"cret", "a secrex\n***"}, // it touches
        {" s", "a secrex\n*** "},
    };
    masker_init(&masker, mask);
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        masker_feed(&masker, str_of(steps[i].fed), take, &got);
        assert_str(buf_str(&got.all), steps[i].so_far);
    }
    masker_end(&masker, take, &got);
    assert_str(buf_str(&got.all), "a secrex\n*** s");
    masker_feed(&masker, STR("ecret"), take, &got); // another stream
    masker_end(&masker, take, &got);
    assert_str(buf_str(&got.all), "a secrex\n*** secret");
    buf_release(&got.all);
}

// --- Property: the same as a plain search, however it is split

#define TEXTS_MAX 12

struct world {
    char text[TEXTS_MAX][40];
    size_t len[TEXTS_MAX], count;
    char body[400];
    size_t body_len;
};

// Few letters, and pieces of the texts: occurrences overlap, and many only begin.
static void world_make(uint64_t *seed, struct world *world)
{
    unsigned letters = 1 + (unsigned)(test_random(seed) % 4);
    world->count = 1 + test_random(seed) % TEXTS_MAX;
    for (size_t i = 0; i < world->count; i++) {
        world->len[i] = MASK_TEXT_MIN + test_random(seed) % (sizeof(world->text[i]) - MASK_TEXT_MIN);
        for (size_t j = 0; j < world->len[i]; j++)
            world->text[i][j] = (char)('a' + test_random(seed) % letters);
    }
    world->body_len = 0;
    size_t wanted = test_random(seed) % sizeof(world->body);
    while (world->body_len < wanted) {
        size_t which = test_random(seed) % world->count, from = test_random(seed) % world->len[which];
        size_t len = MIN(world->len[which] - from, wanted - world->body_len);
        memcpy(world->body + world->body_len, world->text[which] + from, len);
        world->body_len += len;
        if (world->body_len < wanted && test_random(seed) % 3 == 0)
            world->body[world->body_len++] = (char)(test_random(seed) % 4 ? 'z' : '\n');
    }
}

static void search_plainly(const struct world *world, struct buf *out)
{
    bool covered[sizeof(world->body)] = {0};
    for (size_t at = 0; at < world->body_len; at++) {
        for (size_t i = 0; i < world->count; i++) {
            if (world->len[i] <= world->body_len - at && memcmp(world->body + at, world->text[i], world->len[i]) == 0)
                memset(covered + at, 1, world->len[i]);
        }
    }
    for (size_t at = 0; at < world->body_len; at++) {
        if (!covered[at])
            buf_append_byte(out, world->body[at]);
        else if (at == 0 || !covered[at - 1])
            buf_append_text(out, MASK_MARK);
    }
}

static void any_split_gives_what_a_plain_search_of_the_whole_gives(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 4000; round++) {
        uint64_t seed = round;
        struct world world;
        CLEANUP(buf_release) struct buf expected = {0};
        CLEANUP(mask_free) struct mask *mask = mask_new();
        CLEANUP(masker_release) struct masker masker;
        struct pieces got = {0};
        world_make(&seed, &world);
        for (size_t i = 0; i < world.count; i++)
            mask_add(mask, str_n(world.text[i], world.len[i]));
        mask_seal(mask);
        masker_init(&masker, mask);
        search_plainly(&world, &expected);
        size_t most = 1 + test_random(&seed) % 60;
        for (size_t at = 0; at < world.body_len;) {
            size_t wanted = 1 + test_random(&seed) % most, len = MIN(wanted, world.body_len - at);
            masker_feed(&masker, str_n(world.body + at, len), take, &got);
            at += len;
        }
        masker_end(&masker, take, &got);
        if (!str_eq(buf_str(&got.all), buf_str(&expected)))
            fail_msg("round %llu: \"%.*s\" instead of \"%.*s\" for \"%.*s\"", (unsigned long long)round,
                     STR_ARGS(buf_str(&got.all)), STR_ARGS(buf_str(&expected)), (int)world.body_len, world.body);
        buf_release(&got.all);
    }
}

// The longest that is held at a time, as one byte after the other comes.
static void a_long_text_and_single_bytes_are_held_and_masked(void **state)
{
    (void)state;
    enum { LEN = 65536 };
    CLEANUP(free_ptr) char *text = xmalloc(LEN + 1);
    memset(text, 'a', LEN);
    text[LEN - 1] = 'b';
    text[LEN] = 0;
    CLEANUP(mask_free) struct mask *mask = MASK(text);
    CLEANUP(masker_release) struct masker masker;
    struct pieces got = {0};
    masker_init(&masker, mask);
    for (size_t i = 0; i < LEN - 1; i++)
        masker_feed(&masker, STR("a"), take, &got);
    assert_int_equal(got.all.len, 0);
    masker_feed(&masker, STR("aaab"), take, &got); // three more than the text has
    masker_end(&masker, take, &got);
    assert_str(buf_str(&got.all), "aaa***");
    buf_release(&got.all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_occurrence_is_masked_and_the_rest_stays),
        cmocka_unit_test(what_overlaps_or_touches_is_one_mark_and_nothing_is_left),
        cmocka_unit_test(a_text_of_fewer_than_four_bytes_is_ignored),
        cmocka_unit_test(what_may_be_the_beginning_of_a_text_is_held_and_no_more),
        cmocka_unit_test(any_split_gives_what_a_plain_search_of_the_whole_gives),
        cmocka_unit_test(a_long_text_and_single_bytes_are_held_and_masked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
