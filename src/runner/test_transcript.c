// What streams say becomes records; with texts to mask, and what waits for its newline meanwhile.
#include "model/secret.h"
#include "runner/transcript.h"
#include "util/testing.h"

struct fixture {
    struct transcript *transcript;
    struct mask *mask;
    struct buf log; // "out:text\n"; ~ instead of the newline of a partial one
};

static int append(void *arg, const struct chunk *chunk)
{
    static const char *const streams[] = {"out", "err", "event"};
    struct fixture *fixture = arg;
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        buf_printf(&fixture->log, "%s:%.*s%s", streams[record.stream], STR_ARGS(record.message),
                   record.partial ? "~" : "\n");
    }
    return 0;
}

static void begin(struct fixture *fixture, const char *secret, size_t message_max)
{
    *fixture = (struct fixture){.mask = mask_new()};
    secret_add_forms(fixture->mask, str_of(secret));
    mask_seal(fixture->mask);
    fixture->transcript = transcript_new(&(struct transcript_options){
        .message_max = message_max, .mask = fixture->mask, .append = append, .arg = fixture});
}

static void end(struct fixture *fixture)
{
    transcript_free(&fixture->transcript);
    mask_free(&fixture->mask);
    buf_release(&fixture->log);
}

static void say(struct fixture *fixture, enum record_stream stream, const char *text)
{
    transcript_feed(fixture->transcript,
                    &(struct transcript_bytes){.stream = stream, .data = text, .len = strlen(text), .time_ms = 1});
}

// A turn at that time.
static void settle(struct fixture *fixture, uint64_t mono_ms)
{
    transcript_settle(fixture->transcript, mono_ms);
    transcript_flush(fixture->transcript);
}

static void the_beginning_of_a_secret_does_not_become_a_partial_record(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, "hunter2", 1000);
    say(&fixture, STREAM_STDOUT, "pw: hunt");
    settle(&fixture, 5);
    assert_int_equal(transcript_due_ms(fixture.transcript), 5 + TRANSCRIPT_PARTIAL_MS);
    settle(&fixture, 5 + TRANSCRIPT_PARTIAL_MS);
    assert_str(buf_str(&fixture.log), "out:pw: ~");
    assert_int_equal(transcript_due_ms(fixture.transcript), 0); // what is held waits for no time
    settle(&fixture, 100 * TRANSCRIPT_PARTIAL_MS);
    say(&fixture, STREAM_STDERR, "er2\n"); // another stream is no end of it
    say(&fixture, STREAM_STDOUT, "er2\nhunter\n");
    settle(&fixture, 200 * TRANSCRIPT_PARTIAL_MS);
    assert_str(buf_str(&fixture.log), "out:pw: ~err:er2\nout:***\nout:hunter\n");
    end(&fixture);
}

static void what_was_held_at_the_end_of_a_stream_is_recorded(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, "hunter2", 1000);
    say(&fixture, STREAM_STDOUT, "a hunt");
    say(&fixture, STREAM_STDERR, "hunter2");
    transcript_end(fixture.transcript, STREAM_STDOUT, 2);
    transcript_end(fixture.transcript, STREAM_STDERR, 2);
    transcript_flush(fixture.transcript);
    assert_str(buf_str(&fixture.log), "out:a hunt~err:***~");
    end(&fixture);
}

static void a_long_line_is_cut_after_it_was_masked(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, "0123456789abcdef", 8);
    say(&fixture, STREAM_STDOUT, "xxxxxx0123456789abcdefyyyyyy\n");
    transcript_add(fixture.transcript,
                   &(struct record){.stream = STREAM_EVENT, .message = STR("zzzzzz0123456789abcdef.")});
    transcript_flush(fixture.transcript);
    assert_str(buf_str(&fixture.log), "out:xxxxxx**~out:*yyyyyy\nevent:zzzzzz**~event:*.\n");
    end(&fixture);
}

static void a_line_of_a_secret_of_several_lines_is_masked_at_once(void **state)
{
    (void)state;
    struct fixture fixture;
    begin(&fixture, "first line\nab\nlast line\n", 1000);
    say(&fixture, STREAM_STDOUT, "first line\n");
    settle(&fixture, 5);
    settle(&fixture, 5 + TRANSCRIPT_PARTIAL_MS);
    assert_str(buf_str(&fixture.log), "out:***~"); // whether its newline belongs to it is open
    say(&fixture, STREAM_STDOUT, "ab\nlast line\n");
    settle(&fixture, 6 + TRANSCRIPT_PARTIAL_MS);
    assert_str(buf_str(&fixture.log), "out:***~out:\n"); // one mark for all of it
    end(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_beginning_of_a_secret_does_not_become_a_partial_record),
        cmocka_unit_test(what_was_held_at_the_end_of_a_stream_is_recorded),
        cmocka_unit_test(a_long_line_is_cut_after_it_was_masked),
        cmocka_unit_test(a_line_of_a_secret_of_several_lines_is_masked_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
