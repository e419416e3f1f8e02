#include "util/arena.h"
#include "util/testing.h"

static void hands_out_zeroed_aligned_memory_that_stays_apart(void **state)
{
    (void)state;
    CLEANUP(arena_release) struct arena arena = {0};
    uint64_t seed = 6;
    struct {
        uint8_t *data;
        size_t size;
    } pieces[500];
    size_t total = 0;
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        size_t size = test_random(&seed) % (i % 50 == 0 ? 20000 : 200);
        pieces[i].data = arena_alloc(&arena, size);
        pieces[i].size = size;
        total += size;
        assert_int_equal((uintptr_t)pieces[i].data % 16, 0);
        for (size_t at = 0; at < size; at++)
            assert_int_equal(pieces[i].data[at], 0);
        memset(pieces[i].data, (int)(i % 255) + 1, size);
    }
    assert_int_equal(arena.used, total);
    for (size_t i = 0; i < ARRAY_LEN(pieces); i++) {
        for (size_t at = 0; at < pieces[i].size; at++)
            assert_int_equal(pieces[i].data[at], i % 255 + 1);
    }
}

static void copies_and_prints_text(void **state)
{
    (void)state;
    CLEANUP(arena_release) struct arena arena = {0};
    assert_string_equal(arena_dup(&arena, str_n("abcd", 3)), "abc");
    assert_string_equal(arena_dup(&arena, (struct str){0}), "");
    assert_string_equal(arena_printf(&arena, "%d-%s", 7, "x"), "7-x");
    assert_int_equal(strlen(arena_printf(&arena, "%10000d", 1)), 10000);
}

static void can_be_used_again_after_release(void **state)
{
    (void)state;
    struct arena arena = {0};
    arena_release(&arena);
    arena_alloc(&arena, 100);
    arena_release(&arena);
    assert_int_equal(arena.used, 0);
    assert_null(arena.blocks);
    arena_alloc(&arena, 100);
    assert_int_equal(arena.used, 100);
    arena_release(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hands_out_zeroed_aligned_memory_that_stays_apart),
        cmocka_unit_test(copies_and_prints_text),
        cmocka_unit_test(can_be_used_again_after_release),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
