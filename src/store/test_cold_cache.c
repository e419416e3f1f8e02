// What the cache of cold bodies keeps, and what goes.
#include "store/cold_cache.h"
#include "util/testing.h"

#define LEN  1000
#define MOST ((size_t)2500) // two of them

static struct cold_body body_of(int64_t row, char *bytes)
{
    memset(bytes, 'a' + (int)row, LEN);
    return (struct cold_body){
        .row = row, .first = 7, .place = {.len = LEN, .checksum = (uint64_t)row + 100}, .bytes = bytes};
}

static bool has(struct cold_cache *cache, int64_t row)
{
    char bytes[LEN];
    struct cold_body body = body_of(row, bytes);
    CLEANUP(free_ptr) char *copy = cold_cache_find(cache, &body);
    assert_true(!copy || memcmp(copy, bytes, LEN) == 0);
    return copy != NULL;
}

static void keep(struct cold_cache *cache, int64_t row)
{
    char bytes[LEN];
    struct cold_body body = body_of(row, bytes);
    cold_cache_keep(cache, &body, MOST);
    assert_true(cold_cache_bytes(cache) <= MOST);
}

static void the_least_recently_used_goes(void **state)
{
    struct cold_cache cache;
    (void)state;
    cold_cache_init(&cache);
    keep(&cache, 1);
    keep(&cache, 2);
    assert_true(has(&cache, 1)); // so 2 is the older one now
    keep(&cache, 3);
    assert_true(has(&cache, 1) && has(&cache, 3) && !has(&cache, 2));
    keep(&cache, 3); // again: it is there once
    assert_true(has(&cache, 1));
    cold_cache_shrink(&cache, MOST / 2);
    assert_true(has(&cache, 1) != has(&cache, 3));
    cold_cache_release(&cache);
}

static void what_is_larger_than_all_of_it_is_not_kept(void **state)
{
    struct cold_cache cache;
    char bytes[LEN];
    struct cold_body body = body_of(1, bytes);
    (void)state;
    cold_cache_init(&cache);
    cold_cache_keep(&cache, &body, LEN);
    assert_int_equal(cold_cache_bytes(&cache), 0);
    cold_cache_release(&cache);
}

// A row that was given out anew is another body.
static void a_body_is_known_by_its_checksum_and_length_too(void **state)
{
    struct cold_cache cache;
    char bytes[LEN];
    struct cold_body body = body_of(1, bytes);
    (void)state;
    cold_cache_init(&cache);
    keep(&cache, 1);
    body.place.checksum++;
    assert_null(cold_cache_find(&cache, &body));
    body.place.checksum--;
    body.place.len--;
    assert_null(cold_cache_find(&cache, &body));
    cold_cache_release(&cache);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_least_recently_used_goes),
        cmocka_unit_test(what_is_larger_than_all_of_it_is_not_kept),
        cmocka_unit_test(a_body_is_known_by_its_checksum_and_length_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
