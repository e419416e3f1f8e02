#include "model/token_filter.h"
#include "util/testing.h"

static bool may_hold(const struct buf *filter, const char *text)
{
    struct token_needle needle = {0};
    token_needle_add(&needle, str_of(text));
    bool may = token_filter_may_hold(buf_str(filter), &needle);
    token_needle_release(&needle);
    return may;
}

static void make(struct buf *filter, const char *const *texts, size_t count, size_t max)
{
    CLEANUP(token_builder_free) struct token_builder *builder = token_builder_new(max);
    for (size_t i = 0; i < count; i++)
        token_builder_add(builder, str_of(texts[i]));
    token_builder_finish(builder, filter);
}

static void every_part_of_a_text_may_be_held(void **state)
{
    (void)state;
    uint64_t seed = 1;
    CLEANUP(token_builder_free) struct token_builder *builder = token_builder_new(1 << 20);
    char texts[200][80];
    for (unsigned round = 0; round < 20; round++) {
        CLEANUP(buf_release) struct buf filter = {0};
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            size_t len = test_random(&seed) % (sizeof(texts[i]) - 1);
            for (size_t at = 0; at < len; at++)
                texts[i][at] = "aAbB01 -.\xc3\xa4z"[test_random(&seed) % 12];
            texts[i][len] = 0;
            token_builder_add(builder, str_of(texts[i]));
        }
        token_builder_finish(builder, &filter);
        assert_true(filter.len > 1);
        for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
            size_t len = strlen(texts[i]), from = len > 0 ? test_random(&seed) % len : 0;
            char part[80] = {0};
            memcpy(part, texts[i] + from, len > 0 ? 1 + test_random(&seed) % (len - from) : 0);
            assert_true(may_hold(&filter, part));
        }
    }
}

static void what_is_in_no_text_is_mostly_known(void **state)
{
    (void)state;
    CLEANUP(token_builder_free) struct token_builder *builder = token_builder_new(20000);
    CLEANUP(buf_release) struct buf filter = {0};
    char text[100];
    uint64_t seed = 2;
    unsigned passed = 0;
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(text, sizeof(text), "INFO worker-%u processed item %08x in %u ms", i % 8, (unsigned)test_random(&seed),
                 i % 250);
        token_builder_add(builder, str_of(text));
    }
    token_builder_finish(builder, &filter);
    assert_in_range(filter.len, 1000, 20000);
    assert_true(may_hold(&filter, "PROCESSED Item"));
    assert_false(may_hold(&filter, "OutOfMemoryError"));
    assert_false(may_hold(&filter, "timeout"));
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "item %08x in", (unsigned)test_random(&seed));
        passed += may_hold(&filter, text);
    }
    assert_in_range(passed, 0, 50); // its trigrams are all there; the words and long grams are not
}

static void words_count_only_where_both_ends_are_seen(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf filter = {0};
    static const char *const texts[] = {"job 12345678 ended", "prefixword suffix"};
    make(&filter, texts, ARRAY_LEN(texts), 4096);
    assert_true(may_hold(&filter, "23456"));
    assert_true(may_hold(&filter, "345678 e"));
    assert_true(may_hold(&filter, " 12345678 "));
    assert_true(may_hold(&filter, "word suff"));
    assert_false(may_hold(&filter, " 345678 "));
    assert_false(may_hold(&filter, "job 1234 ended"));
}

static void an_empty_or_unknown_filter_excludes_nothing(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf filter = {0};
    static const char *const texts[] = {"some text"};
    assert_true(may_hold(&filter, "anything"));
    make(&filter, texts, 1, 4096);
    assert_false(may_hold(&filter, "anything"));
    assert_true(may_hold(&filter, "an")); // too short to be asked
    assert_true(may_hold(&filter, ""));
    filter.data[0] = 99;
    assert_true(may_hold(&filter, "anything"));
    filter.data[0] = 1;
    filter.len--;
    assert_true(may_hold(&filter, "anything"));
}

static void the_words_stay_where_there_is_no_room_for_all(void **state)
{
    (void)state;
    CLEANUP(token_builder_free) struct token_builder *builder = token_builder_new(700);
    CLEANUP(buf_release) struct buf filter = {0};
    char text[40];
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "item %010u ended", i * 2654435761u);
        token_builder_add(builder, str_of(text));
    }
    token_builder_finish(builder, &filter);
    assert_int_equal(filter.data[0], 2);
    unsigned passed = 0;
    for (unsigned i = 0; i < 1000; i++) {
        snprintf(text, sizeof(text), "m %010u e", i * 2654435761u);
        assert_true(may_hold(&filter, text));
        snprintf(text, sizeof(text), "m %010u e", 7 + i * 40503u);
        passed += may_hold(&filter, text);
    }
    assert_in_range(passed, 0, 300);
}

static void texts_of_endless_variety_are_told_by_their_trigrams(void **state)
{
    (void)state;
    CLEANUP(token_builder_free) struct token_builder *builder = token_builder_new(2000);
    CLEANUP(buf_release) struct buf filter = {0};
    char text[20];
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), "id %u", i * 2654435761u);
        token_builder_add(builder, str_of(text));
    }
    token_builder_finish(builder, &filter);
    assert_in_range(filter.len, 60, 2000);
    assert_int_equal(filter.data[0], 1);
    assert_true(may_hold(&filter, "id 2654435761"));
    assert_false(may_hold(&filter, "timeout"));
}

static void a_filter_that_would_let_everything_pass_is_not_made(void **state)
{
    (void)state;
    CLEANUP(token_builder_free) struct token_builder *builder = token_builder_new(200);
    CLEANUP(buf_release) struct buf filter = {0};
    char text[20];
    for (unsigned i = 0; i < 20000; i++) {
        snprintf(text, sizeof(text), "%u %u", i * 2654435761u, i * 40503u);
        token_builder_add(builder, str_of(text));
    }
    token_builder_finish(builder, &filter);
    assert_int_equal(filter.len, 0);
    token_builder_add(builder, STR("anew"));
    token_builder_finish(builder, &filter);
    assert_true(may_hold(&filter, "anew"));
    assert_false(may_hold(&filter, "other"));
}

static void with_little_room_each_trigram_has_one_bit(void **state)
{
    (void)state;
    CLEANUP(token_builder_free) struct token_builder *builder = token_builder_new(800);
    CLEANUP(buf_release) struct buf filter = {0};
    char text[9];
    uint64_t seed = 3;
    for (unsigned i = 0; i < 500; i++) {
        for (unsigned k = 0; k < 8; k++)
            text[k] = (char)('a' + test_random(&seed) % 20);
        text[8] = 0;
        token_builder_add(builder, str_of(text));
    }
    token_builder_finish(builder, &filter); // some 2,500 trigrams, 2.5 bits for each
    assert_int_equal(filter.data[0], 4);
    unsigned passed = 0;
    seed = 3;
    for (unsigned i = 0; i < 500; i++) {
        for (unsigned k = 0; k < 8; k++)
            text[k] = (char)('a' + test_random(&seed) % 20);
        assert_true(may_hold(&filter, text));
        assert_true(may_hold(&filter, text + 2));
    }
    for (unsigned i = 0; i < 1000; i++) {
        for (unsigned k = 0; k < 8; k++)
            text[k] = (char)('a' + test_random(&seed) % 20);
        passed += may_hold(&filter, text);
    }
    assert_in_range(passed, 0, 60); // of those that are in none
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_of_a_text_may_be_held),
        cmocka_unit_test(what_is_in_no_text_is_mostly_known),
        cmocka_unit_test(words_count_only_where_both_ends_are_seen),
        cmocka_unit_test(an_empty_or_unknown_filter_excludes_nothing),
        cmocka_unit_test(the_words_stay_where_there_is_no_room_for_all),
        cmocka_unit_test(texts_of_endless_variety_are_told_by_their_trigrams),
        cmocka_unit_test(with_little_room_each_trigram_has_one_bit),
        cmocka_unit_test(a_filter_that_would_let_everything_pass_is_not_made),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
