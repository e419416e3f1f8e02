// The file of a spool and its index: the layout of the head and of frames, and reading chunks from memory or disk.
#include "runner/spool_private.h"

#include <endian.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#define HEAD_SLOTS    2u
#define HEAD_SLOT_LEN 512u // one sector: it is written completely or not at all, and the other slot stays
#define SCAN_STEP     ((size_t)1024 * 1024)

// All numbers are little-endian, as everywhere in the file.
struct head {
    char magic[8];
    uint64_t generation, offset, counter, digest;
    uint64_t checksum; // XXH3-64 of everything before it
};

#define HEAD_VERSION_AT 7 // in the magic

static const char head_magic[8] = "RNLSPL\0\1";

static uint64_t head_checksum(const struct head *head)
{
    return XXH3_64bits(head, offsetof(struct head, checksum));
}

static int pwrite_full(int fd, const void *data, size_t len, uint64_t offset)
{
    const char *at = data;
    while (len > 0) {
        ssize_t put = pwrite(fd, at, len, (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return -errno;
        at += put;
        len -= (size_t)put;
        offset += (uint64_t)put;
    }
    return 0;
}

// Reads up to `len` bytes. Reads fewer only at the end of the file.
ssize_t spool_pread(int fd, void *out, size_t len, uint64_t offset)
{
    size_t got = 0;
    while (got < len) {
        ssize_t step = pread(fd, (char *)out + got, len - got, (off_t)(offset + got));
        if (step < 0 && errno == EINTR)
            continue;
        if (step < 0)
            return -errno;
        if (step == 0)
            break;
        got += (size_t)step;
    }
    return (ssize_t)got;
}

int spool_head_write(int fd, uint64_t generation, const struct mark *start)
{
    struct head head = {
        .generation = htole64(generation),
        .offset = htole64(start->offset),
        .counter = htole64(start->counter),
        .digest = htole64(start->digest),
    };
    memcpy(head.magic, head_magic, sizeof(head.magic));
    head.checksum = htole64(head_checksum(&head));
    int err = pwrite_full(fd, &head, sizeof(head), generation % HEAD_SLOTS * HEAD_SLOT_LEN);
    return err < 0 ? err : fdatasync(fd) < 0 ? -EIO : 0;
}

static bool head_valid(const struct head *head)
{
    uint64_t offset = le64toh(head->offset);
    return memcmp(head->magic, head_magic, sizeof(head->magic)) == 0 &&
           le64toh(head->checksum) == head_checksum(head) && offset >= SPOOL_DATA_START && offset <= INT64_MAX;
}

// Of this it is known only that no byte of it may be touched. A version that writes anything else than this one does
// writes its head before it writes that.
static bool head_too_new(const struct head *head)
{
    return memcmp(head->magic, head_magic, HEAD_VERSION_AT) == 0 &&
           (uint8_t)head->magic[HEAD_VERSION_AT] > (uint8_t)head_magic[HEAD_VERSION_AT];
}

// Reads the newest complete slot. If there is none, nothing was ever trimmed.
int spool_head_read(struct spool *spool)
{
    for (unsigned i = 0; i < HEAD_SLOTS; i++) {
        struct head head;
        ssize_t got = spool_pread(spool->fd, &head, sizeof(head), (uint64_t)i * HEAD_SLOT_LEN);
        if (got < 0)
            return (int)got;
        if ((size_t)got >= sizeof(head.magic) && head_too_new(&head))
            return ERR_TOO_NEW;
        if ((size_t)got < sizeof(head) || !head_valid(&head) || le64toh(head.generation) <= spool->generation)
            continue;
        spool->generation = le64toh(head.generation);
        spool->start = (struct mark){le64toh(head.counter), le64toh(head.offset), le64toh(head.digest)};
    }
    return 0;
}

void frame_head_encode(const struct frame *frame, uint8_t out[FRAME_HEAD_LEN])
{
    uint32_t small[2] = {htole32(frame->len), htole32(frame->count)};
    uint64_t large[2] = {htole64(frame->first), htole64(frame->digest)};
    memcpy(out, small, sizeof(small));
    memcpy(out + sizeof(small), large, sizeof(large));
}

void frame_head_decode(const uint8_t head[FRAME_HEAD_LEN], struct frame *ret)
{
    uint32_t small[2];
    uint64_t large[2];
    memcpy(small, head, sizeof(small));
    memcpy(large, head + sizeof(small), sizeof(large));
    *ret = (struct frame){le32toh(small[0]), le32toh(small[1]), le64toh(large[0]), le64toh(large[1])};
}

uint64_t frame_checksum(const uint8_t head[FRAME_HEAD_LEN], const void *chunk, size_t len)
{
    return XXH3_64bits_withSeed(chunk, len, XXH3_64bits(head, FRAME_HEAD_LEN));
}

static bool frame_may_follow(const struct frame *frame, uint64_t first)
{
    return frame->first == first && frame->count > 0 && frame->count <= UINT64_MAX - first &&
           frame->len <= CHUNK_ENCODED_MAX;
}

// True if a complete frame with the expected counter begins at `data`.
bool frame_check(const uint8_t *data, size_t len, uint64_t first, struct frame *ret)
{
    uint64_t tail;
    if (len < FRAME_OVERHEAD)
        return false;
    frame_head_decode(data, ret);
    if (!frame_may_follow(ret, first) || len - FRAME_OVERHEAD < ret->len)
        return false;
    memcpy(&tail, data + FRAME_HEAD_LEN + ret->len, sizeof(tail));
    return le64toh(tail) == frame_checksum(data, data + FRAME_HEAD_LEN, ret->len);
}

void spool_mark(struct spool *spool, const struct mark *at)
{
    if (spool->mark_count > 0 && at->offset - spool->marks[spool->mark_count - 1].offset < spool->mark_step)
        return;
    if (spool->mark_count == spool->mark_capacity) {
        spool->mark_capacity = MAX(spool->mark_capacity * 2, (size_t)64);
        spool->marks = xrealloc(spool->marks, spool->mark_capacity * sizeof(*spool->marks));
    }
    spool->marks[spool->mark_count++] = *at;
}

int spool_scan(struct spool *spool, uint64_t *ret_size)
{
    struct stat info;
    if (fstat(spool->fd, &info) < 0)
        return -errno;
    *ret_size = (uint64_t)info.st_size;
    int err = spool_head_read(spool);
    if (err < 0)
        return err;
    spool->end = spool->start;

    // Holds the bytes [end.offset, end.offset + len). Any frame fits into it.
    CLEANUP(buf_release) struct buf window = {0};
    buf_reserve(&window, SCAN_STEP + CHUNK_ENCODED_MAX + FRAME_OVERHEAD);
    for (;;) {
        struct frame frame;
        size_t at = 0;
        while (frame_check((uint8_t *)window.data + at, window.len - at, spool->end.counter, &frame)) {
            spool_mark(spool, &spool->end);
            at += frame.len + FRAME_OVERHEAD;
            spool->end =
                (struct mark){frame.first + frame.count, spool->end.offset + frame.len + FRAME_OVERHEAD, frame.digest};
        }
        buf_consume(&window, at);
        ssize_t got = spool_pread(spool->fd, window.data + window.len, MIN(SCAN_STEP, window.cap - window.len),
                                  spool->end.offset + window.len);
        if (got < 0)
            return (int)got;
        if (got == 0)
            return 0;
        window.len += (size_t)got;
    }
}

int spool_cached(struct spool *spool, uint64_t counter, uint64_t *ret_first, struct chunk **ret)
{
    int err = ERR_NOT_FOUND;
    pthread_mutex_lock(&spool->lock);
    uint64_t low = spool->cache_head, high = spool->cache_tail;
    while (low < high) { // finds the first mark that begins above `counter`
        uint64_t middle = low + (high - low) / 2;
        if (spool->cache[middle % SPOOL_CACHE_CHUNKS].first <= counter)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > spool->cache_head) {
        const struct cached *found = &spool->cache[(low - 1) % SPOOL_CACHE_CHUNKS];
        if (counter - found->first < chunk_count(found->chunk)) {
            *ret_first = found->first;
            *ret = chunk_ref(found->chunk);
            err = 0;
        }
    }
    pthread_mutex_unlock(&spool->lock);
    return err;
}

// Where to begin the search for `counter`: at the frame after the last one read, or at the mark before it. Call with
// the lock.
static struct mark read_start(const struct spool *spool, uint64_t counter)
{
    size_t low = 0, high = spool->mark_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (spool->marks[middle].counter <= counter)
            low = middle + 1;
        else
            high = middle;
    }
    struct mark mark = low > 0 ? spool->marks[low - 1] : spool->start;
    return spool->hint.counter <= counter && spool->hint.counter > mark.counter ? spool->hint : mark;
}

static int frame_load(struct spool *spool, const struct mark *at, const struct frame *frame, struct chunk **ret)
{
    size_t size = frame->len + FRAME_OVERHEAD;
    struct frame again;
    CLEANUP(buf_release) struct buf data = {0};
    buf_reserve(&data, size);
    ssize_t got = spool_pread(spool->fd, data.data, size, at->offset);
    if (got < 0)
        return (int)got;
    if (!frame_check((uint8_t *)data.data, (size_t)got, at->counter, &again))
        return ERR_CORRUPT;
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    int err = chunk_decode_stored(data.data + FRAME_HEAD_LEN, again.len, &chunk);
    if (err == 0 && chunk_count(chunk) != again.count)
        err = ERR_CORRUPT; // the frame reaches beyond its own last record; to go on from it would come back to it
    if (err == 0)
        *ret = TAKE_PTR(chunk);
    return err;
}

static int read_from(struct spool *spool, struct mark at, uint64_t counter, struct mark *ret_at, struct mark *ret_after,
                     struct chunk **ret)
{
    for (;;) {
        uint8_t head[FRAME_HEAD_LEN];
        struct frame frame;
        ssize_t got = spool_pread(spool->fd, head, sizeof(head), at.offset);
        if (got < 0)
            return (int)got;
        if ((size_t)got < sizeof(head))
            return ERR_CORRUPT;
        frame_head_decode(head, &frame);
        if (!frame_may_follow(&frame, at.counter))
            return ERR_CORRUPT;
        struct mark after = {at.counter + frame.count, at.offset + frame.len + FRAME_OVERHEAD, frame.digest};
        if (counter < after.counter) {
            *ret_at = at;
            *ret_after = after;
            return frame_load(spool, &at, &frame, ret);
        }
        at = after;
    }
}

int spool_read(struct spool *spool, uint64_t counter, uint64_t *ret_first, struct chunk **ret)
{
    struct mark at = {0}, after = {0};
    if (spool_cached(spool, counter, ret_first, ret) == 0)
        return 0;
    pthread_mutex_lock(&spool->lock);
    bool held = counter >= spool->start.counter && counter < spool->end.counter;
    struct mark start = read_start(spool, counter);
    pthread_mutex_unlock(&spool->lock);
    if (!held)
        return ERR_NOT_FOUND;
    int err = read_from(spool, start, counter, &at, &after, ret);
    pthread_mutex_lock(&spool->lock);
    if (err < 0 && spool->attached)
        spool_head_read(spool); // whoever writes it may have given back what was to be read
    if (err == 0)
        spool->hint = after;
    else if (counter < spool->start.counter) // it was trimmed meanwhile
        err = ERR_NOT_FOUND;
    pthread_mutex_unlock(&spool->lock);
    if (err == 0)
        *ret_first = at.counter;
    return err;
}
