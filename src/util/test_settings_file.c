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
        {"size = 1\n\n# x\nsiz = 3\n\nsize = 2\n", ":4: no such option 'siz'"},
        {"size = 1\n\nnames = {a, b\n\n\nsize = 2\n", ":3: unexpected token 'size'"},
        {"size = 1\nnames = \"a\n\n\nsize = 2\n", ":2: premature end of file"},
        {"# x\n\nsize\n\n\nnames = {a}\n", ":3: missing equal sign after option 'size'"},
        {"size = 1\n\nsize = bad\n\n", ":3: size must not be bad"},
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
        cmocka_unit_test(what_cannot_be_read_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
