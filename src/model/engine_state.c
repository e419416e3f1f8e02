#include "model/engine_state.h"

static const struct state {
    const char *word;
    enum execution_status status;
    const char *event;
} states[] = {
#define STATE(word, status, event) {word, status, event},
    ENGINE_STATES(STATE)
#undef STATE
};

// The letters of a word, small, without what stands between its parts. Empty if it is too long for any.
struct letters {
    char text[ENGINE_STATE_MAX];
    size_t len;
};

static struct letters letters_of(struct str word)
{
    struct letters it = {0};
    for (size_t i = 0; i < word.len && word.len <= ENGINE_STATE_MAX; i++) {
        char byte = word.data[i];
        if (byte == '_' || byte == '-' || byte == ' ')
            continue;
        it.text[it.len++] = byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte;
    }
    return it;
}

static struct str after_prefix(struct str word)
{
    struct str prefix = STR("WORKFLOW_EXECUTION_STATUS_");
    bool has = str_starts(word, prefix);
    return has ? str_n(word.data + prefix.len, word.len - prefix.len) : word;
}

static bool same_letters(struct str a, struct str b)
{
    struct letters of_a = letters_of(a), of_b = letters_of(b);
    return of_a.len > 0 && str_eq(str_n(of_a.text, of_a.len), str_n(of_b.text, of_b.len));
}

static const struct state *find(struct str word)
{
    for (size_t i = 0; i < ARRAY_LEN(states); i++) {
        if (same_letters(after_prefix(word), str_of(states[i].word)))
            return &states[i];
    }
    return NULL;
}

bool engine_state_status(struct str word, enum execution_status *ret)
{
    const struct state *state = find(word);
    if (state)
        *ret = state->status;
    return state;
}

bool engine_state_is_own(struct str word)
{
    const struct state *state = find(word);
    return state && same_letters(after_prefix(word), str_of(status_word(state->status)));
}

struct str engine_state_event(struct str word)
{
    const struct state *state = find(word);
    return state && state->event ? str_of(state->event) : str_n(NULL, 0);
}
