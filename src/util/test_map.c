#include "util/map.h"
#include "util/testing.h"

#define ELEMENTS 2000

struct element {
    struct map_node node;
    char key[16];
    bool present;
    int visits;
};

static void answers_as_a_plain_table_would(void **state)
{
    (void)state;
    CLEANUP(map_release) struct map map;
    CLEANUP(free_ptr) struct element *elements = xcalloc(ELEMENTS, sizeof(*elements));
    uint64_t seed = 5;
    size_t count = 0;
    map_init(&map);
    for (int i = 0; i < ELEMENTS; i++)
        snprintf(elements[i].key, sizeof(elements[i].key), "key %d", i);
    for (int step = 0; step < 50000; step++) {
        struct element *element = &elements[test_random(&seed) % ELEMENTS];
        struct map_node *found = map_find(&map, str_of(element->key));
        assert_ptr_equal(found, element->present ? &element->node : NULL);
        if (element->present)
            map_remove(&map, &element->node);
        else
            map_insert(&map, &element->node, str_of(element->key));
        element->present = !element->present;
        count += element->present ? 1 : SIZE_MAX;
        assert_int_equal(map.count, count);
    }
}

static void visit_and_free(struct map_node *node, void *arg)
{
    struct element *element = CONTAINER_OF(node, struct element, node);
    struct map *map = arg;
    map_remove(map, node);
    free(element);
}

static void visited_elements_may_be_removed_and_freed(void **state)
{
    (void)state;
    CLEANUP(map_release) struct map map;
    map_init(&map);
    map_each(&map, visit_and_free, &map);
    for (int i = 0; i < 100; i++) {
        struct element *element = xcalloc(1, sizeof(*element));
        snprintf(element->key, sizeof(element->key), "%d", i);
        map_insert(&map, &element->node, str_of(element->key));
    }
    map_each(&map, visit_and_free, &map);
    assert_int_equal(map.count, 0);
    assert_null(map_find(&map, STR("7")));
}

static void keys_are_bytes_of_any_kind(void **state)
{
    (void)state;
    CLEANUP(map_release) struct map map;
    struct element empty = {0}, zero = {0}, zeroes = {0};
    map_init(&map);
    assert_null(map_find(&map, STR("")));
    map_insert(&map, &empty.node, (struct str){0});
    map_insert(&map, &zero.node, STR("\0"));
    map_insert(&map, &zeroes.node, STR("\0\0"));
    assert_ptr_equal(map_find(&map, STR("")), &empty.node);
    assert_ptr_equal(map_find(&map, STR("\0")), &zero.node);
    assert_ptr_equal(map_find(&map, STR("\0\0")), &zeroes.node);
}

static void each_map_hashes_differently(void **state)
{
    (void)state;
    struct map a, b;
    map_init(&a);
    map_init(&b);
    assert_int_not_equal(siphash(a.seed, "key", 3), siphash(b.seed, "key", 3));
}

// The values are of an independent implementation: CPython 3.11's hash of bytes(range(len)) with PYTHONHASHSEED=42,
// which stands for this key.
static void siphash_matches_known_values(void **state)
{
    (void)state;
    static const uint64_t key[2] = {0xdc504fd368cd90af, 0xb920bb9ffe99e9c1};
    static const struct {
        size_t len;
        uint64_t hash;
    } cases[] = {
        {1, 0xce880c366bcf3489},  {7, 0xce280fabc397fbda},  {8, 0x60866c3c108c6afb}, {9, 0x68814005f7469e03},
        {15, 0x94ace24d68c18cf8}, {16, 0x339176f3ac59ce05}, {33, 0xc2f62fe705a39bc}, {63, 0x6e24d6f0d014c37},
    };
    uint8_t data[64];
    for (size_t i = 0; i < sizeof(data); i++)
        data[i] = (uint8_t)i;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(siphash(key, data, cases[i].len), cases[i].hash);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_as_a_plain_table_would), cmocka_unit_test(visited_elements_may_be_removed_and_freed),
        cmocka_unit_test(keys_are_bytes_of_any_kind),     cmocka_unit_test(each_map_hashes_differently),
        cmocka_unit_test(siphash_matches_known_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
