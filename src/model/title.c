#include "model/title.h"

static void append_word(struct buf *title, struct str word)
{
    if (title->len > 0)
        buf_append_byte(title, ' ');
    buf_append(title, word.data, MIN(word.len, (size_t)TITLE_MAX)); // the rest would be cut in any case
}

static void append_words(struct buf *title, const json_t *words)
{
    for (size_t i = 0; i < json_array_size(words) && title->len < TITLE_MAX; i++) {
        const json_t *word = json_array_get(words, i);
        append_word(title, str_n(json_string_value(word), json_string_length(word)));
    }
}

void title_append(struct buf *out, const struct title_parts *parts)
{
    CLEANUP(buf_release) struct buf title = {0};
    if (parts->name && *parts->name) {
        append_word(&title, str_of(parts->name));
    } else if (json_array_size(parts->command) > 0) {
        append_words(&title, parts->command);
    } else if (parts->script && *parts->script) {
        append_word(&title, str_of(parts->script));
        append_words(&title, parts->args);
    }
    buf_append(out, title.data, utf8_prefix(title.data, title.len, TITLE_MAX));
}
