#include "model/graph.h"
#include "util/buf.h"
#include "util/testing.h"

#include <jansson.h>

static json_t *parsed(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    return value;
}

static void assert_good(const char *text)
{
    struct graph_problem problem = {{0}};
    json_t *graph = parsed(text);
    if (!graph_check(graph, &problem))
        fail_msg("%s: %s", text, problem.reason);
    json_decref(graph);
}

static void a_graph_has_nodes_and_edges_between_them(void **state)
{
    (void)state;
    assert_good("{\"nodes\":[]}");
    assert_good("{\"nodes\":[{\"id\":\"a\"}],\"edges\":null}");
    assert_good("{\"nodes\":[{\"id\":\"a\",\"name\":\"A\",\"type\":\"http\"},{\"id\":\"b\",\"name\":null}],"
                "\"edges\":[[\"a\",\"b\"]]}");
    assert_good("{\"nodes\":[{\"id\":\"a\"},{\"id\":\"b\"}],\"edges\":[[\"a\",\"b\"],[\"b\",\"a\"],[\"a\",\"a\"],"
                "[\"a\",\"b\"]]}"); // loops, and the same edge twice
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const struct {
        const char *graph, *reason;
    } cases[] = {
        {"[]", "must be an object with nodes and edges"},
        {"{}", "nodes must be a list of objects with an id each"},
        {"{\"nodes\":{}}", "nodes must be a list of objects with an id each"},
        {"{\"nodes\":[],\"colour\":1}", "has a member that is not known: colour"},
        {"{\"nodes\":[7]}", "nodes[0] must be an object with an id"},
        {"{\"nodes\":[{}]}", "nodes[0].id must be a text of 1 to 255 bytes"},
        {"{\"nodes\":[{\"id\":\"\"}]}", "nodes[0].id must be a text of 1 to 255 bytes"},
        {"{\"nodes\":[{\"id\":7}]}", "nodes[0].id must be a text of 1 to 255 bytes"},
        {"{\"nodes\":[{\"id\":\"a\\u0000b\"}]}", "nodes[0].id must be a text of 1 to 255 bytes"},
        {"{\"nodes\":[{\"id\":\"a\",\"x\":1}]}", "nodes[0] has a member that is not known: x"},
        {"{\"nodes\":[{\"id\":\"a\",\"name\":7}]}", "nodes[0].name must be a text of at most 255 bytes"},
        {"{\"nodes\":[{\"id\":\"a\",\"type\":[]}]}", "nodes[0].type must be a text of at most 100 bytes"},
        {"{\"nodes\":[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"a\"}]}", "nodes[2].id is there twice: a"},
        {"{\"nodes\":[],\"edges\":{}}", "edges must be a list of pairs [\"from\", \"to\"]"},
        {"{\"nodes\":[{\"id\":\"a\"}],\"edges\":[[\"a\"]]}",
         "edges[0] must be a pair [\"from\", \"to\"] of ids of nodes"},
        {"{\"nodes\":[{\"id\":\"a\"}],\"edges\":[[\"a\",\"a\",\"a\"]]}",
         "edges[0] must be a pair [\"from\", \"to\"] of ids of nodes"},
        {"{\"nodes\":[{\"id\":\"a\"}],\"edges\":[[\"a\",1]]}",
         "edges[0] must be a pair [\"from\", \"to\"] of ids of nodes"},
        {"{\"nodes\":[{\"id\":\"a\"}],\"edges\":[{\"from\":\"a\",\"to\":\"a\"}]}",
         "edges[0] must be a pair [\"from\", \"to\"] of ids of nodes"},
        {"{\"nodes\":[{\"id\":\"a\"}],\"edges\":[[\"a\",\"a\"],[\"a\",\"b\"]]}",
         "edges[1] names a node that is not there: b"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct graph_problem problem = {{0}};
        json_t *graph = parsed(cases[i].graph);
        assert_false(graph_check(graph, &problem));
        assert_string_equal(problem.reason, cases[i].reason);
        json_decref(graph);
    }
}

// A graph with so many nodes and edges, and an id, name and type of so many bytes in its first node.
struct shape {
    size_t nodes, edges, id, name, type;
};

static void append_many(struct buf *out, char byte, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_append_byte(out, byte);
}

static json_t *shaped(const struct shape *shape)
{
    CLEANUP(buf_release) struct buf text = {0};
    buf_append_text(&text, "{\"nodes\":[{\"id\":\"");
    append_many(&text, 'i', shape->id);
    buf_append_text(&text, "\",\"name\":\"");
    append_many(&text, 'n', shape->name);
    buf_append_text(&text, "\",\"type\":\"");
    append_many(&text, 't', shape->type);
    buf_append_text(&text, "\"},{\"id\":\"n1\"}");
    for (size_t i = 2; i < shape->nodes; i++)
        buf_printf(&text, ",{\"id\":\"n%zu\"}", i);
    buf_append_text(&text, "],\"edges\":[");
    for (size_t i = 0; i < shape->edges; i++)
        buf_append_text(&text, i == 0 ? "[\"n1\",\"n1\"]" : ",[\"n1\",\"n1\"]");
    buf_append_text(&text, "]}");
    return parsed(buf_cstr(&text));
}

static void each_limit_holds_at_its_edge(void **state)
{
    (void)state;
    static const struct {
        struct shape shape;
        const char *reason; // NULL: it is within the limits
    } cases[] = {
        {{2, 0, 255, 255, 100}, NULL},
        {{2, 0, 256, 0, 0}, "nodes[0].id must be a text of 1 to 255 bytes"},
        {{2, 0, 1, 256, 0}, "nodes[0].name must be a text of at most 255 bytes"},
        {{2, 0, 1, 0, 101}, "nodes[0].type must be a text of at most 100 bytes"},
        {{10000, 10000, 1, 0, 0}, NULL},
        {{10001, 0, 1, 0, 0}, "nodes must be at most 10000"},
        {{2, 10001, 1, 0, 0}, "edges must be at most 10000"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct graph_problem problem = {{0}};
        json_t *graph = shaped(&cases[i].shape);
        assert_int_equal(graph_check(graph, &problem), cases[i].reason == NULL);
        if (cases[i].reason)
            assert_string_equal(problem.reason, cases[i].reason);
        json_decref(graph);
    }
}

// {"nodes":[…]} with nodes of {"id":"…"} and 255 bytes of id each, but for the last one's.
static json_t *so_long(size_t bytes)
{
    size_t each = GRAPH_ID_MAX + strlen("{\"id\":\"\"},"), frame = strlen("{\"nodes\":[]}") - 1;
    size_t whole = (bytes - frame) / each, rest = (bytes - frame) % each;
    json_t *nodes = json_array();
    for (size_t i = 0; i < whole; i++)
        json_array_append_new(nodes, json_pack("{so}", "id", json_sprintf("%0255zu", i)));
    json_array_append_new(nodes, json_pack("{so}", "id", json_sprintf("%0*d", (int)(rest + GRAPH_ID_MAX - each), 0)));
    return json_pack("{so}", "nodes", nodes);
}

static void a_graph_is_at_most_so_long(void **state)
{
    (void)state;
    struct graph_problem problem = {{0}};
    json_t *longest = so_long(GRAPH_TEXT_MAX), *longer = so_long(GRAPH_TEXT_MAX + 1);
    assert_int_equal(json_dumpb(longest, NULL, 0, JSON_COMPACT), GRAPH_TEXT_MAX);
    assert_true(graph_check(longest, &problem));
    assert_false(graph_check(longer, &problem));
    assert_string_equal(problem.reason, "must be at most 2097152 bytes long");
    json_decref(longest);
    json_decref(longer);
}

static void the_nodes_of_a_graph_are_found_by_place_and_by_id(void **state)
{
    (void)state;
    assert_null(graph_nodes_new(STR("")));
    assert_int_equal(graph_nodes_count(NULL), 0);
    assert_false(graph_nodes_has(NULL, STR("a")));
    struct graph_nodes *nodes = graph_nodes_new(STR("{\"nodes\":[{\"id\":\"a\",\"name\":\"A\"},{\"id\":\"b\"}]}"));
    assert_int_equal(graph_nodes_count(nodes), 2);
    assert_string_equal(graph_nodes_at(nodes, 0).name, "A");
    assert_string_equal(graph_nodes_at(nodes, 1).id, "b");
    assert_null(graph_nodes_at(nodes, 1).type);
    assert_true(graph_nodes_has(nodes, STR("b")));
    assert_false(graph_nodes_has(nodes, STR("A")));
    assert_false(graph_nodes_has(nodes, STR("")));
    graph_nodes_free(&nodes);
    assert_null(nodes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_graph_has_nodes_and_edges_between_them),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(each_limit_holds_at_its_edge),
        cmocka_unit_test(a_graph_is_at_most_so_long),
        cmocka_unit_test(the_nodes_of_a_graph_are_found_by_place_and_by_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
