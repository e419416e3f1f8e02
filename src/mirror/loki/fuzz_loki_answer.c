// Arbitrary answers of Loki to a query. What comes out is sorted, and within the answer.
#include "mirror/loki/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len == 0)
        return 0;
    const struct loki_ask ask = {
        .run = {STR("a"), STR("run")},
        .labels = data[0] % 2 ? LOKI_RUN : LOKI_FEW,
        .near = (uint64_t)data[0] << (data[0] % 40),
    };
    CLEANUP(loki_lines_release) struct loki_lines lines = {0};
    int err = loki_answer_read(str_n((const char *)data + 1, len - 1), &ask, &lines);
    must(err == 0 || err == ERR_MALFORMED);
    for (size_t i = 0; i < lines.count; i++) {
        const struct loki_line *line = &lines.items[i];
        const struct str parts[] = {line->text, line->node, line->stream, line->level};
        for (size_t k = 0; k < ARRAY_LEN(parts); k++)
            must(!parts[k].data || (parts[k].data >= lines.text.data &&
                                    parts[k].data + parts[k].len <= lines.text.data + lines.text.len));
        must(err || i == 0 || lines.items[i - 1].sequence <= line->sequence);
        must(err || line->time_ns <= lines.last_ns);
    }
    return 0;
}
