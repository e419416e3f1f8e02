// bench-chunk [LINES_PER_CHUNK]
// Makes, reads, refines and searches chunks of a million lines in memory, and prints figures as one JSON object.
// docs/internals/chunk.md says what came of it.
#include "model/chunk.h"

#include "model/filter.h"
#include "model/search.h"

#include <stdio.h>
#include <time.h>

#define LINES      1000000u
#define NEEDLES    1000u
#define LEVEL      1
#define LEVEL_KEPT 6

// Of this thread: others on the machine do not count.
static uint64_t cpu_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return (uint64_t)time.tv_sec * 1000000000 + (uint64_t)time.tv_nsec;
}

struct bench {
    struct chunk **chunks;
    size_t count;
    uint32_t per_chunk;
    uint64_t text_bytes;
};

static uint32_t number_of(uint32_t i)
{
    return i * 2654435761u ^ i >> 3;
}

static struct str line_of(uint32_t i, char *text, size_t size)
{
    static const char *const words[] = {"accepted", "processed", "rejected", "queued", "retried", "flushed"};
    uint32_t number = number_of(i);
    int len = snprintf(text, size, "2025-11-15 10:%02u:%02u.%03u INFO  worker-%u %s item %08x in %u ms (%s)",
                       i / 60000 % 60, i / 1000 % 60, i % 1000, number >> 28, words[number >> 8 & 3], number,
                       number >> 20 & 0xff, number % 17 ? "ok" : "retry");
    return str_n(text, (size_t)len);
}

static double encode_all(struct bench *bench, int level)
{
    struct chunk_builder *builder = chunk_builder_new();
    uint64_t start = cpu_ns();
    char text[160];
    bench->count = 0;
    bench->text_bytes = 0;
    for (uint32_t i = 0; i < LINES; i++) {
        const struct record record = {.time_ms = 1763200000000 + i, .message = line_of(i, text, sizeof(text))};
        chunk_builder_add(builder, &record);
        bench->text_bytes += record.message.len + 1;
        if ((i + 1) % bench->per_chunk == 0 || i + 1 == LINES)
            bench->chunks[bench->count++] = chunk_builder_finish(builder, level);
    }
    chunk_builder_free(&builder);
    return (double)(cpu_ns() - start) / 1e9;
}

static double decode_all(const struct bench *bench, size_t *ret_memory)
{
    uint64_t start = cpu_ns();
    *ret_memory = 0;
    for (size_t i = 0; i < bench->count; i++) {
        struct chunk *chunk = NULL;
        struct str encoded = chunk_encoded(bench->chunks[i]);
        if (chunk_decode_stored(encoded.data, encoded.len, &chunk) < 0)
            abort();
        *ret_memory += chunk_memory(chunk);
        chunk_unref(&chunk);
    }
    return (double)(cpu_ns() - start) / 1e9;
}

static size_t encoded_bytes(const struct bench *bench)
{
    size_t bytes = 0;
    for (size_t i = 0; i < bench->count; i++)
        bytes += chunk_encoded(bench->chunks[i]).len;
    return bytes;
}

static void forget_all(struct bench *bench)
{
    for (size_t i = 0; i < bench->count; i++)
        chunk_unref(&bench->chunks[i]);
}

#ifndef BASE
static double refine_all(struct bench *bench)
{
    uint64_t start = cpu_ns();
    for (size_t i = 0; i < bench->count; i++) {
        struct chunk *refined = chunk_refine(bench->chunks[i]);
        chunk_unref(&bench->chunks[i]);
        bench->chunks[i] = refined;
    }
    return (double)(cpu_ns() - start) / 1e9;
}

static struct filter *filter_of(const char *name, const char *text)
{
    struct filter_builder *builder = filter_builder_new();
    struct filter *filter = NULL;
    const char *reason;
    bool taken;
    filter_builder_offer(builder, str_of(name), str_of(text), &taken, &reason);
    if (filter_builder_finish(builder, &filter, &reason) < 0)
        abort();
    filter_builder_free(&builder);
    return filter;
}

// Chunks, of a hundred, that are not passed over although they do not hold the text.
static double passes(const struct bench *bench, const char *before, const char *after)
{
    size_t passed = 0;
    for (uint32_t i = 0; i < NEEDLES; i++) {
        char text[100];
        snprintf(text, sizeof(text), "%s%08x%s", before, number_of(LINES * 2 + i * 37), after);
        struct filter *filter = filter_of("grep", text);
        for (size_t c = i % 17; c < bench->count; c += 17)
            passed += !filter_excludes_texts(filter, bench->chunks[c]);
        filter_unref(&filter);
    }
    size_t asked = NEEDLES * (bench->count / 17);
    return 100.0 * (double)passed / (double)asked;
}

static double close_all(const struct bench *bench)
{
    struct filter *filter = filter_of("grep", "OutOfMemoryError");
    uint64_t start = cpu_ns();
    size_t passed = 0;
    for (size_t i = 0; i < bench->count; i++) {
        struct chunk *chunk = NULL;
        struct str encoded = chunk_encoded(bench->chunks[i]);
        if (chunk_decode_closed(encoded.data, encoded.len, &chunk) < 0)
            abort();
        passed += !filter_excludes_texts(filter, chunk);
        chunk_unref(&chunk);
    }
    filter_unref(&filter);
    fprintf(stderr, "%zu of %zu not passed over\n", passed, bench->count);
    return (double)(cpu_ns() - start) / 1e9;
}

static double scan_all(const struct bench *bench)
{
    struct filter *filter = filter_of("grep", "OutOfMemoryError");
    uint64_t start = cpu_ns();
    size_t found = 0;
    for (size_t i = 0; i < bench->count; i++) {
        struct chunk *chunk = NULL;
        struct str encoded = chunk_encoded(bench->chunks[i]);
        if (chunk_decode_stored(encoded.data, encoded.len, &chunk) < 0)
            abort();
        for (uint32_t r = 0; r < chunk_count(chunk); r++) {
            struct record record;
            chunk_record(chunk, r, &record);
            found += filter_match_text(filter, NULL, record.message) == 1;
        }
        chunk_unref(&chunk);
    }
    filter_unref(&filter);
    return (double)(cpu_ns() - start) / 1e9 + (double)found;
}

// Counts the lines that match, by a search over closed chunks.
static double search_all(const struct bench *bench, const char *name, const char *text)
{
    struct filter *filter = filter_of(name, text);
    const struct search_ask ask = {.filter = filter, .to = UINT64_MAX};
    uint64_t start = cpu_ns(), first = 0;
    struct search *search = search_new(&ask, 0);
    for (size_t i = 0; i < bench->count; i++) {
        struct chunk *chunk = NULL;
        struct filter_run run;
        struct str encoded = chunk_encoded(bench->chunks[i]);
        filter_run_init(&run, filter, UINT64_MAX / 2);
        if (chunk_decode_closed(encoded.data, encoded.len, &chunk) < 0 || search_feed(search, &run, &chunk, first) < 0)
            abort();
        first += chunk_count(chunk);
        chunk_unref(&chunk);
        filter_run_release(&run);
    }
    double seconds = (double)(cpu_ns() - start) / 1e9;
    fprintf(stderr, "%s=%s: %llu hits, %.3f s\n", name, text, (unsigned long long)search_found(search)->count, seconds);
    search_free(&search);
    filter_unref(&filter);
    return seconds;
}
#endif

int main(int argc, char **argv)
{
    struct bench bench = {.per_chunk = 3000};
    uint64_t per_chunk;
    size_t memory;
    if (argc > 1 && str_to_u64(str_of(argv[1]), &per_chunk) && per_chunk > 0)
        bench.per_chunk = (uint32_t)per_chunk;
    bench.chunks = xcalloc(LINES / bench.per_chunk + 1, sizeof(struct chunk *));
    double encode = encode_all(&bench, LEVEL);
    printf("{\"lines_per_chunk\": %u, \"bytes_per_line\": %.2f, \"encode_s\": %.3f", bench.per_chunk,
           (double)encoded_bytes(&bench) / LINES, encode);
    double best = 1e9;
    for (int i = 0; i < 5; i++)
        best = MIN(best, decode_all(&bench, &memory));
    printf(", \"decode_s\": %.4f, \"memory_per_line\": %.2f", best, (double)memory / LINES);
#ifndef BASE
    forget_all(&bench);
    double kept = encode_all(&bench, LEVEL_KEPT);
    size_t before = encoded_bytes(&bench);
    double refine = refine_all(&bench);
    size_t after = encoded_bytes(&bench);
    printf(", \"encode_kept_s\": %.3f, \"kept_bytes_per_line\": %.2f, \"refine_s\": %.3f, \"derived_bytes_per_line\": "
           "%.2f",
           kept, (double)before / LINES, refine, (double)(after - before) / LINES);
    printf(", \"scan_s\": %.3f, \"closed_s\": %.4f", scan_all(&bench), close_all(&bench));
    printf(", \"search_rare_s\": %.4f, \"search_none_s\": %.4f, \"search_common_s\": %.4f, \"search_regex_s\": %.4f",
           search_all(&bench, "grep", "OutOfMemoryError"), search_all(&bench, "grep", "1234abcd"),
           search_all(&bench, "grep", "worker"), search_all(&bench, "regex", "item [0-9a-f]+0f0f in"));
    printf(", \"search_regex_classes_s\": %.4f", search_all(&bench, "regex", "[a-z]+ed [a-z]+ [0-9]{8} "));
    printf(", \"passed_id_pct\": %.2f, \"passed_id_between_pct\": %.2f, \"passed_word_pct\": %.2f",
           passes(&bench, "", ""), passes(&bench, "item ", " in"), passes(&bench, "Error: ", ""));
#endif
    printf("}\n");
    forget_all(&bench);
    free(bench.chunks);
    return 0;
}
