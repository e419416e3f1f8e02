#include "runner/buffering.h"
#include "util/testing.h"

#define QUIET BUFFERING_QUIET_MS

struct step {
    uint64_t waited_ms;
    size_t len;
    char last;
};

static const struct {
    const char *name;
    struct step steps[4];
    uint64_t to_end_ms; // after the last
    bool at_read, at_end;
} cases[] = {
    {"nothing", {{0}}, 60000, false, false},
    {"a line now and then", {{3000, 60, '\n'}, {3000, 60, '\n'}, {3000, 60, '\n'}}, 0, false, false},
    {"much, at once", {{10, 60000, '\n'}}, 0, false, false},
    {"a result of a few lines", {{QUIET, BUFFERING_LITTLE - 1, '\n'}}, 0, false, false},
    {"what is left in a buffer at the end", {{QUIET, BUFFERING_LITTLE, '\n'}}, 0, false, true},
    {"the same in two reads", {{QUIET, 2000, 'x'}, {1, 2000, '\n'}}, 10, false, true},
    {"a silence that is not long", {{QUIET - 1, 5000, '\n'}}, 0, false, false},
    {"more than a buffer holds", {{QUIET, BUFFERING_MUCH, '\n'}, {1, 1, '\n'}}, 0, false, false},
    {"all that a buffer holds", {{QUIET, BUFFERING_MUCH, '\n'}}, 0, false, true},
    {"much, and then it goes on", {{QUIET, 5000, '\n'}, {2000, 60, '\n'}}, 0, false, false},
    {"much, and the end is later", {{QUIET, 5000, '\n'}}, BUFFERING_AT_END_MS + 1, false, false},
    {"a full buffer in the middle", {{QUIET, 4096, 'x'}, {2000, 60, '\n'}}, 60000, true, false},
    {"a larger one", {{QUIET, 8192, 'x'}}, 60000, true, false},
    {"whole lines that have its size", {{QUIET, 8192, '\n'}}, 60000, false, false},
    {"another size", {{QUIET, 8191, 'x'}}, 60000, false, false},
    {"a full buffer without a silence", {{QUIET - 1, 4096, 'x'}}, 60000, false, false},
    {"a second silence", {{QUIET, 10, '\n'}, {QUIET, 3000, '\n'}}, 0, false, true},
    {"only the last silence counts", {{QUIET, 60000, '\n'}, {QUIET, 100, '\n'}}, 0, false, false},
};

static void what_is_kept_back_is_told_from_silence(void **state)
{
    static char data[BUFFERING_MUCH];
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct buffering buffering = {0};
        uint64_t now = 1000000;
        bool at_read = false;
        for (size_t j = 0; j < ARRAY_LEN(cases[i].steps) && cases[i].steps[j].len > 0; j++) {
            const struct step *step = &cases[i].steps[j];
            now += step->waited_ms;
            data[step->len - 1] = step->last;
            at_read |= buffering_read(&buffering, now, step->waited_ms, data, step->len);
        }
        bool at_end = buffering_ended(&buffering, now + cases[i].to_end_ms);
        if (at_read != cases[i].at_read || at_end != cases[i].at_end)
            fail_msg("%s: at a read %d, at the end %d", cases[i].name, at_read, at_end);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_kept_back_is_told_from_silence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
