// What a runner's machine has left on its disk: the spool's file and run.json, as `wrap --resume` finds them. What a
// spool says it holds must be there, and must be the same when it is opened again. The first byte says which file it
// is, and whether the checksums are made right, without which hardly anything would be looked at.
#include "runner/run_file.h"
#include "runner/spool_private.h"
#include "util/file.h"

#include <endian.h>
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#define HEAD_LEN       48u // of a slot, the checksum in its last 8 bytes
#define HEAD_SLOT_LEN  512u
#define CHUNK_FLAGS_AT 11u
#define RIGHT_SUMS     1
#define IS_RUN_FILE    2

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static char folder_path[] = "/dev/shm/fuzz-spool-XXXXXX";

static void remove_folder(void)
{
    static const char *const names[] = {SPOOL_FILE, "run.json"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s/%s", folder_path, names[i]);
        unlink(path);
    }
    rmdir(folder_path);
}

static const char *folder(void)
{
    static bool made;
    if (!made && (!mkdtemp(folder_path) || atexit(remove_folder) != 0))
        abort();
    made = true;
    return folder_path;
}

static void write_file(const char *name, const struct buf *content)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", folder(), name);
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0 && file_write_full(fd, content->data, content->len) == 0);
}

static void put_sum(char *out, uint64_t sum)
{
    sum = htole64(sum);
    memcpy(out, &sum, sizeof(sum));
}

// A chunk's own, behind its magic and version: docs/internals/chunk.md.
static void make_chunk_right(char *chunk, size_t len)
{
    const uint8_t *bytes = (const uint8_t *)chunk;
    if (len > CHUNK_FLAGS_AT)
        put_sum(chunk + 3, XXH3_64bits_withSeed(chunk + CHUNK_FLAGS_AT, len - CHUNK_FLAGS_AT,
                                                bytes[0] | (uint64_t)bytes[1] << 8 | (uint64_t)bytes[2] << 16));
}

static void make_sums_right(struct buf *file)
{
    for (size_t slot = 0; slot < 2; slot++) {
        char *head = file->data + slot * HEAD_SLOT_LEN;
        put_sum(head + HEAD_LEN - sizeof(uint64_t), XXH3_64bits(head, HEAD_LEN - sizeof(uint64_t)));
    }
    for (size_t at = SPOOL_DATA_START; file->len - at >= FRAME_OVERHEAD;) {
        const uint8_t *head = (const uint8_t *)file->data + at;
        struct frame frame;
        frame_head_decode(head, &frame);
        if (frame.len > file->len - at - FRAME_OVERHEAD)
            return;
        make_chunk_right(file->data + at + FRAME_HEAD_LEN, frame.len);
        put_sum(file->data + at + FRAME_HEAD_LEN + frame.len, frame_checksum(head, head + FRAME_HEAD_LEN, frame.len));
        at += frame.len + FRAME_OVERHEAD;
    }
}

// The two slots of the head, then the frames: without the bytes between them, which nobody reads.
static void write_spool(uint8_t flags, const uint8_t *data, size_t size)
{
    CLEANUP(buf_release) struct buf file = {0};
    static const char nothing[SPOOL_DATA_START];
    buf_append(&file, nothing, sizeof(nothing));
    for (size_t slot = 0; slot < 2; slot++) {
        size_t len = MIN(size, (size_t)HEAD_LEN);
        memcpy(file.data + slot * HEAD_SLOT_LEN, data, len);
        data += len;
        size -= len;
    }
    buf_append(&file, data, size);
    if (flags & RIGHT_SUMS)
        make_sums_right(&file);
    write_file(SPOOL_FILE, &file);
}

// False if a chunk of it cannot be had, which may be so for one whose checksum is right and whose bytes are not.
static bool read_all(struct spool *spool)
{
    for (uint64_t at = spool_first(spool); at < spool_next(spool);) {
        CLEANUP(chunk_unref) struct chunk *chunk = NULL;
        uint64_t first = 0;
        if (spool_read(spool, at, &first, &chunk) < 0)
            return false;
        check(first <= at && at - first < chunk_count(chunk));
        at = first + chunk_count(chunk);
        check(at <= spool_next(spool));
    }
    return true;
}

// A reader beside the writer sees what one who opens it sees. It looks at the head again only when nothing follows, so
// this is about one without any writer.
static void attach_spool(const struct spool_options *options, struct spool *opened)
{
    CLEANUP(spool_free) struct spool *spool = NULL;
    bool more = true;
    if (spool_attach(options, &spool) < 0)
        return;
    while (more)
        check(spool_follow(spool, &more) == 0);
    check(spool_first(spool) == spool_first(opened) && spool_next(spool) == spool_next(opened));
    check(spool_digest(spool) == spool_digest(opened));
    check(read_all(spool) == read_all(opened));
}

static void open_spool(void)
{
    struct spool_options options = {.dir = folder(), .bytes_max = 1024 * 1024};
    CLEANUP(spool_free) struct spool *spool = NULL;
    bool torn = false;
    if (spool_open(&options, &torn, &spool) < 0)
        return;
    uint64_t first = spool_first(spool), next = spool_next(spool), digest = spool_digest(spool);
    check(first <= next);
    bool whole = read_all(spool);
    spool_free(&spool);
    check(spool_open(&options, &torn, &spool) == 0 && !torn);
    check(spool_first(spool) == first && spool_next(spool) == next && spool_digest(spool) == digest);
    check(read_all(spool) == whole);
    attach_spool(&options, spool);
}

// What is taken is written as it is read.
static void load_run_file(const uint8_t *data, size_t size)
{
    CLEANUP(buf_release) struct buf content = {0};
    CLEANUP(buf_release) struct buf once = {0};
    CLEANUP(buf_release) struct buf again = {0};
    CLEANUP(run_file_release) struct run_file run = {0};
    buf_append(&content, data, size);
    write_file("run.json", &content);
    if (run_file_load(folder(), &run) < 0)
        return;
    run_file_append_json(&once, &run);
    run_file_release(&run);
    write_file("run.json", &once);
    check(run_file_load(folder(), &run) == 0);
    run_file_append_json(&again, &run);
    check(str_eq(buf_str(&once), buf_str(&again)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] & IS_RUN_FILE) {
        load_run_file(data + 1, size - 1);
        return 0;
    }
    write_spool(data[0], data + 1, size - 1);
    open_spool();
    return 0;
}
