#include "runner/delivery_private.h"
#include "runner/spool_private.h"
#include "util/file.h"
#include "util/testing.h"

#include <endian.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

struct fixture {
    char *root, *dir, *file;
};

static uint64_t held(const struct spool *spool)
{
    return spool->end.offset - spool->start.offset;
}

static int setup(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->root = xasprintf("%s/runnel-spool-XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(fixture->root));
    fixture->dir = xasprintf("%s/spool/exec_1", fixture->root);
    fixture->file = xasprintf("%s/spool", fixture->dir);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *command = xasprintf("rm -rf '%s'", fixture->root);
    assert_int_equal(system(command), 0);
    free(fixture->file);
    free(fixture->dir);
    free(fixture->root);
    free(fixture);
    return 0;
}

// `count` records that say their own counter; random bytes behind it, so that they do not compress.
static struct chunk *make_chunk(uint64_t first, unsigned count, size_t message_len)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (unsigned i = 0; i < count; i++) {
        uint64_t seed = first + i;
        CLEANUP(buf_release) struct buf message = {0};
        buf_append_u64(&message, first + i);
        while (message.len < message_len) {
            uint64_t word = test_random(&seed) | 0x8080808080808080; // no newline among them
            buf_append(&message, &word, sizeof(word));
        }
        struct record record = {.time_ms = 1000, .stream = STREAM_STDOUT, .message = buf_str(&message)};
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    }
    return chunk_builder_finish(builder, 1);
}

static int append(struct spool *spool, unsigned count, size_t message_len)
{
    CLEANUP(chunk_unref) struct chunk *chunk = make_chunk(spool_next(spool), count, message_len);
    return spool_append(spool, chunk);
}

static void assert_holds(struct spool *spool, uint64_t counter)
{
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    uint64_t first;
    struct record record;
    char expected[24];
    assert_int_equal(spool_read(spool, counter, &first, &chunk), 0);
    assert_true(first <= counter && counter < first + chunk_count(chunk));
    chunk_record(chunk, (uint32_t)(counter - first), &record);
    snprintf(expected, sizeof(expected), "%llu", (unsigned long long)counter);
    assert_memory_equal(record.message.data, expected, strlen(expected));
}

static struct spool *create(const struct fixture *fixture, uint64_t bytes_max)
{
    struct spool *spool = NULL;
    assert_int_equal(spool_create(&(struct spool_options){.dir = fixture->dir, .bytes_max = bytes_max}, &spool), 0);
    return spool;
}

static struct spool *reopen(const struct fixture *fixture, bool expect_torn)
{
    struct spool *spool = NULL;
    bool torn;
    assert_int_equal(spool_open(&(struct spool_options){.dir = fixture->dir, .bytes_max = UINT64_MAX}, &torn, &spool),
                     0);
    assert_int_equal(torn, expect_torn);
    return spool;
}

static void what_was_appended_is_there_after_a_restart(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *spool = create(fixture, UINT64_MAX);
    uint64_t digest = 0;
    for (unsigned count = 1; count <= 5; count++) {
        CLEANUP(chunk_unref) struct chunk *chunk = make_chunk(spool_next(spool), count, 10);
        digest = chunk_digest(chunk, digest);
        assert_int_equal(spool_append(spool, chunk), 0);
    }
    assert_int_equal(spool_next(spool), 15);
    assert_int_equal(spool_synced(spool), 0);
    assert_int_equal(spool_sync(spool), 0);
    assert_int_equal(spool_synced(spool), 15);
    spool_free(&spool);

    spool = reopen(fixture, false);
    assert_int_equal(spool_first(spool), 0);
    assert_int_equal(spool_next(spool), 15);
    assert_int_equal(spool_digest(spool), digest);
    for (uint64_t i = 15; i-- > 0;)
        assert_holds(spool, i);
    uint64_t first;
    struct chunk *chunk = NULL;
    assert_int_equal(spool_read(spool, 15, &first, &chunk), ERR_NOT_FOUND);
    assert_int_equal(append(spool, 3, 10), 0);
    assert_holds(spool, 17);
    spool_free(&spool);
}

static void an_empty_spool_can_be_opened(void **state)
{
    struct spool *spool = create(*state, UINT64_MAX);
    spool_free(&spool);
    spool = reopen(*state, false);
    assert_int_equal(spool_next(spool), 0);
    assert_int_equal(append(spool, 1, 1), 0);
    spool_free(&spool);
    spool = reopen(*state, false);
    assert_int_equal(spool_next(spool), 1);
    spool_free(&spool);
}

static void write_file(const char *path, const struct buf *content, size_t len)
{
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_TRUNC | O_CREAT, 0600);
    assert_true(fd >= 0);
    assert_int_equal(file_write_full(fd, content->data, len), 0);
}

static void a_torn_tail_is_cut_off_at_every_byte(void **state)
{
    const struct fixture *fixture = *state;
    CLEANUP(buf_release) struct buf content = {0};
    struct spool *spool = create(fixture, UINT64_MAX);
    assert_int_equal(append(spool, 2, 20), 0);
    uint64_t digest = spool_digest(spool);
    size_t whole = 4096 + (size_t)held(spool);
    assert_int_equal(append(spool, 3, 20), 0);
    spool_free(&spool);
    assert_int_equal(file_read_all(fixture->file, 1 << 20, &content), 0);

    for (size_t len = whole; len < content.len; len++) {
        write_file(fixture->file, &content, len);
        spool = reopen(fixture, len > whole);
        assert_int_equal(spool_next(spool), 2);
        assert_int_equal(spool_digest(spool), digest);
        assert_holds(spool, 1);
        spool_free(&spool);
        spool = reopen(fixture, false); // it stays cut off
        spool_free(&spool);
    }
    for (size_t at = whole; at < content.len; at++) {
        content.data[at] ^= 0x10;
        write_file(fixture->file, &content, content.len);
        content.data[at] ^= 0x10;
        spool = reopen(fixture, true);
        assert_int_equal(spool_next(spool), 2);
        spool_free(&spool);
    }
}

static void a_head_that_points_into_itself_is_none(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *spool = create(fixture, UINT64_MAX);
    assert_int_equal(append(spool, 3, 40), 0);
    spool_free(&spool);
    CLEANUP(close_fd) int fd = open(fixture->file, O_RDWR | O_CLOEXEC);
    static const uint64_t offsets[] = {0, 16, SPOOL_DATA_START - 1, UINT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
        assert_int_equal(spool_head_write(fd, i + 1, &(struct mark){.offset = offsets[i]}), 0);
        spool = reopen(fixture, false);
        assert_int_equal(spool_next(spool), 3);
        assert_holds(spool, 2);
        spool_free(&spool);
    }
}

// Nothing of such a file may be taken for torn.
static void a_spool_of_a_newer_version_is_left_as_it_is(void **state)
{
    const struct fixture *fixture = *state;
    CLEANUP(buf_release) struct buf content = {0};
    struct spool *spool = create(fixture, UINT64_MAX);
    assert_int_equal(append(spool, 3, 40), 0);
    spool_free(&spool);
    assert_int_equal(file_read_all(fixture->file, 1 << 20, &content), 0);
    content.data[SPOOL_DATA_START] ^= 1; // its frames are others, too
    for (size_t slot = 0; slot < 2; slot++) {
        CLEANUP(buf_release) struct buf after = {0};
        bool torn = false;
        memset(content.data, 0, SPOOL_DATA_START);
        memcpy(content.data + slot * 512, "RNLSPL\0\2 whatever follows", 26);
        write_file(fixture->file, &content, content.len);
        assert_int_equal(spool_open(&(struct spool_options){.dir = fixture->dir}, &torn, &spool), ERR_TOO_NEW);
        assert_int_equal(file_read_all(fixture->file, 1 << 20, &after), 0);
        assert_true(str_eq(buf_str(&after), buf_str(&content)));
    }
}

// Otherwise whoever reads on behind its last record comes to the same chunk again.
static void a_frame_that_counts_other_records_than_it_has_is_corrupt(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *spool = create(fixture, UINT64_MAX);
    struct chunk *chunk = NULL;
    uint64_t first;
    assert_int_equal(append(spool, 3, 40), 0);
    spool_free(&spool);

    uint8_t bytes[4096];
    CLEANUP(close_fd) int fd = open(fixture->file, O_RDWR | O_CLOEXEC);
    ssize_t len = pread(fd, bytes, sizeof(bytes), SPOOL_DATA_START);
    assert_true(len > (ssize_t)FRAME_OVERHEAD);
    struct frame frame;
    frame_head_decode(bytes, &frame);
    frame.count = 4;
    frame_head_encode(&frame, bytes);
    uint64_t sum = htole64(frame_checksum(bytes, bytes + FRAME_HEAD_LEN, frame.len));
    memcpy(bytes + FRAME_HEAD_LEN + frame.len, &sum, sizeof(sum));
    assert_int_equal(pwrite(fd, bytes, (size_t)len, SPOOL_DATA_START), len);

    spool = reopen(fixture, false);
    assert_int_equal(spool_next(spool), 4);
    assert_int_equal(spool_read(spool, 3, &first, &chunk), ERR_CORRUPT);
    spool_free(&spool);
}

static void a_live_spool_cannot_be_opened(void **state)
{
    const struct fixture *fixture = *state;
    struct spool_options options = {.dir = fixture->dir, .bytes_max = UINT64_MAX};
    struct spool *spool = create(fixture, UINT64_MAX), *other = NULL;
    bool torn;
    assert_int_equal(spool_open(&options, &torn, &other), ERR_HELD);
    assert_int_equal(spool_create(&options, &other), ERR_HELD);
    spool_free(&spool);
    assert_int_equal(spool_create(&options, &other), ERR_CONFLICT);
    assert_int_equal(spool_open(&options, &torn, &spool), 0);
    spool_remove(&spool);
    assert_int_equal(spool_open(&options, &torn, &other), ERR_NOT_FOUND);
    assert_int_equal(access(fixture->dir, F_OK), -1);
}

static uint64_t disk_bytes(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (uint64_t)info.st_blocks * 512;
}

static ino_t inode_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return info.st_ino;
}

// By way of another name.
static void vacate(const struct fixture *fixture, struct spool **spool)
{
    CLEANUP(free_ptr) char *name = xasprintf("%s.vacant", fixture->dir);
    assert_int_equal(spool_vacate(spool, name), 0);
    assert_int_equal(access(fixture->dir, F_OK), -1);
    assert_int_equal(rename(name, fixture->dir), 0);
    assert_int_equal(access(fixture->file, F_OK), -1); // nothing has begun there
}

static void the_file_of_an_empty_spool_is_had_by_the_next_one_and_no_other_is(void **state)
{
    const struct fixture *fixture = *state;
    CLEANUP(free_ptr) char *spare = xasprintf("%s/.spool", fixture->dir);
    CLEANUP(free_ptr) char *beside = xasprintf("%s/beside", fixture->dir);
    struct spool *spool = create(fixture, UINT64_MAX);
    ino_t first = inode_of(fixture->file);
    vacate(fixture, &spool);
    spool = create(fixture, UINT64_MAX);
    assert_int_equal(inode_of(fixture->file), first);
    assert_int_equal(append(spool, 3, 30), 0);
    vacate(fixture, &spool);
    assert_int_equal(access(spare, F_OK), -1); // it has held something
    spool = create(fixture, UINT64_MAX);
    assert_int_equal(append(spool, 2, 30), 0);
    spool_free(&spool);
    spool = reopen(fixture, false);
    assert_int_equal(spool_next(spool), 2);
    assert_holds(spool, 1);
    vacate(fixture, &spool);

    // Not one that somebody has written into, or that has another name.
    spool = create(fixture, UINT64_MAX);
    assert_int_equal(append(spool, 5, 30), 0);
    spool_free(&spool);
    assert_int_equal(rename(fixture->file, spare), 0);
    spool = create(fixture, UINT64_MAX);
    assert_int_equal(spool_next(spool), 0);
    assert_int_equal(disk_bytes(fixture->file), 0);
    vacate(fixture, &spool);
    assert_int_equal(link(spare, beside), 0);
    spool = create(fixture, UINT64_MAX);
    assert_true(inode_of(fixture->file) != inode_of(beside));
    spool_free(&spool);
}

static void a_full_spool_takes_more_after_acks(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *spool = create(fixture, 100000);
    unsigned appended = 0;
    while (append(spool, 10, 100) == 0)
        appended++;
    assert_in_range(appended, 50, 100);
    assert_true(held(spool) <= 100000);
    assert_int_equal(append(spool, 10, 100), ERR_STORE_FULL);
    uint64_t next = spool_next(spool);
    assert_int_equal(next, appended * 10);

    spool_acked(spool, next / 2);
    assert_int_equal(append(spool, 10, 100), 0);
    assert_true(spool_first(spool) > 0);
    assert_true(spool_first(spool) <= next / 2);
    assert_holds(spool, spool_first(spool));
    while (append(spool, 10, 100) == 0)
        ;
    spool_acked(spool, spool_next(spool));
    assert_int_equal(append(spool, 100, 900), 0); // needs nearly all of the room
    spool_free(&spool);
}

static void acked_frames_become_a_hole_and_the_rest_stays(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *spool = create(fixture, 2000000);
    uint64_t first;
    struct chunk *chunk = NULL;
    while (held(spool) < 1500000)
        assert_int_equal(append(spool, 100, 100), 0);
    assert_int_equal(spool_sync(spool), 0);
    assert_int_equal(spool_first(spool), 0);
    uint64_t before = disk_bytes(fixture->file), digest = spool_digest(spool), next = spool_next(spool);
    spool_acked(spool, next);
    assert_int_equal(spool_trim(spool), 0);
    assert_true(spool_first(spool) > 0);
    assert_true(held(spool) <= 1000000 + 65536);
    assert_true(disk_bytes(fixture->file) + 400000 < before);
    uint64_t left = spool_first(spool);
    spool_free(&spool);

    spool = reopen(fixture, false);
    assert_int_equal(spool_first(spool), left);
    assert_int_equal(spool_next(spool), next);
    assert_int_equal(spool_digest(spool), digest);
    assert_int_equal(spool_read(spool, left - 1, &first, &chunk), ERR_NOT_FOUND);
    for (uint64_t i = left; i < next; i += 7)
        assert_holds(spool, i);
    spool_free(&spool);
}

static void old_frames_are_read_from_disk(void **state)
{
    struct spool *spool = create(*state, UINT64_MAX);
    uint64_t first;
    struct chunk *chunk = NULL;
    for (unsigned i = 0; i < 6000; i++)
        assert_int_equal(append(spool, 2, 40), 0);
    assert_int_equal(spool_cached(spool, 0, &first, &chunk), ERR_NOT_FOUND);
    assert_int_equal(spool_cached(spool, 11999, &first, &chunk), 0);
    chunk_unref(&chunk);
    uint64_t seed = 3;
    for (unsigned i = 0; i < 500; i++)
        assert_holds(spool, test_random(&seed) % 12000);
    for (uint64_t i = 0; i < 12000; i++)
        assert_holds(spool, i);
    spool_free(&spool);
}

static void limit_file_size(rlim_t size)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = size;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

// An empty line takes two bytes: the number of records is reached before the size.
static void what_is_read_to_be_sent_stays_within_a_chunk(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *spool = create(fixture, UINT64_MAX);
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (unsigned i = 0; i < 3; i++) {
        for (unsigned j = 0; j < 30000; j++)
            chunk_builder_add(builder, &(struct record){.time_ms = 1000});
        CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 1);
        assert_int_equal(spool_append(spool, chunk), 0);
    }
    uint64_t next = 0;
    while (next < 90000) {
        struct read_job job = {.spool = spool, .from = next};
        read_job_work(&job.job);
        assert_int_equal(job.err, 0);
        assert_int_equal(job.first, next);
        next += chunk_count(job.chunk);
        chunk_unref(&job.chunk);
    }
    assert_int_equal(next, 90000);
    spool_free(&spool);
}

static void a_full_disk_loses_nothing_that_was_appended(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *spool = create(fixture, UINT64_MAX);
    signal(SIGXFSZ, SIG_IGN);
    limit_file_size(50000);
    unsigned appended = 0;
    while (append(spool, 10, 100) == 0)
        appended++;
    assert_in_range(appended, 10, 50);
    assert_int_equal(append(spool, 10, 100), ERR_STORE_FULL);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(spool_next(spool), appended * 10);
    assert_int_equal(append(spool, 10, 100), 0);
    spool_free(&spool);
    spool = reopen(fixture, false);
    assert_int_equal(spool_next(spool), appended * 10 + 10);
    assert_holds(spool, appended * 10);
    spool_free(&spool);
}

static void a_disk_with_no_room_for_a_head_ends_nothing(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *spool = create(fixture, UINT64_MAX);
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(append(spool, 10, 100), 0);
    spool_acked(spool, 10);
    limit_file_size(100); // a head lies behind that
    for (int i = 0; i < 2; i++)
        assert_int_equal(append(spool, 10, 100), ERR_STORE_FULL); // which has tried to give room back
    assert_int_equal(spool_trim(spool), 0);
    limit_file_size(RLIM_INFINITY);
    assert_int_equal(append(spool, 10, 100), 0);
    assert_int_equal(spool_sync(spool), 0);
    spool_free(&spool);
    spool = reopen(fixture, false);
    assert_int_equal(spool_next(spool), 20);
    spool_free(&spool);
}

static struct spool *attach(const struct fixture *fixture)
{
    struct spool *spool = NULL;
    assert_int_equal(spool_attach(&(struct spool_options){.dir = fixture->dir, .bytes_max = UINT64_MAX}, &spool), 0);
    return spool;
}

static void follow(struct spool *spool)
{
    bool more = true;
    while (more)
        assert_int_equal(spool_follow(spool, &more), 0);
}

static void another_process_reads_a_spool_as_it_grows(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *reader = NULL;
    assert_int_equal(spool_attach(&(struct spool_options){.dir = fixture->dir}, &reader), ERR_NOT_FOUND);
    struct spool *writer = create(fixture, UINT64_MAX);
    reader = attach(fixture);
    follow(reader);
    assert_int_equal(spool_next(reader), 0);
    for (unsigned i = 1; i <= 20; i++) {
        assert_int_equal(append(writer, i, 10 * i), 0);
        follow(reader);
        assert_int_equal(spool_next(reader), spool_next(writer));
        assert_int_equal(spool_digest(reader), spool_digest(writer));
    }
    uint64_t first;
    struct chunk *chunk = NULL;
    assert_int_equal(spool_cached(reader, spool_next(reader) - 1, &first, &chunk), 0); // what is new is in memory
    chunk_unref(&chunk);
    for (uint64_t i = spool_next(reader); i-- > 0;)
        assert_holds(reader, i);
    spool_free(&reader);
    spool_free(&writer);
}

static void a_backlog_is_followed_in_steps_and_read_from_disk(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *writer = create(fixture, UINT64_MAX);
    while (held(writer) < 5000000)
        assert_int_equal(append(writer, 200, 1000), 0);
    struct spool *reader = attach(fixture);
    bool more = false;
    assert_int_equal(spool_follow(reader, &more), 0);
    assert_true(more);
    assert_true(spool_next(reader) > 0 && spool_next(reader) < spool_next(writer));
    follow(reader);
    assert_int_equal(spool_next(reader), spool_next(writer));
    assert_int_equal(spool_digest(reader), spool_digest(writer));
    for (uint64_t i = 0; i < spool_next(reader); i += 17)
        assert_holds(reader, i);
    spool_free(&reader);
    spool_free(&writer);
}

static void a_frame_that_is_half_there_is_waited_for_at_every_byte(void **state)
{
    const struct fixture *fixture = *state;
    CLEANUP(buf_release) struct buf content = {0};
    struct spool *spool = create(fixture, UINT64_MAX);
    assert_int_equal(append(spool, 2, 20), 0);
    size_t whole = 4096 + (size_t)held(spool);
    assert_int_equal(append(spool, 3, 20), 0);
    spool_free(&spool);
    assert_int_equal(file_read_all(fixture->file, 1 << 20, &content), 0);
    write_file(fixture->file, &content, whole);
    spool = attach(fixture);
    CLEANUP(close_fd) int fd = open(fixture->file, O_WRONLY | O_CLOEXEC);
    for (size_t at = whole; at < content.len; at++) {
        follow(spool);
        assert_int_equal(spool_next(spool), 2);
        assert_int_equal(pwrite(fd, content.data + at, 1, (off_t)at), 1);
    }
    follow(spool);
    assert_int_equal(spool_next(spool), 5);
    assert_holds(spool, 4);
    spool_free(&spool);
}

static void a_reader_knows_by_the_head_what_was_given_back(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *writer = create(fixture, 2000000), *reader = attach(fixture);
    uint64_t first;
    struct chunk *chunk = NULL;
    while (held(writer) < 500000)
        assert_int_equal(append(writer, 100, 100), 0);
    follow(reader);
    uint64_t seen = spool_next(reader);
    while (held(writer) < 1500000)
        assert_int_equal(append(writer, 100, 100), 0);
    spool_acked(writer, spool_next(writer)); // to another reader
    assert_int_equal(spool_sync(writer), 0);
    uint64_t left = spool_first(writer);
    assert_true(left > 100);
    // What it asks for is gone, and it says so.
    reader->hint = (struct mark){0};
    while (reader->cache_head < reader->cache_tail)
        chunk_unref(&reader->cache[reader->cache_head++ % SPOOL_CACHE_CHUNKS].chunk);
    assert_int_equal(spool_read(reader, 50, &first, &chunk), ERR_NOT_FOUND);
    assert_int_equal(spool_first(reader), left);
    follow(reader);
    assert_int_equal(spool_next(reader), spool_next(writer));
    assert_true(seen < spool_next(reader));
    assert_holds(reader, left);

    // Whoever attaches now begins there, also when all that it knew has gone.
    struct spool *late = attach(fixture);
    assert_int_equal(spool_first(late), left);
    follow(late);
    assert_int_equal(spool_digest(late), spool_digest(writer));
    while (append(writer, 100, 100) == 0)
        ;
    spool_acked(writer, spool_next(writer));
    assert_int_equal(append(writer, 1000, 1000), 0); // gives back all that was acked
    uint64_t digest;
    follow(late);
    assert_int_equal(spool_start(late, &digest), spool_first(writer));
    assert_int_equal(spool_next(late), spool_next(writer));
    assert_int_equal(spool_digest(late), spool_digest(writer));
    spool_free(&late);
    spool_free(&reader);
    spool_free(&writer);
}

static void a_spool_is_adopted_once_its_writer_has_gone(void **state)
{
    const struct fixture *fixture = *state;
    struct spool *writer = create(fixture, UINT64_MAX), *reader = attach(fixture), *other = NULL;
    bool torn;
    assert_int_equal(append(writer, 3, 30), 0);
    assert_int_equal(spool_adopt(reader), ERR_HELD);
    assert_int_equal(append(writer, 3, 30), 0);
    spool_free(&writer);
    CLEANUP(close_fd) int fd = open(fixture->file, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_int_equal(write(fd, "half", 4), 4);
    assert_int_equal(spool_adopt(reader), 0);
    assert_int_equal(spool_next(reader), 6);
    assert_int_equal(spool_open(&(struct spool_options){.dir = fixture->dir, .bytes_max = 1}, &torn, &other), ERR_HELD);
    assert_int_equal(append(reader, 2, 30), 0);
    assert_int_equal(spool_sync(reader), 0);
    assert_holds(reader, 7);
    CLEANUP(free_ptr) char *below = xasprintf("%s/work", fixture->dir);
    assert_int_equal(mkdir(below, 0700), 0);
    spool_remove(&reader);
    assert_int_equal(access(fixture->dir, F_OK), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_appended_is_there_after_a_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(an_empty_spool_can_be_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(a_torn_tail_is_cut_off_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(a_head_that_points_into_itself_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(a_spool_of_a_newer_version_is_left_as_it_is, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_that_counts_other_records_than_it_has_is_corrupt, setup, teardown),
        cmocka_unit_test_setup_teardown(a_live_spool_cannot_be_opened, setup, teardown),
        cmocka_unit_test_setup_teardown(the_file_of_an_empty_spool_is_had_by_the_next_one_and_no_other_is, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_full_spool_takes_more_after_acks, setup, teardown),
        cmocka_unit_test_setup_teardown(acked_frames_become_a_hole_and_the_rest_stays, setup, teardown),
        cmocka_unit_test_setup_teardown(old_frames_are_read_from_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_read_to_be_sent_stays_within_a_chunk, setup, teardown),
        cmocka_unit_test_setup_teardown(another_process_reads_a_spool_as_it_grows, setup, teardown),
        cmocka_unit_test_setup_teardown(a_backlog_is_followed_in_steps_and_read_from_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(a_frame_that_is_half_there_is_waited_for_at_every_byte, setup, teardown),
        cmocka_unit_test_setup_teardown(a_reader_knows_by_the_head_what_was_given_back, setup, teardown),
        cmocka_unit_test_setup_teardown(a_spool_is_adopted_once_its_writer_has_gone, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_nothing_that_was_appended, setup, teardown),
        cmocka_unit_test_setup_teardown(a_disk_with_no_room_for_a_head_ends_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
