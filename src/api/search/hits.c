// The records of hits. They are read again: a search keeps nothing but numbers.
#include "api/search/hits.h"

#define STEPS_MIN UINT64_C(100000)

struct hits {
    struct hits_ask ask;
    struct store_read read;
    size_t at; // the next number
    uint64_t steps;
};

// --- On the reader's thread

// How long a text is as JavaScript counts, when it is sent as JSON.
static uint64_t utf16_length(struct str text)
{
    uint64_t length = 0;
    for (size_t at = 0; at < text.len;) {
        int step = utf8_step(text.data + at, text.len - at);
        length += step == 4 ? 2 : 1;
        at += (size_t)(step < 0 ? -step : step);
    }
    return length;
}

struct stretch {
    size_t from, to;
};

// Returns how many matches were found.
static size_t find_matches(struct hits *hits, struct filter_run *run, struct str text,
                           struct stretch matches[HIT_RANGES_MAX])
{
    size_t count = 0, at = 0;
    while (count < HIT_RANGES_MAX) {
        struct stretch *match = &matches[count];
        if (filter_find_text(hits->ask.filter, run, text, at, &match->from, &match->to) != 1)
            break;
        at = MAX(match->to, match->from + 1);
        count += match->to > match->from;
    }
    return count;
}

// The part of a message that is shown: all of it, or what lies around the first match.
static struct stretch shown_part(struct str text, size_t first)
{
    if (text.len <= HIT_TEXT_MAX)
        return (struct stretch){0, text.len};
    size_t from = first > HIT_TEXT_MAX / 4 ? first - HIT_TEXT_MAX / 4 : 0;
    while (from > 0 && ((unsigned char)text.data[from] & 0xc0) == 0x80 && first - from < HIT_TEXT_MAX / 2)
        from--;
    return (struct stretch){from, from + utf8_prefix(text.data + from, text.len - from, HIT_TEXT_MAX)};
}

static void add_matches(struct json_writer *json, struct str text, struct stretch part, const struct stretch *matches,
                        size_t count)
{
    json_open_array(json, "ranges");
    for (size_t i = 0; i < count; i++) {
        if (matches[i].from < part.from || matches[i].to > part.to)
            continue;
        json_open_array(json, NULL);
        json_add_u64(json, NULL, utf16_length(str_n(text.data + part.from, matches[i].from - part.from)));
        json_add_u64(json, NULL, utf16_length(str_n(text.data + part.from, matches[i].to - part.from)));
        json_close(json);
    }
    json_close(json);
}

static void add_hit(struct hits *hits, struct filter_run *run, const struct record *record, uint64_t sequence)
{
    struct stretch matches[HIT_RANGES_MAX];
    struct str text = record->message.len > 0 ? record->message : STR("");
    size_t count = find_matches(hits, run, text, matches);
    struct stretch part = shown_part(text, count > 0 ? matches[0].from : 0);
    if (hits->ask.out->len > 0)
        buf_append_byte(hits->ask.out, ',');
    struct json_writer json = json_writer_to(hits->ask.out);
    json_open_object(&json, NULL);
    if (hits->ask.execution_id)
        json_add_text(&json, "execution_id", hits->ask.execution_id);
    json_add_u64(&json, "sequence_number", sequence);
    json_add_time(&json, "timestamp", record->time_ms);
    json_add_text(&json, "stream", record_stream_name(record->stream));
    json_add_text(&json, "level", record_level_name(record_level_of(record)));
    json_add_str(&json, "message", str_n(text.data + part.from, part.to - part.from));
    json_add_bool(&json, "cut", part.to - part.from < text.len);
    add_matches(&json, text, part, matches, count);
    json_close(&json);
    json_writer_end(&json);
}

static int write_segment(struct hits *hits, struct store_segment *segment, struct filter_run *run)
{
    uint64_t end = segment->first + chunk_count(segment->chunk);
    int err = chunk_open(&segment->chunk);
    while (err == 0 && hits->at < hits->ask.count && hits->ask.numbers[hits->at] < end) {
        uint64_t sequence = hits->ask.numbers[hits->at++];
        if (sequence < segment->first)
            continue; // it is gone
        struct record record;
        chunk_record(segment->chunk, (uint32_t)(sequence - segment->first), &record);
        add_hit(hits, run, &record, sequence);
    }
    return err;
}

static void hits_process(struct store_op *op)
{
    struct hits *hits = CONTAINER_OF(op, struct hits, read.op);
    struct store_read *read = &hits->read;
    struct filter_run run;
    if (op->err)
        return;
    size_t before = hits->at;
    // When the steps are spent, matches are missing, and not hits.
    filter_run_init(&run, hits->ask.filter, hits->steps);
    for (size_t i = 0; i < read->ret_count && op->err == 0; i++)
        op->err = write_segment(hits, &read->ret_segments[i], &run);
    filter_run_release(&run);
    hits->at += op->err == 0 && hits->at == before; // it is gone
    store_read_forget(read);
}

// --- On the loop

static void hits_read(struct hits *hits);

static void hits_end(struct hits *hits, int err)
{
    const struct hits_ask ask = hits->ask;
    free(hits);
    ask.done(ask.arg, err);
    call_unref(ask.call);
}

static void hits_done(struct store_op *op)
{
    struct hits *hits = CONTAINER_OF(op, struct hits, read.op);
    int err = op->err;
    store_op_release(op);
    if (err == 0 && hits->at < hits->ask.count && hits->ask.call->request)
        hits_read(hits);
    else
        hits_end(hits, err);
}

static void hits_read(struct hits *hits)
{
    struct call *call = hits->ask.call;
    hits->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = call->api->options.loop,
               .done = hits_done,
               .process = hits_process,
               .account = call->principal.account},
        .row = hits->ask.row,
        .from = hits->ask.numbers[hits->at],
        .max_bytes = 1, // one chunk: the next hit may be far away
        .closed = true,
    };
    store_submit(call->api->options.store, &hits->read.op);
}

void hits_write(const struct hits_ask *ask)
{
    if (ask->count == 0) {
        ask->done(ask->arg, 0);
        return;
    }
    struct hits *hits = xcalloc(1, sizeof(*hits));
    hits->ask = *ask;
    hits->steps = MAX(ask->call->api->limits->regex_steps, STEPS_MIN);
    call_ref(ask->call);
    hits_read(hits);
}
