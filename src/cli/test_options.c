#include "cli/options.h"
#include "util/testing.h"

static const struct cli_option command_options[] = {
    {'f', "follow", CLI_FLAG, NULL, "f"},    {'t', "timestamps", CLI_FLAG, NULL, "t"},
    {'n', "tail", CLI_VALUE, "N", "n"},      {0, "stream", CLI_VALUE_MANY, "STREAM", "s"},
    {0, "tls_cert", CLI_VALUE, "FILE", "c"}, {0},
};
static const struct cli_option shared_options[] = {
    {'h', "help", CLI_FLAG, NULL, "h"},
    {0, "url", CLI_VALUE, "URL", "u"},
    {0},
};
static const struct cli_option *const tables[] = {command_options, shared_options, NULL};

#define WORDS(...) (char *[]){__VA_ARGS__}, ARRAY_LEN(((char *[]){__VA_ARGS__}))

static int parse(bool stop, char **words, size_t count, struct arena *arena, struct parsed *ret, struct buf *error)
{
    return options_parse(tables, stop, count, words, arena, ret, error);
}

static const char *value_of(const struct parsed *parsed, const char *name)
{
    const char *value = NULL;
    for (size_t i = 0; i < parsed->option_count; i++)
        if (option_name_eq(parsed->options[i].option->long_name, name))
            value = parsed->options[i].value ? parsed->options[i].value : "(flag)";
    return value;
}

static void every_way_to_give_a_value_means_the_same(void **state)
{
    (void)state;
    char *ways[][2] = {{"-n5", NULL}, {"-n", "5"}, {"--tail", "5"}, {"--tail=5", NULL}, {"-fn5", NULL}, {"-ftn", "5"}};
    for (size_t i = 0; i < ARRAY_LEN(ways); i++) {
        CLEANUP(arena_release) struct arena arena = {0};
        CLEANUP(buf_release) struct buf error = {0};
        struct parsed parsed;
        assert_int_equal(parse(false, ways[i], ways[i][1] ? 2 : 1, &arena, &parsed, &error), 0);
        assert_string_equal(value_of(&parsed, "tail"), "5");
        assert_int_equal(parsed.operand_count, 0);
    }
}

static void short_flags_can_be_bundled(void **state)
{
    (void)state;
    CLEANUP(arena_release) struct arena arena = {0};
    CLEANUP(buf_release) struct buf error = {0};
    struct parsed parsed;
    assert_int_equal(parse(false, WORDS("-ftfh"), &arena, &parsed, &error), 0);
    assert_int_equal(parsed.option_count, 4);
    assert_non_null(value_of(&parsed, "timestamps"));
    assert_non_null(value_of(&parsed, "help"));
}

static void options_may_follow_operands(void **state)
{
    (void)state;
    CLEANUP(arena_release) struct arena arena = {0};
    CLEANUP(buf_release) struct buf error = {0};
    struct parsed parsed;
    assert_int_equal(parse(false, WORDS("exec_1", "-f", "--url", "http://x", "-"), &arena, &parsed, &error), 0);
    assert_int_equal(parsed.operand_count, 2);
    assert_string_equal(parsed.operands[0], "exec_1");
    assert_string_equal(parsed.operands[1], "-");
    assert_null(parsed.operands[2]);
    assert_non_null(value_of(&parsed, "follow"));
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    CLEANUP(arena_release) struct arena arena = {0};
    CLEANUP(buf_release) struct buf error = {0};
    struct parsed parsed;
    assert_int_equal(parse(true, WORDS("-f", "--", "-n", "--", "--nonsense"), &arena, &parsed, &error), 0);
    assert_int_equal(parsed.option_count, 1);
    assert_int_equal(parsed.operand_count, 3);
    assert_string_equal(parsed.operands[1], "--");
}

static void command_with_options_of_its_own_keeps_them(void **state)
{
    (void)state;
    CLEANUP(arena_release) struct arena arena = {0};
    CLEANUP(buf_release) struct buf error = {0};
    struct parsed parsed;
    assert_int_equal(parse(true, WORDS("-f", "make", "-n", "--url", "--"), &arena, &parsed, &error), 0);
    assert_int_equal(parsed.option_count, 1);
    assert_int_equal(parsed.operand_count, 4);
}

static void repeated_values_are_all_kept_in_order(void **state)
{
    (void)state;
    CLEANUP(arena_release) struct arena arena = {0};
    CLEANUP(buf_release) struct buf error = {0};
    struct parsed parsed;
    assert_int_equal(parse(false, WORDS("--stream=stdout", "--stream", "event"), &arena, &parsed, &error), 0);
    assert_int_equal(parsed.option_count, 2);
    assert_string_equal(parsed.options[0].value, "stdout");
    assert_string_equal(parsed.options[1].value, "event");
}

static void empty_value_is_a_value(void **state)
{
    (void)state;
    CLEANUP(arena_release) struct arena arena = {0};
    CLEANUP(buf_release) struct buf error = {0};
    struct parsed parsed;
    assert_int_equal(parse(false, WORDS("--url=", "--tls-cert", ""), &arena, &parsed, &error), 0);
    assert_string_equal(value_of(&parsed, "url"), "");
    assert_string_equal(value_of(&parsed, "tls-cert"), "");
}

static void what_is_wrong_is_said_with_the_nearest_name(void **state)
{
    (void)state;
    static const struct {
        char *word;
        const char *said;
    } cases[] = {
        {"--folow", "unknown option --folow; did you mean --follow?"},
        {"--flolow", "unknown option --flolow; did you mean --follow?"},
        {"--time", "unknown option --time; did you mean --timestamps?"},
        {"--tls-crt=x", "unknown option --tls-crt; did you mean --tls-cert?"},
        {"--nothing-like-it", "unknown option --nothing-like-it"},
        {"-fx", "unknown option -x"},
        {"--follow=yes", "option --follow takes no value"},
        {"--tls-cert", "option --tls-cert needs a value: FILE"},
        {"-n", "option --tail needs a value: N"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(arena_release) struct arena arena = {0};
        CLEANUP(buf_release) struct buf error = {0};
        struct parsed parsed;
        assert_int_equal(parse(false, WORDS(cases[i].word), &arena, &parsed, &error), ERR_INVALID);
        assert_string_equal(buf_cstr(&error), cases[i].said);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way_to_give_a_value_means_the_same),
        cmocka_unit_test(short_flags_can_be_bundled),
        cmocka_unit_test(options_may_follow_operands),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(command_with_options_of_its_own_keeps_them),
        cmocka_unit_test(repeated_values_are_all_kept_in_order),
        cmocka_unit_test(empty_value_is_a_value),
        cmocka_unit_test(what_is_wrong_is_said_with_the_nearest_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
