// Regular expressions under a budget.
//
// PCRE2's match limit starts anew at each place where a match may begin, and it only tells that it was passed. So a
// text is tried in slices of such places, with a limit that begins low and is raised when it was too low. Each try is
// charged by places and limit. Some work is not counted by PCRE2 (runs of single characters). It shows in the thread's
// CPU time, which is charged too, from time to time.
#include "model/filter_private.h"

#include <time.h>

#define FIRST_LIMIT  64
#define LIMIT_GROWTH 8
#define HEAP_KIB     (8 * 1024)
#define SLICE_STEPS  (4u * 1024 * 1024)  // places × limit in one try
#define SLICE_BYTES  (64u * 1024 * 1024) // places × length of the text in one try
#define SLICE_LEAST  64
#define EASY_LIMIT   512
#define EASY_PLACES  ((size_t)16 * 1024) // in one try
#define NS_A_STEP    64                  // of the thread's CPU time
#define CLOCK_EACH   (64u * 1024)        // bytes of text between two readings of that time

// One pair of match data and match context for a run, because the limits belong to the context.
struct regex_state {
    pcre2_match_data *data;
    pcre2_match_context *ctx;
    uint64_t looked_ns;   // the thread's CPU time at the last reading
    uint64_t since_bytes; // bytes tried since then
};

static uint64_t thread_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

void filter_run_init(struct filter_run *run, const struct filter *filter, uint64_t steps)
{
    *run = (struct filter_run){.steps_left = steps};
    if (!filter || !filter->rules.regex)
        return;
    struct regex_state *state = xcalloc(1, sizeof(*state));
    state->data = pcre2_match_data_create(1, NULL);
    state->ctx = pcre2_match_context_create(NULL);
    if (!state->data || !state->ctx)
        abort();
    pcre2_set_heap_limit(state->ctx, HEAP_KIB);
    run->match_data = state;
}

void filter_run_release(struct filter_run *run)
{
    struct regex_state *state = run->match_data;
    if (state) {
        pcre2_match_data_free(state->data);
        pcre2_match_context_free(state->ctx);
        free(state);
    }
    buf_release(&run->scratch);
    chunk_unref(&run->chunk);
    *run = (struct filter_run){0};
}

static void charge(struct filter_run *run, uint64_t steps)
{
    run->steps_left -= MIN(run->steps_left, MAX(steps, (uint64_t)1));
}

static void charge_time(struct filter_run *run, size_t bytes)
{
    struct regex_state *state = run->match_data;
    bool first = state->looked_ns == 0;
    state->since_bytes += bytes;
    if (!first && state->since_bytes < CLOCK_EACH)
        return;
    uint64_t now = thread_ns();
    if (!first)
        run->steps_left -= MIN(run->steps_left, (now - state->looked_ns) / NS_A_STEP);
    state->looked_ns = now;
    state->since_bytes = 0;
}

// Returns the end of the slice that begins at `at`. It is a place where a character may begin.
static size_t slice_end(struct str text, size_t at, uint32_t limit, size_t most)
{
    size_t places = MIN(MAX(SLICE_STEPS / limit, (uint32_t)1), most);
    if (places >= text.len - at)
        return text.len;
    size_t end = at + places;
    while (end < text.len && ((unsigned char)text.data[end] & 0xc0) == 0x80)
        end++;
    return end;
}

// Makes one try. The machine code has a stack of its own; a match that needs more is left to the interpreter.
static int try_slice(const pcre2_code *regex, struct regex_state *state, struct str text, size_t at, size_t end)
{
    PCRE2_SPTR bytes = (PCRE2_SPTR)(text.data ? text.data : "");
    pcre2_set_offset_limit(state->ctx, end == text.len ? PCRE2_UNSET : end - 1);
    int result = pcre2_match(regex, bytes, text.len, at, 0, state->data, state->ctx);
    if (result == PCRE2_ERROR_JIT_STACKLIMIT)
        result = pcre2_match(regex, bytes, text.len, at, PCRE2_NO_JIT, state->data, state->ctx);
    return result;
}

int filter_regex_find(const pcre2_code *regex, struct filter_run *run, struct str text, size_t at, size_t reach,
                      size_t *ret_at, size_t *ret_end)
{
    struct regex_state *state = run->match_data;
    size_t most = MAX(SLICE_BYTES / MAX(reach, (size_t)1), (size_t)SLICE_LEAST);
    uint64_t limit = FIRST_LIMIT;
    charge_time(run, MIN(text.len, reach));
    while (run->steps_left > 0) {
        size_t end = slice_end(text, at, (uint32_t)limit, most);
        pcre2_set_match_limit(state->ctx, (uint32_t)limit);
        int result = try_slice(regex, state, text, at, end);
        const size_t *pair = pcre2_get_ovector_pointer(state->data);
        charge(run, ((result >= 0 ? MAX(pair[0], at) : end) - at) * (limit / FIRST_LIMIT));
        if (result >= 0) {
            *ret_at = pair[0];
            *ret_end = pair[1];
            return 1;
        }
        if (result == PCRE2_ERROR_NOMATCH && end == text.len)
            return 0;
        charge_time(run, CLOCK_EACH);
        if (result == PCRE2_ERROR_NOMATCH)
            at = end;
        else if (result == PCRE2_ERROR_MATCHLIMIT && limit < run->steps_left)
            limit = MIN(limit * LIMIT_GROWTH, (uint64_t)UINT32_MAX);
        else
            run->steps_left = 0; // any other limit of the library counts as a spent budget
    }
    *ret_at = at;
    return ERR_INVALID;
}

int filter_regex_find_easy(const pcre2_code *regex, struct filter_run *run, struct str text, size_t at, size_t reach,
                           size_t *ret_at)
{
    struct regex_state *state = run->match_data;
    const size_t most = MIN(EASY_PLACES, MAX(SLICE_BYTES / MAX(reach, (size_t)1), (size_t)SLICE_LEAST));
    size_t places = most;
    pcre2_set_match_limit(state->ctx, EASY_LIMIT);
    charge_time(run, MIN(text.len, reach));
    while (run->steps_left > 0) {
        size_t end = slice_end(text, at, EASY_LIMIT, places);
        int result = try_slice(regex, state, text, at, end);
        size_t reached = result >= 0 ? pcre2_get_ovector_pointer(state->data)[0] : end;
        charge(run, MAX(reached, at) - at);
        *ret_at = result >= 0 ? reached : at;
        if (result >= 0)
            return FILTER_FOUND;
        if (result == PCRE2_ERROR_NOMATCH && end == text.len)
            return FILTER_NONE;
        charge_time(run, end - at);
        if (result != PCRE2_ERROR_NOMATCH && places <= SLICE_LEAST)
            return FILTER_HARD;
        at = result == PCRE2_ERROR_NOMATCH ? end : at;
        places = result == PCRE2_ERROR_NOMATCH ? most : MAX(places / LIMIT_GROWTH, (size_t)SLICE_LEAST);
    }
    *ret_at = at;
    return ERR_INVALID;
}

int filter_regex_match(const pcre2_code *regex, struct filter_run *run, struct str text)
{
    size_t at, end;
    return filter_regex_find(regex, run, text, 0, text.len, &at, &end);
}
