#include "util/id.h"
#include "util/testing.h"

static void sortable_ids_sort_by_time(void **state)
{
    (void)state;
    static const int64_t times[] = {0, 1, 31, 32, 1763202615123, 1763202615124, INT64_C(0xffffffffffff)};
    char previous[ID_SORTABLE_LEN + 1] = "", id[ID_SORTABLE_LEN + 1];
    for (size_t i = 0; i < ARRAY_LEN(times); i++) {
        id_sortable(times[i], id);
        assert_int_equal(strlen(id), ID_SORTABLE_LEN);
        assert_int_equal(strspn(id, "0123456789abcdefghjkmnpqrstvwxyz"), ID_SORTABLE_LEN);
        assert_true(strcmp(previous, id) < 0);
        memcpy(previous, id, sizeof(id));
    }
    // The known time part of ULID's own example, 01ARZ3NDEK…, is 1469922850259 ms.
    id_sortable(1469922850259, id);
    assert_memory_equal(id, "01arz3ndek", 10);
}

static void sortable_ids_of_one_millisecond_differ(void **state)
{
    (void)state;
    char a[ID_SORTABLE_LEN + 1], b[ID_SORTABLE_LEN + 1];
    id_sortable(7, a);
    id_sortable(7, b);
    assert_string_not_equal(a, b);
    assert_int_not_equal(random_u64(), random_u64());
}

static void execution_ids_follow_the_contract(void **state)
{
    (void)state;
    char longest[ID_EXECUTION_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    assert_true(id_execution_valid(str_n(longest, ID_EXECUTION_MAX)));
    assert_false(id_execution_valid(str_n(longest, ID_EXECUTION_MAX + 1)));
    static const char *const valid[] = {
        "a", "Z", "0", "exec_01arz3", "shipsec-run-1", "a.b:c_d-e", "550e8400-e29b-41d4-a716-446655440000"};
    static const char *const invalid[] = {"", ".a", "-a", "_a", ":a", "a b", "a/b", "a\n", "caf\xc3\xa9", "a%20"};
    for (size_t i = 0; i < ARRAY_LEN(valid); i++)
        assert_true(id_execution_valid(str_of(valid[i])));
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
        assert_false(id_execution_valid(str_of(invalid[i])));
    assert_false(id_execution_valid(STR("a\0b")));
}

static void account_names_follow_the_contract(void **state)
{
    (void)state;
    char longest[ID_ACCOUNT_MAX + 1];
    memset(longest, 'a', sizeof(longest));
    assert_true(id_account_valid(str_n(longest, ID_ACCOUNT_MAX)));
    assert_false(id_account_valid(str_n(longest, ID_ACCOUNT_MAX + 1)));
    static const char *const valid[] = {"a", "default", "Team-1", "a.b_c-d", "0"};
    static const char *const invalid[] = {"", ".a", "-a", "a:b", "a b", "a/b", "a\n", "caf\xc3\xa9"};
    for (size_t i = 0; i < ARRAY_LEN(valid); i++)
        assert_true(id_account_valid(str_of(valid[i])));
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
        assert_false(id_account_valid(str_of(invalid[i])));
    assert_false(id_account_valid(STR("a\0b")));
}

static void hex_reads_back_what_it_wrote(void **state)
{
    (void)state;
    uint8_t bytes[256], back[256];
    char hex[2 * sizeof(bytes) + 1];
    for (size_t i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)i;
    hex_encode(bytes, sizeof(bytes), hex);
    assert_memory_equal(hex, "000102030405060708090a0b", 24);
    assert_true(hex_decode(str_of(hex), back, sizeof(back)));
    assert_memory_equal(back, bytes, sizeof(bytes));
}

static void hex_refuses_other_lengths_and_digits(void **state)
{
    (void)state;
    uint8_t out[2] = {1, 2};
    assert_true(hex_decode(STR("AbcD"), out, 2));
    assert_int_equal(out[0], 0xab);
    assert_int_equal(out[1], 0xcd);
    static const char *const bad[] = {"", "abc", "abcde", "abcg", "ab d", "-1ab"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(hex_decode(str_of(bad[i]), out, 2));
    assert_int_equal(out[0], 0xab);
}

static void secrets_compare_by_every_byte(void **state)
{
    (void)state;
    char a[32] = {0}, b[32] = {0};
    assert_true(secret_eq(a, b, sizeof(a)));
    for (size_t i = 0; i < sizeof(a); i++) {
        b[i] = '\x80';
        assert_false(secret_eq(a, b, sizeof(a)));
        b[i] = 0;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sortable_ids_sort_by_time),         cmocka_unit_test(sortable_ids_of_one_millisecond_differ),
        cmocka_unit_test(execution_ids_follow_the_contract), cmocka_unit_test(account_names_follow_the_contract),
        cmocka_unit_test(hex_reads_back_what_it_wrote),      cmocka_unit_test(hex_refuses_other_lengths_and_digits),
        cmocka_unit_test(secrets_compare_by_every_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
