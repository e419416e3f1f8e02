#include "api/routes.h"
#include "fanout/format.h"
#include "util/testing.h"

static void nobody(struct call *call)
{
    (void)call;
}

#define ROW(method, pattern)                           \
    {                                                  \
        method, pattern, ACTION_READ, .handle = nobody \
    }

static const struct route table[] = {
    ROW(HTTP_M_GET, "/a"),
    ROW(HTTP_M_POST, "/a"),
    ROW(HTTP_M_GET, "/a/{id}"),
    ROW(HTTP_M_GET, "/a/{id}/b"),
    ROW(HTTP_M_PATCH, "/a/{id}/b"),
    ROW(HTTP_M_GET, "/a/fixed"),
    ROW(HTTP_M_GET, "/a/{id}/b/{name}"),
    ROW(HTTP_M_DELETE, "/ab"),
    ROW(HTTP_M_DELETE, "/"),
    {HTTP_M_GET, "/socket", ACTION_READ, .flags = ROUTE_SOCKET, .handle = nobody},
    {0},
};

static void assert_finds(enum http_method method, const char *path, const char *pattern)
{
    struct route_tree *tree = route_tree_new(table);
    struct route_match match;
    route_tree_find(tree, method, str_of(path), &match);
    if (pattern)
        assert_string_equal(match.route ? match.route->pattern : "none", pattern);
    else
        assert_null(match.route);
    route_tree_free(&tree);
}

static void a_path_finds_its_row(void **state)
{
    (void)state;
    assert_finds(HTTP_M_GET, "/a", "/a");
    assert_finds(HTTP_M_POST, "/a", "/a");
    assert_finds(HTTP_M_GET, "/a/x", "/a/{id}");
    assert_finds(HTTP_M_GET, "/a/x/b", "/a/{id}/b");
    assert_finds(HTTP_M_GET, "/a/x/b/y", "/a/{id}/b/{name}");
    assert_finds(HTTP_M_DELETE, "/ab", "/ab");
    assert_finds(HTTP_M_DELETE, "/", "/");
}

static void a_fixed_segment_goes_before_a_capture_and_back_if_nothing_lies_behind_it(void **state)
{
    (void)state;
    assert_finds(HTTP_M_GET, "/a/fixed", "/a/fixed");
    assert_finds(HTTP_M_GET, "/a/fixed/b", "/a/{id}/b");
    assert_finds(HTTP_M_GET, "/a/fixe", "/a/{id}");
    assert_finds(HTTP_M_GET, "/a/fixedd", "/a/{id}");
}

static void no_row_is_found_for_other_paths(void **state)
{
    (void)state;
    const char *const paths[] = {"",      "/",      "a",         "/A",       "/a/",          "//a",      "/a//b",
                                 "/abc",  "/b",     "/a/x/c",    "/a/x/b/",  "/a/x/b/y/z",   "/{id}",    "/ /a",
                                 "/a/x/", "/a?b=c", "/a/x/b//y", "/socket/", "/socket/more", "a/fixed/b"};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++)
        assert_finds(HTTP_M_GET, paths[i], NULL);
}

static void captures_have_the_names_of_the_pattern(void **state)
{
    (void)state;
    struct route_tree *tree = route_tree_new(table);
    struct route_match match;
    route_tree_find(tree, HTTP_M_GET, STR("/a/one%20/b/two"), &match);
    assert_int_equal(match.capture_count, 2);
    assert_str(match.captures[0].name, "id");
    assert_str(match.captures[0].value, "one%20");
    assert_str(match.captures[1].name, "name");
    assert_str(match.captures[1].value, "two");
    route_tree_free(&tree);
}

static void assert_allowed(const char *path, enum http_method method, const char *allowed)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct route_tree *tree = route_tree_new(table);
    struct route_match match;
    route_tree_find(tree, method, str_of(path), &match);
    assert_null(match.route);
    assert_non_null(match.others);
    route_allow(match.others, &text);
    assert_str(buf_str(&text), allowed);
    route_tree_free(&tree);
}

static void a_wrong_method_learns_the_right_ones(void **state)
{
    (void)state;
    assert_allowed("/a", HTTP_M_DELETE, "GET, HEAD, POST");
    assert_allowed("/a/x/b", HTTP_M_OTHER, "GET, HEAD, PATCH");
    assert_allowed("/ab", HTTP_M_GET, "DELETE");
    assert_allowed("/ab", HTTP_M_HEAD, "DELETE");
    assert_allowed("/socket", HTTP_M_HEAD, "GET");
}

static void head_is_served_by_what_serves_get(void **state)
{
    (void)state;
    assert_finds(HTTP_M_HEAD, "/a/x", "/a/{id}");
    assert_finds(HTTP_M_HEAD, "/socket", NULL);
}

// What every row must have, so that neither a request nor the check of fields meets a hole.
static void each_row_of_the_table_finds_itself_and_is_whole(void **state)
{
    (void)state;
    struct route_tree *tree = route_tree_new(api_routes);
    for (const struct route *route = api_routes; route->pattern; route++) {
        struct route_match match;
        route_tree_find(tree, route->method, str_of(route->pattern), &match);
        assert_ptr_equal(match.route, route);
        assert_non_null(route->handle);
        assert_true(strlen(route->summary) > 0);
        bool named = strstr(route->pattern, "{id}") || strstr(route->pattern, "{workflow}");
        assert_int_equal(route->resource != RESOURCE_NONE, named);
        assert_true(!route->refuse || route->flags & ROUTE_SOCKET);
        size_t count = 0;
        for (const struct field *field = route->query; field && field->name; field++, count++)
            assert_non_null(field->meaning);
        assert_true(count <= 64); // a bit for each
        for (const struct field *field = route->body; field && field->name; field++)
            assert_true(field->meaning && field->type != FIELD_POSITION && field->type != FIELD_CURSOR);
    }
    route_tree_free(&tree);
}

static const struct field *logs_format(void)
{
    for (const struct route *route = api_routes; route->pattern; route++)
        for (const struct field *field = route->query; field && field->name; field++)
            if (strcmp(field->name, "format") == 0)
                return field;
    return NULL;
}

static void each_format_that_may_be_asked_for_is_there(void **state)
{
    (void)state;
    struct str words = str_of(logs_format()->words);
    size_t asked = 0, named = 0;
    while (words.len) {
        enum follow_format format = FORMAT_SSE;
        struct str word = str_split(&words, ' ');
        if (str_eq(word, STR("json")))
            continue; // a page, not a stream
        assert_true(format_by_name(word, &format));
        assert_non_null(format_of(format)->content_type);
        const char *media_type = format_of(format)->media_type; // one that is another's variant has none
        enum follow_format found = format;
        assert_true(!media_type || (format_by_media_type(str_of(media_type), &found) && found == format));
        asked++;
    }
    for (unsigned format = 0; format <= FORMAT_CHUNK; format++)
        named += format_of(format)->name != NULL;
    assert_int_equal(asked, named);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_finds_its_row),
        cmocka_unit_test(a_fixed_segment_goes_before_a_capture_and_back_if_nothing_lies_behind_it),
        cmocka_unit_test(no_row_is_found_for_other_paths),
        cmocka_unit_test(captures_have_the_names_of_the_pattern),
        cmocka_unit_test(a_wrong_method_learns_the_right_ones),
        cmocka_unit_test(head_is_served_by_what_serves_get),
        cmocka_unit_test(each_format_that_may_be_asked_for_is_there),
        cmocka_unit_test(each_row_of_the_table_finds_itself_and_is_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
