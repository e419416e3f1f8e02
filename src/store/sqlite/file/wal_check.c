#include "store/sqlite/file/wal_check.h"

#include "store/sqlite/db.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define DATABASE_MAGIC  "SQLite format 3"
#define DATABASE_HEADER 100
#define WRITE_VERSION   18 // 1: rollback mode, 2: WAL
#define WAL_MAGIC       0x377f0682u
#define WAL_VERSION     3007000u
#define PAGE_SIZE_MAX   65536u

// --- Deciding

static bool salts_eq(struct wal_salts a, struct wal_salts b)
{
    return memcmp(&a, &b, sizeof(a)) == 0;
}

// Whether the database is the one that the mark was made for, at a time at which its WAL can follow.
static bool is_marked_one(const struct wal_facts *facts)
{
    const struct wal_claim *claim = &facts->claim;
    if (!facts->known)
        return true; // it is damaged, or a checkpoint was interrupted; then it needs its WAL
    bool same = !*claim->incarnation || !*facts->incarnation || strcmp(claim->incarnation, facts->incarnation) == 0;
    return same && facts->generation >= claim->base && facts->generation <= claim->last;
}

static uint64_t lost_of(const struct wal_facts *facts, uint64_t found)
{
    uint64_t lost = facts->claim.committed > found ? facts->claim.committed - found : 0;
    return MAX(lost, facts->claim.lost);
}

// For a database without a WAL. Another program may have moved all of the WAL to the database, which then has the
// newest generation.
static uint64_t lost_without(const struct wal_facts *facts)
{
    bool concerns = facts->marked && facts->database && !facts->rollback_mode && is_marked_one(facts);
    bool moved = facts->known && facts->generation == facts->claim.last;
    if (!concerns)
        return 0;
    return moved ? facts->claim.lost : lost_of(facts, 0);
}

struct wal_judgement wal_judge(const struct wal_facts *facts)
{
    const struct wal_claim *claim = &facts->claim;
    if (facts->wal_bytes == 0)
        return (struct wal_judgement){WAL_NONE, lost_without(facts)};
    if (!facts->database || facts->rollback_mode)
        return (struct wal_judgement){.verdict = WAL_OTHERS};
    if (!facts->wal_header) { // SQLite would begin it again
        uint64_t lost = lost_without(facts);
        return (struct wal_judgement){lost > 0 ? WAL_OTHERS : WAL_NONE, lost};
    }
    if (!facts->marked)
        return (struct wal_judgement){.verdict = WAL_ADOPTED};
    bool current = salts_eq(facts->salts, claim->salts);
    if (!current && !salts_eq(facts->salts, claim->former))
        return (struct wal_judgement){.verdict = WAL_UNKNOWN};
    if (!is_marked_one(facts))
        return (struct wal_judgement){.verdict = WAL_OTHERS};
    // With the header of the WAL before, nothing of this one is there.
    return (struct wal_judgement){WAL_OWN, lost_of(facts, current ? facts->wal_committed : 0)};
}

// --- Reading

struct wal_sum {
    uint32_t a, b;
    bool big_endian; // byte order of the words that are summed up
};

static uint32_t word_of(const unsigned char *at, bool big_endian)
{
    uint32_t big = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
    return big_endian ? big : __builtin_bswap32(big);
}

static void sum_add(struct wal_sum *sum, const unsigned char *bytes, size_t len)
{
    for (size_t at = 0; at < len; at += 8) {
        sum->a += word_of(bytes + at, sum->big_endian) + sum->b;
        sum->b += word_of(bytes + at + 4, sum->big_endian) + sum->a;
    }
}

static bool sum_is(const struct wal_sum *sum, const unsigned char *stored)
{
    return sum->a == word_of(stored, true) && sum->b == word_of(stored + 4, true);
}

static bool read_at(int fd, void *out, size_t len, uint64_t offset)
{
    return pread(fd, out, len, (off_t)offset) == (ssize_t)len;
}

static bool header_parse(const unsigned char *header, struct wal_sum *ret_sum, struct wal_facts *facts)
{
    uint32_t magic = word_of(header, true), page_size = word_of(header + 8, true);
    bool sane = (magic & ~1u) == WAL_MAGIC && word_of(header + 4, true) == WAL_VERSION && page_size >= 512 &&
                page_size <= PAGE_SIZE_MAX && (page_size & (page_size - 1)) == 0;
    *ret_sum = (struct wal_sum){.big_endian = magic & 1};
    sum_add(ret_sum, header, 24);
    if (!sane || !sum_is(ret_sum, header + 24))
        return false;
    facts->salts = (struct wal_salts){{word_of(header + 16, true), word_of(header + 20, true)}};
    facts->page_size = page_size;
    return true;
}

// Reads frame by frame, as SQLite's recovery does, to the last commit before the first damaged frame.
static void scan_wal(int fd, struct wal_facts *facts)
{
    unsigned char header[WAL_HEADER], frame[WAL_FRAME_HEADER];
    struct wal_sum sum;
    facts->wal_header = read_at(fd, header, sizeof(header), 0) && header_parse(header, &sum, facts);
    if (!facts->wal_header)
        return;
    facts->wal_committed = 0;
    CLEANUP(free_ptr) unsigned char *page = xmalloc(facts->page_size);
    uint64_t at = WAL_HEADER;
    while (read_at(fd, frame, sizeof(frame), at) && read_at(fd, page, facts->page_size, at + WAL_FRAME_HEADER)) {
        sum_add(&sum, frame, 8);
        sum_add(&sum, page, facts->page_size);
        bool same = memcmp(frame + 8, header + 16, 8) == 0;
        if (!same || word_of(frame, true) == 0 || !sum_is(&sum, frame + 16))
            return;
        at += WAL_FRAME_HEADER + facts->page_size;
        if (word_of(frame + 4, true) != 0)
            facts->wal_committed = at;
    }
}

// Makes a URI, so that SQLite ignores the WAL.
static void uri_of(const char *path, struct buf *ret)
{
    buf_append_text(ret, "file:");
    for (const char *at = path; *at; at++) {
        if (strchr("%?#", *at))
            buf_printf(ret, "%%%02x", (unsigned)(unsigned char)*at);
        else
            buf_append_byte(ret, *at);
    }
    buf_append_text(ret, "?immutable=1");
}

static int meta_text(sqlite3 *handle, const char *name, char *out, size_t size)
{
    CLEANUP(db_finalize) sqlite3_stmt *get = NULL;
    *out = 0;
    int rc = sqlite3_prepare_v2(handle, "SELECT value FROM meta WHERE name = ?1", -1, &get, NULL);
    if (rc != SQLITE_OK)
        return db_error_of(handle, rc);
    db_bind_text(get, 1, str_of(name));
    rc = db_row(get);
    if (rc == 1)
        snprintf(out, size, "%.*s", STR_ARGS(db_column_text(get, 0)));
    return rc < 0 ? rc : 0;
}

static void read_identity(const char *path, struct wal_facts *facts)
{
    CLEANUP(buf_release) struct buf uri = {0};
    sqlite3 *handle = NULL;
    char generation[24] = "";
    uri_of(path, &uri);
    int flags = SQLITE_OPEN_READONLY | SQLITE_OPEN_URI | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    facts->known = sqlite3_open_v2(buf_cstr(&uri), &handle, flags, NULL) == SQLITE_OK &&
                   meta_text(handle, "incarnation", facts->incarnation, sizeof(facts->incarnation)) == 0 &&
                   meta_text(handle, WAL_GENERATION, generation, sizeof(generation)) == 0;
    sqlite3_close(handle);
    if (!str_to_u64(str_of(generation), &facts->generation))
        facts->generation = 0;
}

static void read_database(const char *path, struct wal_facts *facts)
{
    unsigned char header[DATABASE_HEADER];
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    struct stat info;
    facts->database = fd >= 0 && fstat(fd, &info) == 0 && info.st_size > 0;
    if (!facts->database || !read_at(fd, header, sizeof(header), 0) ||
        memcmp(header, DATABASE_MAGIC, sizeof(DATABASE_MAGIC)) != 0)
        return;
    facts->rollback_mode = header[WRITE_VERSION] == 1;
}

int wal_facts_read(const char *path, struct wal_facts *ret)
{
    CLEANUP(free_ptr) char *wal = xasprintf("%s-wal", path), *mark = xasprintf("%s.wal-mark", path);
    struct stat info;
    *ret = (struct wal_facts){.marked = wal_mark_read(mark, &ret->claim)};
    ret->marked = wal_mark_read(mark, &ret->claim);
    // When SQLite has the database open, no descriptor of it may be closed: the locks would be lost.
    read_database(path, ret);
    if (ret->database && !ret->rollback_mode)
        read_identity(path, ret);
    CLEANUP(close_fd) int fd = open(wal, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(fd, &info) < 0)
        return -errno;
    ret->wal_bytes = (uint64_t)info.st_size;
    scan_wal(fd, ret);
    return 0;
}
