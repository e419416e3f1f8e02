#include "runner/container/create.h"
#include "runner/container/frames.h"
#include "util/testing.h"

static void note(void *arg, enum record_stream stream, struct str bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        buf_printf(arg, "%c%c", stream == STREAM_STDOUT ? 'o' : 'e', bytes.data[i]);
}

#define FRAME(stream, len) stream "\0\0\0\0\0\0" len
#define BYTES(literal)                 \
    {                                  \
        (literal), sizeof(literal) - 1 \
    }

static void frames_are_taken_apart_however_they_are_cut(void **state)
{
    static const char bytes[] = FRAME("\1", "\3") "abc" FRAME("\2", "\2") "xy" FRAME("\1", "\0") FRAME("\1", "\1") "d";
    (void)state;
    for (size_t step = 1; step < sizeof(bytes); step++) {
        struct frames frames = {0};
        CLEANUP(buf_release) struct buf seen = {0};
        for (size_t at = 0; at < sizeof(bytes) - 1; at += step) {
            struct str piece = str_n(bytes + at, MIN(step, sizeof(bytes) - 1 - at));
            assert_int_equal(frames_feed(&frames, piece, note, &seen), 0);
        }
        assert_string_equal(buf_cstr(&seen), "oaobocexeyod");
        assert_true(frames_whole(&frames));
    }
}

static void a_cut_within_a_frame_is_told_from_one_between(void **state)
{
    static const char bytes[] = FRAME("\1", "\2") "ab";
    (void)state;
    for (size_t len = 0; len < sizeof(bytes); len++) {
        struct frames frames = {0};
        CLEANUP(buf_release) struct buf seen = {0};
        assert_int_equal(frames_feed(&frames, str_n(bytes, len), note, &seen), 0);
        assert_int_equal(frames_whole(&frames), len == 0 || len == sizeof(bytes) - 1);
    }
}

static void what_is_no_frame_is_refused_after_what_came_before(void **state)
{
    static const struct str wrong[] = {
        BYTES(FRAME("\0", "\1") "x"), BYTES(FRAME("\3", "\1") "x"),       BYTES("\1\1\0\0\0\0\0\1x"),
        BYTES("\1\0\0\0\1\0\0\1x"),   BYTES("\1\0\0\0\377\377\377\377x"),
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct frames frames = {0};
        CLEANUP(buf_release) struct buf seen = {0};
        CLEANUP(buf_release) struct buf bytes = {0};
        buf_append(&bytes, FRAME("\1", "\1") "a", 9);
        buf_append_str(&bytes, wrong[i]);
        assert_int_equal(frames_feed(&frames, buf_str(&bytes), note, &seen), ERR_MALFORMED);
        assert_string_equal(buf_cstr(&seen), "oa");
    }
}

static void an_image_is_pulled_by_its_name_and_one_tag_or_digest(void **state)
{
    static const char *const rows[][2] = {
        {"debian", "fromImage=debian&tag=latest"},
        {"debian:12", "fromImage=debian&tag=12"},
        {"host:5000/a/b", "fromImage=host%3A5000%2Fa%2Fb&tag=latest"},
        {"host:5000/a/b:1.2", "fromImage=host%3A5000%2Fa%2Fb&tag=1.2"},
        {"a/b@sha256:0f", "fromImage=a%2Fb&tag=sha256%3A0f"},
        {"a b&c", "fromImage=a%20b%26c&tag=latest"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(buf_release) struct buf target = {0};
        CLEANUP(free_ptr) char *wanted = xasprintf("/images/create?%s", rows[i][1]);
        container_pull_target(rows[i][0], &target);
        assert_string_equal(buf_cstr(&target), wanted);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_are_taken_apart_however_they_are_cut),
        cmocka_unit_test(a_cut_within_a_frame_is_told_from_one_between),
        cmocka_unit_test(what_is_no_frame_is_refused_after_what_came_before),
        cmocka_unit_test(an_image_is_pulled_by_its_name_and_one_tag_or_digest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
