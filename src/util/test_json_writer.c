// jansson judges what is written.
#include "util/json_writer.h"
#include "util/testing.h"

#include <jansson.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static void writes_objects_and_arrays_with_members_of_each_type(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    struct json_writer json = json_writer_to(&out);
    json_open_object(&json, NULL);
    json_add_text(&json, "text", "a\"b\n");
    json_add_text(&json, "none", NULL);
    json_add_str(&json, "str", STR("a\0b"));
    json_add_i64(&json, "least", INT64_MIN);
    json_add_u64(&json, "most", UINT64_MAX);
    json_open_array(&json, "list");
    json_add_bool(&json, NULL, true);
    json_add_bool(&json, NULL, false);
    json_open_object(&json, NULL);
    json_close(&json);
    json_open_array(&json, NULL);
    json_close(&json);
    json_close(&json);
    json_add_time(&json, "at", 1);
    json_add_time(&json, "never", 0);
    json_add_hex(&json, "digest", 0xabc);
    json_add_raw(&json, "raw", STR("{\"a\":1}"));
    json_add_raw(&json, "nothing", (struct str){0});
    json_close(&json);
    json_writer_end(&json);
    assert_str(buf_str(&out),
               "{\"text\":\"a\\\"b\\n\",\"none\":null,\"str\":\"a\\u0000b\",\"least\":-9223372036854775808,"
               "\"most\":18446744073709551615,\"list\":[true,false,{},[]],\"at\":\"1970-01-01T00:00:00.001Z\","
               "\"never\":null,\"digest\":\"0000000000000abc\",\"raw\":{\"a\":1},\"nothing\":null}");
}

static void takes_what_is_json_already_as_items(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    struct json_writer json = json_writer_to(&out);
    json_open_array(&json, NULL);
    json_add_raw(&json, NULL, (struct str){0});
    json_add_raw(&json, NULL, STR("1,2"));
    json_add_u64(&json, NULL, 3);
    json_close(&json);
    json_writer_end(&json);
    assert_str(buf_str(&out), "[1,2,3]");
}

// --- Random values: written, and built by jansson beside; both must be the same.

static unsigned next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*seed >> 33);
}

static json_t *write_value(struct json_writer *json, const char *name, uint64_t *seed, unsigned depth);

static json_t *write_level(struct json_writer *json, const char *name, uint64_t *seed, unsigned depth)
{
    bool array = next_random(seed) % 2;
    json_t *level = array ? json_array() : json_object();
    if (array)
        json_open_array(json, name);
    else
        json_open_object(json, name);
    for (unsigned i = next_random(seed) % 4; i > 0; i--) {
        char member[8];
        snprintf(member, sizeof(member), "m\"%u", i);
        json_t *value = write_value(json, array ? NULL : member, seed, depth + 1);
        if (array)
            json_array_append_new(level, value);
        else
            json_object_set_new(level, member, value);
    }
    json_close(json);
    return level;
}

static json_t *write_value(struct json_writer *json, const char *name, uint64_t *seed, unsigned depth)
{
    char text[2] = {(char)(1 + next_random(seed) % 127), '\0'};
    json_int_t number = (json_int_t)next_random(seed) - 1000000;
    switch (next_random(seed) % (depth < 8 ? 6 : 4)) {
    case 0:
        json_add_text(json, name, text);
        return json_string(text);
    case 1:
        json_add_i64(json, name, number);
        return json_integer(number);
    case 2:
        json_add_bool(json, name, number & 1);
        return json_boolean(number & 1);
    case 3:
        json_add_null(json, name);
        return json_null();
    default:
        return write_level(json, name, seed, depth);
    }
}

static void writes_what_a_parser_reads_as_the_same(void **state)
{
    (void)state;
    uint64_t seed = 17;
    for (int i = 0; i < 2000; i++) {
        CLEANUP(buf_release) struct buf out = {0};
        struct json_writer json = json_writer_to(&out);
        json_t *wanted = write_value(&json, NULL, &seed, 0);
        json_writer_end(&json);
        json_t *read = json_loadb(out.data, out.len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
        assert_true(read && json_equal(read, wanted));
        json_decref(read);
        json_decref(wanted);
    }
}

// --- Faults of the program

static void item_without_a_level(struct json_writer *json)
{
    json_add_null(json, NULL);
    json_add_null(json, NULL);
}

static void member_without_a_name(struct json_writer *json)
{
    json_open_object(json, NULL);
    json_add_null(json, NULL);
}

static void item_with_a_name(struct json_writer *json)
{
    json_open_array(json, NULL);
    json_add_null(json, "name");
}

static void closed_once_too_often(struct json_writer *json)
{
    json_open_array(json, NULL);
    json_close(json);
    json_close(json);
}

static void left_open(struct json_writer *json)
{
    json_open_array(json, NULL);
    json_writer_end(json);
}

static void nested_too_deep(struct json_writer *json)
{
    for (int i = 0; i <= JSON_DEPTH_MAX; i++)
        json_open_array(json, NULL);
}

static void stops_the_program_where_it_does_not_nest(void **state)
{
    (void)state;
    void (*const faults[])(struct json_writer *) = {
        item_without_a_level, member_without_a_name, item_with_a_name, closed_once_too_often, left_open,
        nested_too_deep};
    for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
        pid_t child = fork();
        if (child == 0) {
            CLEANUP(buf_release) struct buf out = {0};
            struct json_writer json = json_writer_to(&out);
            setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
            close(STDERR_FILENO); // where the assertion would be told
            faults[i](&json);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_objects_and_arrays_with_members_of_each_type),
        cmocka_unit_test(takes_what_is_json_already_as_items),
        cmocka_unit_test(writes_what_a_parser_reads_as_the_same),
        cmocka_unit_test(stops_the_program_where_it_does_not_nest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
