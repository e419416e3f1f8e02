#include "store/sqlite/file/wal_mark.h"

#include "util/clock.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <xxhash.h>

#define MAGIC UINT64_C(0x314b524d4c4e5252) // in the machine's byte order, like SQLite's index of the WAL

// It lies within one sector, so that it is written completely or not at all.
struct wal_mark_file {
    uint64_t magic;
    struct wal_claim claim;
    uint64_t hash;
};

static uint64_t hash_of(const struct wal_mark_file *file)
{
    return XXH3_64bits(file, offsetof(struct wal_mark_file, hash));
}

bool wal_mark_read(const char *path, struct wal_claim *ret)
{
    CLEANUP(buf_release) struct buf content = {0};
    struct wal_mark_file file;
    if (file_read_all(path, 4096, &content) < 0 || content.len != sizeof(file))
        return false;
    memcpy(&file, content.data, sizeof(file));
    if (file.magic != MAGIC || file.hash != hash_of(&file) ||
        !memchr(file.claim.incarnation, 0, sizeof(file.claim.incarnation)))
        return false;
    *ret = file.claim;
    return true;
}

static int mark_write(struct wal_mark *mark)
{
    if (mark->fd < 0)
        return 0;
    mark->claim.time_ms = clock_real_ms();
    struct wal_mark_file file = {.magic = MAGIC, .claim = mark->claim};
    file.hash = hash_of(&file);
    mark->claims = mark->claims || mark->claim.committed > 0;
    ssize_t put = pwrite(mark->fd, &file, sizeof(file), 0);
    return put == (ssize_t)sizeof(file) ? 0 : put < 0 ? -errno : -ENOSPC;
}

static int mark_write_durable(struct wal_mark *mark)
{
    int err = mark_write(mark);
    if (err < 0 || mark->fd < 0)
        return err;
    if (fdatasync(mark->fd) == 0) {
        mark->claims = mark->claim.committed > 0;
        return 0;
    }
    log_error(mark->logger, "fsync of the store's mark failed; ending the process", LOG_S("reason", strerror(errno)));
    abort(); // as for any fsync of the store
}

static int sync_folder(const char *path)
{
    CLEANUP(free_ptr) char *folder = xstrdup(path);
    char *slash = strrchr(folder, '/');
    if (slash)
        *(slash == folder ? slash + 1 : slash) = 0;
    return dir_sync(slash ? folder : ".");
}

int wal_mark_open(struct wal_mark *mark, const char *path, const struct wal_claim *claim, uint64_t page_size,
                  const struct logger *logger)
{
    *mark = (struct wal_mark){.fd = -1,
                              .logger = logger,
                              .claim = *claim,
                              .generation = claim->last,
                              .stored = claim->base,
                              .page_size = page_size,
                              .commit_end = claim->committed};
    bool there = access(path, F_OK) == 0;
    mark->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    int err = mark->fd < 0 ? -errno : mark_write_durable(mark);
    if (err == 0 && !there)
        err = sync_folder(path);
    if ((err == -ENOSPC || err == -EDQUOT) && !there) {
        log_warn(logger, "there is no room for the mark of the write-ahead log; what it would say is not known",
                 LOG_S("path", path));
        unlink(path);
        close_fd(&mark->fd);
        return 0;
    }
    return err;
}

void wal_mark_close(struct wal_mark *mark)
{
    close_fd(&mark->fd);
}

int wal_mark_settle(struct wal_mark *mark, const char *incarnation, uint64_t generation)
{
    struct wal_claim *claim = &mark->claim;
    memset(claim->incarnation, 0, sizeof(claim->incarnation));
    memcpy(claim->incarnation, incarnation, MIN(strlen(incarnation), sizeof(claim->incarnation) - 1));
    claim->lost = 0;
    claim->last = generation;
    mark->generation = mark->stored = generation;
    return mark_write_durable(mark);
}

static uint32_t word_at(const unsigned char *bytes)
{
    return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

int wal_mark_writing(struct wal_mark *mark, const void *data, size_t len, uint64_t offset)
{
    const unsigned char *bytes = data;
    struct wal_claim *claim = &mark->claim;
    if (offset == 0 && len == WAL_HEADER) {
        // A WAL begins again only when the database has everything of the one before.
        claim->former = claim->salts;
        claim->salts = (struct wal_salts){{word_at(bytes + 16), word_at(bytes + 20)}};
        claim->base = mark->stored;
        claim->last = mark->generation;
        claim->committed = mark->commit_end = 0;
        mark->page_size = word_at(bytes + 8);
        return mark_write_durable(mark);
    }
    // The second word of a frame's header is the size of the database after a commit; otherwise it is 0.
    if (len == WAL_FRAME_HEADER && offset >= WAL_HEADER && word_at(bytes + 4) != 0)
        mark->commit_end = offset + WAL_FRAME_HEADER + mark->page_size;
    return 0;
}

void wal_mark_synced(struct wal_mark *mark)
{
    struct wal_claim *claim = &mark->claim;
    if (claim->committed == mark->commit_end)
        return;
    bool risen = claim->last != mark->generation;
    claim->committed = mark->commit_end;
    claim->last = mark->stored = mark->generation;
    // Without the mark, a start knows less. The commit is valid all the same.
    if (risen)
        mark_write_durable(mark);
    else
        mark_write(mark);
}

int wal_mark_cutting(struct wal_mark *mark, uint64_t size)
{
    if (!mark->claims || (size > 0 && size >= mark->claim.committed))
        return 0;
    mark->claim.committed = mark->commit_end = 0;
    return mark_write_durable(mark);
}

void wal_mark_moved(struct wal_mark *mark)
{
    mark->claim.committed = mark->commit_end = 0;
    mark_write(mark);
}
