// Reading a spool that another process writes. Of what it does to the file: it appends frames, of which a part may be
// seen; it cuts off a frame that could not be written; and it gives back acked frames from the front, of which the head
// tells first.
#include "runner/spool_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define FOLLOW_STEP ((uint64_t)1024 * 1024)
#define FRAME_MAX   (CHUNK_ENCODED_MAX + FRAME_OVERHEAD)

int spool_attach(const struct spool_options *options, struct spool **ret)
{
    CLEANUP(spool_free) struct spool *spool = spool_alloc(options);
    CLEANUP(free_ptr) char *path = xasprintf("%s/" SPOOL_FILE, options->dir);
    spool->attached = true;
    spool->fd = open(path, O_RDWR | O_CLOEXEC); // to be written only once it is adopted
    if (spool->fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : -errno;
    int err = spool_head_read(spool);
    if (err < 0)
        return err;
    spool->end = spool->start;
    *ret = TAKE_PTR(spool);
    return 0;
}

// What comes now is asked for at once, so it is kept in memory; a backlog is read when its turn comes.
static void take_frame(struct spool *spool, const struct frame *frame, const uint8_t *data, bool keep)
{
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    struct mark at = spool->end;
    if (keep && chunk_decode_stored(data + FRAME_HEAD_LEN, frame->len, &chunk) == 0 &&
        chunk_count(chunk) != frame->count)
        chunk_unref(&chunk); // whoever reads it from the file finds that out
    pthread_mutex_lock(&spool->lock);
    spool_mark(spool, &at);
    if (chunk)
        spool_cache_add(spool, at.counter, chunk);
    spool->end = (struct mark){at.counter + frame->count, at.offset + frame->len + FRAME_OVERHEAD, frame->digest};
    pthread_mutex_unlock(&spool->lock);
}

// The number of frames, or -errno.
static int take_frames(struct spool *spool, uint64_t len, bool keep)
{
    CLEANUP(buf_release) struct buf window = {0};
    buf_reserve(&window, len);
    ssize_t got = spool_pread(spool->fd, window.data, len, spool->end.offset);
    if (got < 0)
        return (int)got;
    const uint8_t *data = (const uint8_t *)window.data;
    size_t at = 0;
    int count = 0;
    struct frame frame;
    while (frame_check(data + at, (size_t)got - at, spool->end.counter, &frame)) {
        take_frame(spool, &frame, data + at, keep);
        at += frame.len + FRAME_OVERHEAD;
        count++;
    }
    return count;
}

// What comes next was acked to another reader, and has been given back.
static bool jump_to_start(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    bool jumps = spool_head_read(spool) == 0 && spool->start.counter > spool->end.counter;
    if (jumps)
        spool->end = spool->start;
    pthread_mutex_unlock(&spool->lock);
    return jumps;
}

int spool_follow(struct spool *spool, bool *ret_more)
{
    struct stat info;
    *ret_more = false;
    if (fstat(spool->fd, &info) < 0)
        return -errno;
    uint64_t size = (uint64_t)info.st_size;
    if (size <= spool->end.offset)
        return 0;
    uint64_t there = size - spool->end.offset;
    bool near = there <= FOLLOW_STEP;
    int count = take_frames(spool, MIN(there, FOLLOW_STEP), near);
    if (count == 0 && !near)
        count = take_frames(spool, MIN(there, (uint64_t)FRAME_MAX), false);
    if (count < 0)
        return count;
    *ret_more = count > 0 ? !near : jump_to_start(spool);
    return 0;
}

int spool_adopt(struct spool *spool)
{
    bool more = true;
    if (flock(spool->fd, LOCK_EX | LOCK_NB) < 0)
        return errno == EWOULDBLOCK ? ERR_HELD : -errno;
    while (more) {
        int err = spool_follow(spool, &more);
        if (err < 0)
            return err;
    }
    spool->attached = false;
    struct stat info;
    if (fstat(spool->fd, &info) < 0)
        return -errno;
    if (info.st_nlink == 0)
        return ERR_NOT_FOUND; // delivered and deleted by another process meanwhile
    if ((uint64_t)info.st_size > spool->end.offset && ftruncate(spool->fd, (off_t)spool->end.offset) < 0)
        return -errno;
    return 0;
}
