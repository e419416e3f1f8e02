#include "model/title.h"
#include "util/testing.h"

static void assert_title(const char *name, const char *script, const char *command, const char *args, const char *title)
{
    CLEANUP(buf_release) struct buf out = {0};
    json_t *words = command ? json_loads(command, 0, NULL) : NULL, *rest = args ? json_loads(args, 0, NULL) : NULL;
    title_append(&out, &(struct title_parts){name, script, words, rest});
    assert_string_equal(buf_cstr(&out), title);
    json_decref(words);
    json_decref(rest);
}

static void a_title_is_the_name_or_what_is_run(void **state)
{
    (void)state;
    assert_title("nightly", "a.py", "[\"make\"]", "[\"x\"]", "nightly");
    assert_title(NULL, "a.py", NULL, "[\"data/1.csv\",\"two words\"]", "a.py data/1.csv two words");
    assert_title("", "a.py", NULL, NULL, "a.py");
    assert_title(NULL, "sh", "[\"sh\",\"-c\",\"exit 3\"]", NULL, "sh -c exit 3");
    assert_title(NULL, NULL, "[]", NULL, "");
}

static void a_title_is_short_and_of_whole_characters(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf name = {0}, out = {0};
    for (int i = 0; i < 150; i++)
        buf_append_text(&name, "é");
    title_append(&out, &(struct title_parts){.name = buf_cstr(&name)});
    assert_int_equal(out.len, TITLE_MAX);
    assert_true(utf8_valid(out.data, out.len));
    buf_reset(&out);
    json_t *words = json_array();
    for (int i = 0; i < 4096; i++)
        json_array_append_new(words, json_string(buf_cstr(&name)));
    title_append(&out, &(struct title_parts){.command = words});
    assert_int_equal(out.len, TITLE_MAX);
    json_decref(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_title_is_the_name_or_what_is_run),
        cmocka_unit_test(a_title_is_short_and_of_whole_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
