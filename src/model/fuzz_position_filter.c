// Query parameters, one `name=value` a line, to positions and filters; then the filter is used. The first byte picks
// the route.
#include "model/filter.h"
#include "model/position.h"

#define NOW     1763202615123
#define STEPS   20000
#define PADDING 1200 // records of 30 bytes

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void use_filter(struct filter *filter, struct str text)
{
    struct chunk_builder *builder = chunk_builder_new();
    struct record records[] = {
        {.time_ms = NOW, .message = text},
        {.time_ms = NOW, .stream = STREAM_STDERR, .level = LEVEL_ERROR, .message = STR("aaaaaaaaaaaaaaaaaaaaaaaaaaab")},
        {.time_ms = NOW, .stream = STREAM_EVENT, .extra = STR("\"event_type\":\"a\",\"node_id\":\"n\\n\"")},
    };
    bool any = false;
    struct filter_run run;
    filter_run_init(&run, filter, STEPS);
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        check(chunk_builder_add(builder, &records[i]) == 0);
    // Enough of it to be given tokens.
    for (unsigned i = 0; i < PADDING; i++)
        check(chunk_builder_add(builder, &records[1]) == 0);
    struct chunk *plain = chunk_builder_finish(builder, 0), *chunk = chunk_refine(plain);
    for (uint32_t i = 0; i < ARRAY_LEN(records); i++) {
        bool fields = filter_match_fields(filter, &run, chunk, i, &records[i]);
        int result = fields ? filter_match_text(filter, &run, records[i].message) : 0;
        check(result == 0 || result == 1 || result == ERR_INVALID);
        any |= result == 1;
    }
    check(!any || (!filter_excludes_chunk(filter, chunk) && !filter_excludes_texts(filter, chunk)));
    chunk_unref(&plain);
    filter_run_release(&run);
    chunk_unref(&chunk);
    chunk_builder_free(&builder);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct str rest = str_n((const char *)data + 1, size - 1), text = rest;
    struct position_parser parser;
    struct filter_builder *builder = filter_builder_new();
    position_parser_init(&parser, (enum position_route)(data[0] % (POSITION_CLI + 1)), NOW);
    while (rest.len > 0) {
        struct str value = str_split(&rest, '\n'), name = str_split(&value, '=');
        bool by_position = false, by_filter = false;
        const char *reason = NULL;
        int err = position_parser_offer(&parser, name, value, &by_position);
        check(err == 0 || err == ERR_BAD_CURSOR || err == ERR_MALFORMED);
        err = filter_builder_offer(builder, name, value, &by_filter, &reason);
        check(err == 0 ? reason == NULL : err == ERR_INVALID && reason);
        check(!by_position || !by_filter);
    }
    check(parser.position.kind != POSITION_FROM || parser.set || parser.position.from == 0);
    struct filter *filter;
    const char *reason;
    check(filter_builder_finish(builder, &filter, &reason) == (reason ? ERR_INVALID : 0) && (!reason || !filter));
    use_filter(filter, text);
    filter_unref(&filter);
    filter_builder_free(&builder);
    return 0;
}
