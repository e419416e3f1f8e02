#include "util/error.h"
#include "util/settings_file.h"
#include "util/testing.h"

#include <errno.h>
#include <unistd.h>

static const struct settings_name top[] = {{.name = "size"}, {.name = "names", .is_list = true}, {0}};
static const struct settings_name inner[] = {{.name = "url"}, {0}};
static const struct settings_form form = {.top = top, .section = "context", .in_section = inner};

static char *write_file(const char *text)
{
    char *path = xstrdup("/tmp/runnel-test-settings-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return path;
}

// Writes down what it is told; "bad" is refused.
static int take(void *arg, const struct settings_value *value, struct buf *ret_error)
{
    struct buf *seen = arg;
    buf_printf(seen, "%s/%s:", value->title ? value->title : "", value->name);
    for (size_t i = 0; i < value->count; i++) {
        if (strcmp(value->values[i], "bad") == 0) {
            buf_printf(ret_error, "%s must not be bad", value->name);
            return ERR_INVALID;
        }
        buf_printf(seen, " %s", value->values[i]);
    }
    if (value->unset.data)
        return settings_refuse_unset(value->unset, ret_error);
    buf_append_byte(seen, '\n');
    return 0;
}

static int read_text(const char *text, struct buf *seen, struct buf *error)
{
    CLEANUP(free_ptr) char *path = write_file(text);
    CLEANUP(buf_release) struct buf whole = {0};
    int err = settings_file_read(path, &form, take, seen, &whole);
    unlink(path);
    if (whole.len > 0) { // without the path
        assert_int_equal(strncmp(buf_cstr(&whole), path, strlen(path)), 0);
        buf_append_text(error, buf_cstr(&whole) + strlen(path));
    }
    return err;
}

static void everything_is_told_in_order(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf seen = {0}, error = {0};
    int err = read_text("size = 1\ncontext \"a\" {\n url = x\n}\nnames = {b, \"c d\"}\n", &seen, &error);
    assert_int_equal(err, 0);
    assert_string_equal(buf_cstr(&seen), "/size: 1\n/names: b c d\na/url: x\n");
}

static void an_error_names_the_line_on_which_what_is_wrong_begins(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"size = 1\n\n# x\nsiz = 3\n\n", ":4: no such option 'siz'"},
        {"size = 1\n\nnames = {a, b\n\n\nsize = 2\n", ":3: unexpected token 'size'"},
        {"size = 1\nnames = \"a\n\n\nsize = 2\n", ":2: the quote or comment that begins here has no end"},
        {"size = 1\nnames = {'a,\nb}\n", ":2: the quote or comment that begins here has no end"},
        {"size = \"a\nb\\\"\n", ":1: the quote or comment that begins here has no end"},
        {"size = 1\n/* x */ /* y\n", ":2: the quote or comment that begins here has no end"},
        {"size = \"\n\n1\"\nsiz = 2\n", ":4: no such option 'siz'"},
        {"# x\n\nsize\n\n\nnames = {a}\n", ":3: missing equal sign after option 'size'"},
        {"names = {x}\n\nsize = bad\n\n", ":3: size must not be bad"},
        {"/*\n\n*/ size =\n\"${TEST_NO}\"\n", ":4: the environment variable TEST_NO is not set; set it, or write "
                                              "${TEST_NO:-TEXT} for the text to take then"},
        {"size = 1\nnames = {a,\nbad}\n", ":3: names must not be bad"},
        {"context \"a\" {\n}\n\ncontext \"b\" {\n\n url = bad\n}\n", ":6: url must not be bad"},
        {"# x\n// y\n/* z\n*/\nsize = bad", ":5: size must not be bad"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf seen = {0}, error = {0};
        if (read_text(cases[i].text, &seen, &error) != ERR_INVALID)
            fail_msg("taken: %s", cases[i].text);
        assert_string_equal(buf_cstr(&error), cases[i].error);
    }
}

// libconfuse reads every text as empty after one whose quote has no end.
static void a_file_is_read_whole_after_one_whose_quote_has_no_end(void **state)
{
    (void)state;
    static const char *const broken[] = {"size = \"1\n",    "size = '1\n", "size = 1 /* x\n",
                                         "names = {\"a\nb", "\"size",      "size = \\\"x"};
    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        CLEANUP(buf_release) struct buf seen = {0}, error = {0};
        assert_int_equal(read_text(broken[i], &seen, &error), ERR_INVALID);
        assert_int_equal(read_text("size = 1\nnames = {a, 'b\nc'}\n", &seen, &error), 0);
        assert_string_equal(buf_cstr(&seen), "/size: 1\n/names: a b\nc\n");
    }
}

static void a_setting_that_is_set_twice_is_refused_with_both_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"size = 1\n\nsize = 1\n", ":3: size is set a second time; it has a value on line 1"},
        {"size = 1 size = 2", ":1: size is set a second time; it has a value on line 1"},
        {"\nnames = {a,\nb}\n# x\nnames={c}\n", ":5: names is set a second time; it has a value on line 2"},
        {"context a {\nurl = x\nurl = \"y\"\n}\n", ":3: url is set a second time; it has a value on line 2"},
        {"size = 1\ncontext a {url = x}\ncontext b {url = y}\n'size'\n= 3\n",
         ":4: size is set a second time; it has a value on line 1"},
        {"names = {a}\nnames += {b}\nnames = {c}\n", ":3: names is set a second time; it has a value on line 1"},
    };
    static const char *const fine[] = {
        "size = 1\n# size = 2\n// size = 2\n/* size = 2\n*/\n",
        "names = {'size = 1', \"size = 2\", \"\\\"size = 3\"}\nsize = 'names = {b}'\n",
        "names = a\nnames += b\nnames += {c}\n",
        "context a {url = http://x/y}\ncontext b {url = 'x#size=2'}\nsize = 1 # size = 2",
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf seen = {0}, error = {0};
        if (read_text(cases[i].text, &seen, &error) != ERR_INVALID)
            fail_msg("taken: %s", cases[i].text);
        assert_string_equal(buf_cstr(&error), cases[i].error);
        assert_string_equal(buf_cstr(&seen), "");
    }
    for (size_t i = 0; i < ARRAY_LEN(fine); i++) {
        CLEANUP(buf_release) struct buf seen = {0}, error = {0};
        if (read_text(fine[i], &seen, &error) != 0)
            fail_msg("%s: %s", fine[i], buf_cstr(&error));
    }
}

static void a_variable_that_is_not_set_is_told_with_the_value_that_names_it(void **state)
{
    (void)state;
    static const struct {
        const char *text, *unset; // NULL: none
    } cases[] = {
        {"size = \"${TEST_NO}\"\n", "TEST_NO"},
        {"size = ${TEST_NO}\n", "TEST_NO"},
        {"size = \"a${TEST_YES}b${TEST_NO}\"\n", "TEST_NO"},
        {"names = {a, \"x ${TEST_NO}\"}\n", "TEST_NO"},
        {"context a { url = x }\ncontext b {\nurl = \"${TEST_NO}\"}\n", "TEST_NO"},
        {"size = \"${TEST_YES}\"\n", NULL},
        {"size = \"${TEST_EMPTY}\"\n", NULL},
        {"size = \"${TEST_NO:-}\"\n", NULL},
        {"size = ${TEST_NO:-x}\n", NULL},
        {"size = '${TEST_NO}'\n", NULL},
        {"size = \"\\${TEST_NO}\"\n", NULL},
        {"size = 1 # ${TEST_NO}\n// ${TEST_NO}\n/* ${TEST_NO} */\n", NULL},
        {"names = {x}\nsize = $TEST_NO\n", NULL},
    };
    setenv("TEST_YES", "y", 1);
    setenv("TEST_EMPTY", "", 1);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf seen = {0}, error = {0};
        int err = read_text(cases[i].text, &seen, &error);
        if (!cases[i].unset != (err == 0))
            fail_msg("%s: %s", cases[i].text, buf_cstr(&error));
        if (cases[i].unset && !strstr(buf_cstr(&error), "variable TEST_NO is not set"))
            fail_msg("%s: %s", cases[i].text, buf_cstr(&error));
    }
}

static void what_cannot_be_read_is_said(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf seen = {0}, error = {0};
    assert_int_equal(settings_file_read("/nonexistent/x", &form, take, &seen, &error), -ENOENT);
    assert_string_equal(buf_cstr(&error), "/nonexistent/x: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_told_in_order),
        cmocka_unit_test(an_error_names_the_line_on_which_what_is_wrong_begins),
        cmocka_unit_test(a_file_is_read_whole_after_one_whose_quote_has_no_end),
        cmocka_unit_test(a_setting_that_is_set_twice_is_refused_with_both_lines),
        cmocka_unit_test(a_variable_that_is_not_set_is_told_with_the_value_that_names_it),
        cmocka_unit_test(what_cannot_be_read_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
